//! Tracked scripts.

use std::time::Instant;

use checkers::judge::Judge;
use checkers::{Initial, Outcome, ProbeResult, Start, State};
use config::TrackScript;
use vrrp::Condition;

use super::{Teller, every};
use crate::script;

/// Runs the script for ever.
pub(super) async fn watch(track: TrackScript, mut teller: Teller) {
    let start = match track.timing.initial {
        Initial::Adopt => Start::Unknown,
        Initial::Up => Start::Up,
        Initial::Down => Start::Down,
    };
    let mut verdict = Verdict::new(&track, start);
    if start != Start::Unknown {
        teller.tell(verdict.condition());
    }
    let mut ticks = every(track.timing.interval);
    loop {
        ticks.tick().await;
        let started = Instant::now();
        let run = script::run(track.script.clone(), [], Vec::new(), track.timing.timeout);
        let result = run.await;
        if let ProbeResult::Local(text) = &result {
            teller.trouble(text);
        }
        verdict.record(&Outcome::new(started, started.elapsed(), result));
        teller.tell(verdict.condition());
    }
}

/// The judgement, and why the last failure was one.
struct Verdict {
    judge: Judge,
    why: String,
}

impl Verdict {
    fn new(track: &TrackScript, start: Start) -> Self {
        let judge = Judge::new("script", &track.timing, start, Instant::now());
        Self { judge, why: "has not run yet".to_owned() }
    }

    fn record(&mut self, outcome: &Outcome) {
        match &outcome.result {
            ProbeResult::Passed => {}
            ProbeResult::Failed(failure) => self.why = failure.to_string(),
            // What is known stays so; as long as nothing is known, this is all there is to say.
            ProbeResult::Local(text) if self.judge.state() == State::Unknown => {
                self.why.clone_from(text);
            }
            ProbeResult::Local(_) => {}
        }
        self.judge.record(outcome, Instant::now());
    }

    fn condition(&self) -> Condition {
        match self.judge.state() {
            State::Up => Condition::Works,
            State::Down => Condition::Fails(self.why.clone()),
            State::Unknown => Condition::Unclear(self.why.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use checkers::{Cause, Failure, Timing};
    use config::Script;

    use super::*;

    fn verdict(rise: u32, fall: u32, start: Start) -> Verdict {
        let timing = Timing { rise, fall, ..Timing::default() };
        let script = Script { command: Vec::new(), user: None };
        Verdict::new(&TrackScript { name: "a".to_owned(), script, timing }, start)
    }

    fn after(verdict: &mut Verdict, result: ProbeResult) -> Condition {
        verdict.record(&Outcome::new(Instant::now(), Duration::ZERO, result));
        verdict.condition()
    }

    fn failed(text: &str) -> ProbeResult {
        ProbeResult::Failed(Failure::new(Cause::Exit(1), text))
    }

    fn fails(text: &str) -> Condition {
        Condition::Fails(text.to_owned())
    }

    #[test]
    fn the_first_result_decides_and_later_ones_in_a_row() {
        let mut verdict = verdict(2, 3, Start::Unknown);
        assert_eq!(after(&mut verdict, failed("one")), fails("one"));
        assert_eq!(after(&mut verdict, ProbeResult::Passed), fails("one"));
        assert_eq!(after(&mut verdict, ProbeResult::Passed), Condition::Works);
        assert_eq!(after(&mut verdict, failed("two")), Condition::Works);
        assert_eq!(after(&mut verdict, failed("three")), Condition::Works);
        assert_eq!(after(&mut verdict, failed("four")), fails("four"));
    }

    #[test]
    fn a_script_that_cannot_run_changes_nothing() {
        let local = || ProbeResult::Local("no such file".to_owned());
        let mut unknown = verdict(1, 1, Start::Unknown);
        let unclear = Condition::Unclear("no such file".to_owned());
        assert_eq!(after(&mut unknown, local()), unclear);
        assert_eq!(after(&mut unknown, ProbeResult::Passed), Condition::Works);
        assert_eq!(after(&mut unknown, local()), Condition::Works);
        let mut down = verdict(1, 1, Start::Down);
        assert_eq!(down.condition(), fails("has not run yet"));
        assert_eq!(after(&mut down, local()), fails("has not run yet"));
    }
}
