#![allow(clippy::disallowed_methods, reason = "an instant to count from")]

use std::time::Duration;

use super::*;
use crate::history::HISTORY;
use crate::outcome::{Cause, Failure};

fn judge(start: Start, rise: u32, fall: u32) -> Judge {
    let timing = Timing { rise, fall, ..Timing::default() };
    Judge::new("tcp_check", &timing, start, Instant::now())
}

fn outcome(result: ProbeResult) -> Outcome {
    Outcome::new(Instant::now(), Duration::ZERO, result)
}

fn pass() -> ProbeResult {
    ProbeResult::Passed
}

fn fail() -> ProbeResult {
    ProbeResult::Failed(Failure::new(Cause::Refused, "connection refused"))
}

fn local() -> ProbeResult {
    ProbeResult::Local("no descriptor".into())
}

/// Feeds one result per letter (`p`ass, `f`ail, `l`ocal); gives the states after each (`u`p,
/// `d`own, `?`).
fn states(judge: &mut Judge, results: &str) -> String {
    let take = |letter| {
        let result = match letter {
            'p' => pass(),
            'f' => fail(),
            _ => local(),
        };
        let before = judge.state();
        let change = judge.record(&outcome(result), Instant::now());
        assert_eq!(change.map_or(before, |change| change.from), before);
        assert_eq!(change.map_or(before, |change| change.to), judge.state());
        match judge.state() {
            State::Unknown => '?',
            State::Up => 'u',
            State::Down => 'd',
        }
    };
    results.chars().map(take).collect()
}

#[test]
fn the_first_result_decides_when_nothing_is_known() {
    assert_eq!(states(&mut judge(Start::Unknown, 5, 5), "p"), "u");
    assert_eq!(states(&mut judge(Start::Unknown, 5, 5), "f"), "d");
    assert_eq!(states(&mut judge(Start::Unknown, 5, 5), "llp"), "??u");
}

#[test]
fn an_adopted_server_keeps_its_state_until_the_threshold() {
    assert_eq!(states(&mut judge(Start::Up, 2, 3), "fffp"), "uudd");
    assert_eq!(states(&mut judge(Start::Down, 2, 3), "ppf"), "duu");
}

#[test]
fn maintenance_takes_a_server_down_at_once() {
    let mut judge = judge(Start::Up, 2, 3);
    let failure = Failure::new(Cause::Maintenance, "the agent says maint");
    judge.record(&outcome(ProbeResult::Failed(failure)), Instant::now());
    assert_eq!(judge.state(), State::Down);
    // It comes back as any other.
    assert_eq!(states(&mut judge, "pp"), "du");
}

/// What the kernel's table said is reported once more when the results say it too.
#[test]
fn an_adopted_state_is_confirmed_once() {
    let mut judge = judge(Start::Up, 2, 3);
    let mut reported = |result| {
        let change = judge.record(&outcome(result), Instant::now());
        change.map(|change| (change.from, change.to))
    };
    assert_eq!(reported(pass()), None);
    assert_eq!(reported(fail()), None);
    assert_eq!(reported(pass()), None);
    assert_eq!(reported(pass()), Some((State::Up, State::Up)));
    for result in [pass(), fail(), fail(), pass(), pass()] {
        assert_eq!(reported(result), None);
    }
}

#[test]
fn rise_and_fall_count_in_a_row() {
    assert_eq!(states(&mut judge(Start::Up, 2, 3), "ffpffpfffppfpp"), "uuuuuuuudduuuu");
    assert_eq!(states(&mut judge(Start::Down, 3, 1), "ppfppfppp"), "ddddddddu");
    assert_eq!(states(&mut judge(Start::Up, 1, 1), "fpfp"), "dudu");
}

#[test]
fn thresholds_of_zero_count_as_one() {
    assert_eq!(states(&mut judge(Start::Up, 0, 0), "fp"), "du");
}

#[test]
fn local_trouble_neither_counts_nor_interrupts_a_row() {
    assert_eq!(states(&mut judge(Start::Up, 2, 2), "flllf"), "uuuud");
    assert_eq!(states(&mut judge(Start::Down, 2, 2), "plllp"), "ddddu");
    assert_eq!(states(&mut judge(Start::Up, 2, 2), "llllllll"), "uuuuuuuu");
}

#[test]
fn since_is_the_moment_of_the_change() {
    let mut judge = judge(Start::Unknown, 1, 2);
    let t0 = judge.since();
    let at = |seconds| t0 + Duration::from_secs(seconds);
    judge.record(&outcome(pass()), at(1));
    judge.record(&outcome(fail()), at(2));
    judge.record(&outcome(pass()), at(3));
    assert_eq!(judge.since(), at(1));
    judge.record(&outcome(fail()), at(4));
    judge.record(&outcome(fail()), at(5));
    judge.record(&outcome(fail()), at(6));
    assert_eq!((judge.state(), judge.since()), (State::Down, at(5)));
}

#[test]
fn the_last_outcomes_are_kept() {
    let mut judge = judge(Start::Unknown, 1, 1);
    for number in 0..HISTORY + 4 {
        judge.record(&outcome(ProbeResult::Local(number.to_string())), Instant::now());
    }
    let texts: Vec<_> = judge.history().map(|outcome| outcome.result.to_string()).collect();
    assert_eq!(texts.len(), 16);
    assert_eq!(texts[0], "cannot check: 4");
    assert_eq!(texts[15], "cannot check: 19");
    assert_eq!(judge.totals(), Totals { local: 20, ..Totals::default() });
}

