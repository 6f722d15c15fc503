//! Every kind of check against every fault that a server can have: [`table`] says what is to come
//! of it. A cell costs at most its timeout and so many bytes, whatever the server does.
//!
//! Hosts that cannot be reached need a network of their own: `integration/tests/checks_faults.rs`.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "a test of sockets and time, whose helpers may panic"
)]

#[path = "../common/mod.rs"]
mod common;
mod servers;
mod speech;
mod subject;
mod table;

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use checkers::ProbeResult;
use common::{LONG, run};
use servers::{Fault, Lab};
use subject::Subject;
use table::{Expected, expected};

/// For checks that end by it.
const TIMEOUT: Duration = Duration::from_millis(500);
/// A machine with much to do is late by less.
const LATE: Duration = Duration::from_secs(20);
/// What lies in the buffers of two sockets, and was never read.
const BUFFERS: usize = 1 << 20;

/// Runs one cell. Gives what was found in words, and whether that is as expected.
async fn cell(subject: Subject, fault: Fault, lab: Arc<Lab>) -> (String, bool) {
    let expected = expected(subject, fault);
    if let Expected::Cannot(why) = expected {
        return (format!("cannot be: {why}"), true);
    }
    let (address, said) = servers::start(subject, fault, &lab).await;
    // What should end by itself has a timeout that it must not need.
    let timeout = if expected.times_out() { TIMEOUT } else { LONG };
    let outcome = run(address, subject.check(&lab), timeout).await;
    let as_expected = match (&outcome.result, expected) {
        (ProbeResult::Passed, Expected::Passes) => true,
        (ProbeResult::Failed(failure), Expected::Fails(ways)) => {
            ways.iter().any(|(cause, words)| {
                *cause == failure.cause
                    && match words.strip_suffix('*') {
                        None => failure.text == *words,
                        Some(start) => failure.text.starts_with(start),
                    }
            })
        }
        _ => false,
    };
    let (least, most) =
        if expected.times_out() { (TIMEOUT, TIMEOUT + LATE) } else { (Duration::ZERO, LATE) };
    let in_time = (least..most).contains(&outcome.latency);
    let said = said.load(Ordering::Relaxed);
    let few = said <= subject.limit() + BUFFERS;
    let cause = match &outcome.result {
        ProbeResult::Failed(failure) => failure.cause.name(),
        _ => "",
    };
    let found = format!("{cause:<21} {} [{:.0?}, {said} bytes]", outcome.result, outcome.latency);
    (found, as_expected && in_time && few)
}

/// `--nocapture` prints the whole table.
#[tokio::test]
async fn every_check_against_every_fault() {
    let lab = Arc::new(Lab::new().await);
    let mut wrong = String::new();
    for subject in Subject::ALL {
        let cells: Vec<_> = Fault::ALL
            .into_iter()
            .map(|fault| (fault, tokio::spawn(cell(subject, fault, Arc::clone(&lab)))))
            .collect();
        for (fault, cell) in cells {
            let (found, as_expected) = cell.await.unwrap();
            let line = format!("{:<30} {:<19} {found}", subject.name(), format!("{fault:?}"));
            println!("{line}");
            if !as_expected {
                writeln!(wrong, "{line}\n    expected: {:?}", expected(subject, fault)).unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}
