//! The definitions in force, and whether they are on trial.
//!
//! An operator who changes the director from afar may cut off their own way to it. So definitions
//! can be put in force on trial: unless somebody confirms them in time, those before them come
//! back, whoever has gone away meanwhile. Pure: inputs and `now` in, outputs out.
//!
//! - A second `apply` during a trial takes its place. A rollback goes back to what was last in
//!   force for good, never to something that nobody has confirmed.
//! - A reload during a trial is refused: somebody else's `systemctl reload` is no confirmation.
//! - A crash of the worker, or an upgrade, ends no trial: the next worker goes on with it.
//! - A stop ends the trial with nothing more: a stop changes no table, and the next start loads
//!   the configuration file of the command line.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use api::AppliedBy;

/// Where definitions come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The file.
    pub(crate) file: PathBuf,
    /// What put them in force.
    pub(crate) by: AppliedBy,
    /// Since when they have been in force.
    pub(crate) since: Instant,
}

/// Definitions, and where they come from.
#[derive(Debug, Clone)]
pub(crate) struct Definitions<C> {
    pub(crate) config: C,
    pub(crate) origin: Origin,
}

/// A trial that is going on.
#[derive(Debug)]
pub(crate) struct Trial<C> {
    /// What was last in force for good.
    pub(crate) before: Definitions<C>,
    pub(crate) until: Instant,
}

/// What is told.
#[derive(Debug)]
pub(crate) enum Input<C> {
    /// The configuration file was read again.
    Reload {
        /// Its definitions.
        config: C,
        /// The file.
        file: PathBuf,
    },
    /// `lvsctl apply`.
    Apply {
        /// The definitions.
        config: C,
        /// Their file.
        file: PathBuf,
        /// The user.
        by: String,
        /// Time for the confirmation; `None`: for good.
        confirm: Option<Duration>,
    },
    /// `lvsctl confirm`, run by this user.
    Confirm(String),
    /// `lvsctl rollback`, run by this user.
    RollBack(String),
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Output<C> {
    /// These definitions are in force now.
    PutInForce(C),
    /// Something to log.
    Event(Event),
}

/// Something to log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// Definitions were applied.
    Applied {
        /// Their file.
        file: PathBuf,
        /// The user.
        by: String,
        /// Time for the confirmation; `None`: for good.
        confirm: Option<Duration>,
    },
    /// Definitions on trial are in force for good.
    Confirmed {
        /// Their file.
        file: PathBuf,
        /// The user.
        by: String,
    },
    /// A trial ended without a confirmation.
    RolledBack(Rollback),
}

/// A trial that ended without a confirmation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rollback {
    /// The file that had been on trial.
    pub(crate) file: PathBuf,
    /// When it ended.
    pub(crate) at: Instant,
    /// Why, in words.
    pub(crate) why: String,
}

/// Why something is not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// No reload during a trial.
    #[error(
        "{} is on trial for another {}: `lvsctl confirm` keeps it, `lvsctl rollback` ends it; \
         reload after that",
        file.display(),
        humantime::format_duration(Duration::from_secs(left.as_secs()))
    )]
    OnTrial {
        /// The file on trial.
        file: PathBuf,
        /// Time left.
        left: Duration,
    },
    /// Nothing is on trial.
    #[error("nothing is on trial: {} is in force for good", file.display())]
    NoTrial {
        /// The file in force.
        file: PathBuf,
    },
    /// Nothing is on trial any more.
    #[error(
        "nothing is on trial any more: {} was rolled back ({why}); apply it again",
        file.display()
    )]
    Over {
        /// The file that had been on trial.
        file: PathBuf,
        /// Why it was rolled back.
        why: String,
    },
}

/// The definitions in force. `C` is what they are.
#[derive(Debug)]
pub(crate) struct InForce<C> {
    now: Definitions<C>,
    trial: Option<Trial<C>>,
    rollback: Option<Rollback>,
    outputs: VecDeque<Output<C>>,
}

impl<C: Clone> InForce<C> {
    /// lvsd starts with these.
    pub(crate) fn new(config: C, file: PathBuf, now: Instant) -> Self {
        let origin = Origin { file, by: AppliedBy::Start, since: now };
        Self {
            now: Definitions { config, origin },
            trial: None,
            rollback: None,
            outputs: VecDeque::new(),
        }
    }

    /// Goes on where another process stood.
    pub(crate) fn go_on(now: Definitions<C>, trial: Option<Trial<C>>) -> Self {
        Self { now, trial, rollback: None, outputs: VecDeque::new() }
    }

