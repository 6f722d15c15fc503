//! The troubles that are not over, from their first sign to their last: each is reported once. Pure.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::trouble::{Subject, Trouble};

/// Invented senders must not fill memory, logs, or the queues of scripts: so many troubles of one
/// kind are open at a time, where whoever sends chooses the subject.
const MOST_OF_A_KIND: usize = 32;

/// A trouble that comes and goes is one trouble: good news end it only when its last sign was so
/// long ago.
const CALM: Duration = Duration::from_secs(5);

/// One trouble.
#[derive(Debug)]
struct Episode {
    /// As its last sign has it.
    trouble: Trouble,
    last: Instant,
    /// When it is over, unless there is a further sign.
    until: Instant,
}

/// The troubles that are not over.
#[derive(Debug, Default)]
pub(crate) struct Episodes(BTreeMap<Subject, Episode>);

impl Episodes {
    /// A sign of it, which keeps it open for so long. Whether it is to be told: it is the first one.
    pub(crate) fn open(&mut self, trouble: Trouble, lasts: Duration, now: Instant) -> bool {
        let subject = trouble.subject();
        let is_known = self.0.contains_key(&subject);
        if !is_known && subject.is_chosen_by_the_sender() {
            let open = self.0.keys().filter(|open| open.is_of_the_kind_of(&subject));
            if open.count() >= MOST_OF_A_KIND {
                return false;
            }
        }
        self.0.insert(subject, Episode { trouble, last: now, until: now + lasts });
        !is_known
    }

    /// It is over. Gives it as it was, if it had been there.
    pub(crate) fn close(&mut self, subject: &Subject) -> Option<Trouble> {
        self.0.remove(subject).map(|episode| episode.trouble)
    }

    /// Good news of these, from somebody who sends every so often: they are over, but for those
    /// with a sign just now.
    pub(crate) fn calm(
        &mut self,
        interval: Duration,
        now: Instant,
        is_good: impl Fn(&Subject) -> bool,
    ) -> Vec<Trouble> {
        let patience = CALM.max(interval * 3);
        self.take(|subject, episode| is_good(subject) && now >= episode.last + patience)
    }

    /// Those that have had no further sign in time.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<Trouble> {
        self.take(|_, episode| now >= episode.until)
    }

    /// All of them.
    pub(crate) fn end(&mut self) -> Vec<Trouble> {
        self.take(|_, _| true)
    }

    fn take(&mut self, is_over: impl Fn(&Subject, &Episode) -> bool) -> Vec<Trouble> {
        let over = self.0.extract_if(.., |subject, episode| is_over(subject, episode));
        over.map(|(_, episode)| episode.trouble).collect()
    }

    /// When the next one may be over.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.0.values().map(|episode| episode.until).min()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Trouble> {
        self.0.values().map(|episode| &episode.trouble)
    }
}
