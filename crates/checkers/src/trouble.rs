//! What somebody should look at although it changes no verdict. Pure.

use std::sync::Arc;
use std::time::Instant;

use crate::outcome::{Outcome, ProbeResult};
use crate::spec::Monitor;

/// Something about a check that somebody should look at, although the verdict stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The check and its target.
    pub monitor: Arc<Monitor>,
    /// What sort of trouble.
    pub kind: TroubleKind,
    /// When it began.
    pub since: Instant,
    /// What it is, in the words of the last run that met it.
    pub text: String,
}

/// The sorts of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TroubleKind {
    /// The check cannot run for a reason on this machine, so nobody knows how the server is.
    CannotRun,
    /// The check passes, and soon may not any more: a certificate expires.
    Warning,
}

/// How a trouble has changed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// It has begun, or has other words now.
    Told,
    /// It is over.
    Over,
}

/// The troubles of one monitor.
#[derive(Debug, Default)]
pub(crate) struct Troubles {
    /// Boxed, for most have none.
    cannot_run: Option<Box<Lasting>>,
    warning: Option<Box<Lasting>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Lasting {
    since: Instant,
    text: String,
}

impl Troubles {
    /// Takes an outcome at `now`; gives what has changed by it.
    ///
    /// A run that fails has not seen what a warning is about, so only one that passes ends it.
    pub(crate) fn record(
        &mut self,
        monitor: &Arc<Monitor>,
        outcome: &Outcome,
        now: Instant,
    ) -> Vec<(Change, Trouble)> {
        let mut changes = Vec::new();
        let mut note = |kind, slot: &mut Option<Box<Lasting>>, text: Option<&String>| {
            let change = update(slot, text, now);
            changes.extend(change.map(|(change, lasting)| (change, lasting.of(monitor, kind))));
        };
        let local = match &outcome.result {
            ProbeResult::Local(text) => Some(text),
            ProbeResult::Passed | ProbeResult::Failed(_) => None,
        };
        note(TroubleKind::CannotRun, &mut self.cannot_run, local);
        if outcome.result == ProbeResult::Passed {
            note(TroubleKind::Warning, &mut self.warning, outcome.warning.as_ref());
        }
        changes
    }

    /// Those that go on.
    pub(crate) fn lasting(&self, monitor: &Arc<Monitor>) -> impl Iterator<Item = Trouble> {
        let cannot_run = self.cannot_run.iter().map(|one| one.of(monitor, TroubleKind::CannotRun));
        let warning = self.warning.iter().map(|one| one.of(monitor, TroubleKind::Warning));
        cannot_run.chain(warning)
    }
}

fn update(
    slot: &mut Option<Box<Lasting>>,
    text: Option<&String>,
    now: Instant,
) -> Option<(Change, Lasting)> {
    match (slot.as_mut(), text) {
        (None, None) => None,
        (Some(_), None) => slot.take().map(|old| (Change::Over, *old)),
        (Some(old), Some(text)) if old.text == *text => None,
        (old, Some(text)) => {
            let since = old.map_or(now, |old| old.since);
            let new = Lasting { since, text: text.clone() };
            *slot = Some(Box::new(new.clone()));
            Some((Change::Told, new))
        }
    }
}

impl Lasting {
    fn of(&self, monitor: &Arc<Monitor>, kind: TroubleKind) -> Trouble {
        let Self { since, text } = self;
        Trouble { monitor: Arc::clone(monitor), kind, since: *since, text: text.clone() }
    }
}