    /// What another process needs to go on.
    pub(crate) fn parts(&self) -> (&Definitions<C>, Option<&Trial<C>>) {
        (&self.now, self.trial.as_ref())
    }

    /// The definitions in force.
    pub(crate) fn config(&self) -> &C {
        &self.now.config
    }

    /// Where they come from.
    pub(crate) fn origin(&self) -> &Origin {
        &self.now.origin
    }

    /// When their trial ends, if they are on trial.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.trial.as_ref().map(|trial| trial.until)
    }

    /// The last trial, if it ended without a confirmation and nothing was put in force since.
    pub(crate) fn rollback(&self) -> Option<&Rollback> {
        self.rollback.as_ref()
    }

    /// Whether a reload would be refused at `now`.
    pub(crate) fn may_reload(&self, now: Instant) -> Result<(), Refusal> {
        match &self.trial {
            Some(trial) if now < trial.until => Err(Refusal::OnTrial {
                file: self.now.origin.file.clone(),
                left: trial.until - now,
            }),
            _ => Ok(()),
        }
    }

    /// Takes an input. A refused one changes nothing.
    pub(crate) fn handle(&mut self, input: Input<C>, now: Instant) -> Result<(), Refusal> {
        // A confirmation that comes too late is too late, whatever woke first.
        self.handle_timeout(now);
        match input {
            Input::Reload { config, file } => {
                self.may_reload(now)?;
                self.put_in_force(config, Origin { file, by: AppliedBy::Reload, since: now });
            }
            Input::Apply { config, file, by, confirm } => {
                let origin =
                    Origin { file: file.clone(), by: AppliedBy::User(by.clone()), since: now };
                let old = self.put_in_force(config, origin);
                // What nobody has confirmed is nothing to go back to.
                let before = self.trial.take().map_or(old, |trial| trial.before);
                self.trial = confirm.map(|time| Trial { before, until: now + time });
                self.event(Event::Applied { file, by, confirm });
            }
            Input::Confirm(by) => {
                self.trial.take().ok_or_else(|| self.no_trial())?;
                self.event(Event::Confirmed { file: self.now.origin.file.clone(), by });
            }
            Input::RollBack(by) => {
                let trial = self.trial.take().ok_or_else(|| self.no_trial())?;
                self.roll_back(trial, format!("asked by {by}"), now);
            }
        }
        Ok(())
    }

    /// Ends the trial that is due at `now`.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if let Some(trial) = self.trial.take_if(|trial| trial.until <= now) {
            self.roll_back(trial, "not confirmed in time".to_owned(), now);
        }
    }

    /// The next thing to do.
    pub(crate) fn poll_output(&mut self) -> Option<Output<C>> {
        self.outputs.pop_front()
    }

    fn put_in_force(&mut self, config: C, origin: Origin) -> Definitions<C> {
        self.rollback = None;
        self.outputs.push_back(Output::PutInForce(config.clone()));
        std::mem::replace(&mut self.now, Definitions { config, origin })
    }

    fn roll_back(&mut self, trial: Trial<C>, why: String, now: Instant) {
        let Definitions { config, origin } = trial.before;
        let tried = self.put_in_force(config, origin);
        let rollback = Rollback { file: tried.origin.file, at: now, why };
        self.rollback = Some(rollback.clone());
        self.event(Event::RolledBack(rollback));
    }

    fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    fn no_trial(&self) -> Refusal {
        match &self.rollback {
            Some(Rollback { file, why, .. }) => {
                Refusal::Over { file: file.clone(), why: why.clone() }
            }
            None => Refusal::NoTrial { file: self.now.origin.file.clone() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    /// Definitions are named by a word; the file is the word too.
    struct Table {
        in_force: InForce<&'static str>,
        start: Instant,
    }

    impl Table {
        fn new() -> Self {
            let start = Instant::now();
            Self { in_force: InForce::new("first", "first".into(), start), start }
        }

        fn handle(
            &mut self,
            input: Input<&'static str>,
            at: Duration,
        ) -> Result<Vec<&'static str>, Refusal> {
            self.in_force.handle(input, self.start + at)?;
            Ok(self.put())
        }

        fn timeout(&mut self, at: Duration) -> Vec<&'static str> {
            self.in_force.handle_timeout(self.start + at);
            self.put()
        }

        /// What was put in force.
        fn put(&mut self) -> Vec<&'static str> {
            let outputs = std::iter::from_fn(|| self.in_force.poll_output());
            outputs
                .filter_map(|output| match output {
                    Output::PutInForce(config) => Some(config),
                    Output::Event(_) => None,
                })
                .collect()
        }
    }

    fn apply(config: &'static str, confirm: Option<Duration>) -> Input<&'static str> {
        Input::Apply { config, file: config.into(), by: "root".to_owned(), confirm }
    }

    fn reload(config: &'static str) -> Input<&'static str> {
        Input::Reload { config, file: config.into() }
    }

    fn confirm() -> Input<&'static str> {
        Input::Confirm("root".to_owned())
    }

    #[test]
    fn what_is_not_confirmed_goes_back() {
        let mut table = Table::new();
        assert_eq!(table.handle(apply("new", Some(MINUTE)), Duration::ZERO).unwrap(), ["new"]);
        assert_eq!(table.in_force.poll_timeout(), Some(table.start + MINUTE));
        assert!(table.timeout(MINUTE - Duration::from_nanos(1)).is_empty());
        assert_eq!(table.timeout(MINUTE), ["first"]);
        assert_eq!(table.in_force.config(), &"first");
        assert_eq!(table.in_force.origin().by, AppliedBy::Start);
        assert_eq!(table.in_force.rollback().unwrap().file, PathBuf::from("new"));
        assert!(table.timeout(2 * MINUTE).is_empty(), "once");
        assert_eq!(table.in_force.poll_timeout(), None);
    }

    #[test]
    fn what_is_confirmed_stays() {
        let mut table = Table::new();
        table.handle(apply("new", Some(MINUTE)), Duration::ZERO).unwrap();
        assert!(table.handle(confirm(), MINUTE / 2).unwrap().is_empty());
        assert!(table.timeout(2 * MINUTE).is_empty());
        assert_eq!(table.in_force.config(), &"new");
        let again = table.handle(confirm(), 2 * MINUTE).unwrap_err();
        assert_eq!(again, Refusal::NoTrial { file: "new".into() });
    }

    #[test]
    fn a_confirmation_at_the_last_moment_is_too_late() {
        let mut table = Table::new();
        table.handle(apply("new", Some(MINUTE)), Duration::ZERO).unwrap();
        let late = table.handle(confirm(), MINUTE).unwrap_err();
        assert_eq!(
            late.to_string(),
            "nothing is on trial any more: new was rolled back (not confirmed in time); apply it \
             again"
        );
        assert_eq!(table.put(), ["first"]);
    }

    #[test]
    fn a_second_trial_goes_back_to_what_was_confirmed_last() {
        let mut table = Table::new();
        table.handle(apply("new", Some(MINUTE)), Duration::ZERO).unwrap();
        table.handle(apply("newer", Some(MINUTE)), MINUTE / 2).unwrap();
        assert!(table.timeout(MINUTE).is_empty(), "the second trial has its own time");
        assert_eq!(table.timeout(MINUTE * 3 / 2), ["first"]);
    }

    #[test]
    fn an_apply_for_good_ends_a_trial() {
        let mut table = Table::new();
        table.handle(apply("new", Some(MINUTE)), Duration::ZERO).unwrap();
        assert_eq!(table.handle(apply("newer", None), MINUTE / 2).unwrap(), ["newer"]);
        assert_eq!(table.in_force.poll_timeout(), None);
        assert!(table.timeout(2 * MINUTE).is_empty());
    }

    #[test]
    fn a_reload_waits_for_the_end_of_a_trial() {
        let mut table = Table::new();
        table.handle(apply("new", Some(MINUTE)), Duration::ZERO).unwrap();
        let refusal = table.handle(reload("other"), Duration::from_secs(20)).unwrap_err();
        assert!(refusal.to_string().starts_with("new is on trial for another 40s: "), "{refusal}");
        assert_eq!(table.in_force.config(), &"new");
        assert_eq!(table.handle(reload("other"), MINUTE).unwrap(), ["first", "other"]);
        assert_eq!(table.in_force.rollback(), None);
    }

    #[test]
    fn an_operator_may_end_a_trial() {
        let mut table = Table::new();
        let roll_back = || Input::RollBack("root".to_owned());
        let nothing = table.handle(roll_back(), Duration::ZERO).unwrap_err();
        assert_eq!(nothing, Refusal::NoTrial { file: "first".into() });
        table.handle(apply("new", Some(MINUTE)), Duration::ZERO).unwrap();
        assert_eq!(table.handle(roll_back(), Duration::ZERO).unwrap(), ["first"]);
        assert_eq!(table.in_force.rollback().unwrap().why, "asked by root");
    }
}