#[test]
fn words_say_why() {
    let mut unknown = judge(Start::Unknown, 2, 3);
    assert_eq!(unknown.words(Instant::now()), "tcp_check: not checked yet");
    states(&mut unknown, "f");
    assert_eq!(unknown.words(Instant::now()), "tcp_check: connection refused");

    let mut up = judge(Start::Up, 2, 3);
    assert_eq!(up.words(Instant::now()), "tcp_check: taken over as up, not checked yet");
    states(&mut up, "p");
    assert_eq!(up.words(Instant::now()), "tcp_check: passed");
    states(&mut up, "ff");
    assert_eq!(up.words(Instant::now()), "tcp_check: connection refused, failure 2 of 3");
    states(&mut up, "f");
    assert_eq!(up.words(Instant::now()), "tcp_check: connection refused, 3 failures in a row");
    states(&mut up, "l");
    assert_eq!(up.words(Instant::now()), "tcp_check: cannot check: no descriptor");
    states(&mut up, "p");
    assert_eq!(up.words(Instant::now()), "tcp_check: passed, success 1 of 2");
}

fn asking(advice: Option<Advice>) -> Outcome {
    Outcome { advice, ..outcome(pass()) }
}

/// Another weight is news while the server is up; before that it waits for the verdict.
#[test]
fn advice_is_told_when_it_changes() {
    let mut judge = judge(Start::Down, 2, 2);
    let half = Some(Advice::Percent(50));
    let mut news = |outcome| {
        let change = judge.record(&outcome, Instant::now());
        (change.map(|change| (change.from, change.to)), judge.advice())
    };
    let up = (State::Up, State::Up);
    assert_eq!(news(asking(half)), (None, half));
    assert_eq!(news(asking(half)), (Some((State::Down, State::Up)), half));
    assert_eq!(news(asking(half)), (None, half));
    assert_eq!(news(asking(Some(Advice::Weight(7)))), (Some(up), Some(Advice::Weight(7))));
    // Neither a failure that does not take it down nor local trouble takes the advice back.
    assert_eq!(news(outcome(fail())), (None, Some(Advice::Weight(7))));
    assert_eq!(news(outcome(local())), (None, Some(Advice::Weight(7))));
    assert_eq!(news(asking(None)), (Some(up), None));
    assert_eq!(news(asking(None)), (None, None));
}

fn damped(falls: u32, within: u64, hold: u64) -> Judge {
    let damping =
        Damping { falls, within: Duration::from_secs(within), hold: Duration::from_secs(hold) };
    let timing = Timing { rise: 2, fall: 1, damping: Some(damping), ..Timing::default() };
    Judge::new("tcp_check", &timing, Start::Up, Instant::now())
}

#[test]
fn a_server_that_falls_too_often_is_held_down() {
    let mut judge = damped(2, 60, 100);
    let t0 = judge.since();
    let mut at = |seconds, result| {
        judge.record(&outcome(result), t0 + Duration::from_secs(seconds));
        judge.state()
    };
    assert_eq!(at(0, fail()), State::Down);
    assert_eq!(at(10, pass()), State::Down);
    assert_eq!(at(20, pass()), State::Up);
    // The second fall within 60 s: down until 60 + 100.
    assert_eq!(at(60, fail()), State::Down);
    for seconds in (70..160).step_by(10) {
        assert_eq!(at(seconds, pass()), State::Down, "{seconds}");
    }
    assert_eq!(at(160, pass()), State::Up);
    // 61 s after the last fall that is the first one again.
    assert_eq!(at(121 + 60, fail()), State::Down);
    assert_eq!(at(190, pass()), State::Down);
    assert_eq!(at(191, pass()), State::Up);
}

#[test]
fn words_say_that_a_server_is_held_down() {
    let mut judge = damped(2, 60, 100);
    let t0 = judge.since();
    let at = |seconds| t0 + Duration::from_secs(seconds);
    for (seconds, result) in [(0, fail()), (1, pass()), (2, pass()), (3, fail())] {
        judge.record(&outcome(result), at(seconds));
    }
    let held = "fell 2 times within 60s, held down for";
    assert_eq!(judge.words(at(3)), format!("tcp_check: connection refused; {held} 100s more"));
    judge.record(&outcome(pass()), at(4));
    judge.record(&outcome(pass()), at(5));
    judge.record(&outcome(pass()), at(6));
    assert_eq!(judge.words(at(6)), format!("tcp_check: passed, success 2 of 2; {held} 97s more"));
    assert_eq!(judge.words(at(103)), "tcp_check: passed, success 2 of 2");
}

#[test]
fn a_verdict_is_changing_while_results_speak_against_it() {
    let mut judge = judge(Start::Up, 2, 2);
    let mut changing = |letter| {
        states(&mut judge, letter);
        judge.is_changing(Instant::now())
    };
    // Not confirmed until the second success.
    assert!(changing("p"));
    assert!(!changing("p"));
    assert!(changing("f"));
    assert!(!changing("f"));
    assert!(!changing("f"));
    assert!(changing("p"));
    assert!(changing("l"));
    assert!(!changing("p"));
}
