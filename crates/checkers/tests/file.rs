//! `file_check` on real files.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "a test of files, whose helpers may panic"
)]

mod common;

use std::fs;
use std::path::PathBuf;

use checkers::{Advice, Cause, FileCheck, FileValue, Kind, Outcome, ProbeResult};
use common::{LONG, failure, local, run};
use nix::sys::stat::Mode;
use tempfile::TempDir;

async fn check(path: PathBuf, value: FileValue) -> Outcome {
    run("192.0.2.1:80".parse().unwrap(), Kind::File(FileCheck { path, value }), LONG).await
}

#[tokio::test]
async fn the_number_is_read_anew_each_time() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("web1");
    for weight in [7, 0] {
        fs::write(&path, format!("{weight}\n")).unwrap();
        let outcome = check(path.clone(), FileValue::Weight).await;
        assert_eq!(outcome.result, ProbeResult::Passed);
        assert_eq!(outcome.advice, Some(Advice::Weight(weight)));
    }
    let outcome = check(path.clone(), FileValue::Verdict).await;
    assert_eq!((outcome.result, outcome.advice), (ProbeResult::Passed, None));
    fs::write(&path, "3").unwrap();
    let outcome = check(path.clone(), FileValue::Verdict).await;
    assert_eq!(failure(&outcome, Cause::Reported), "the file says 3 (expected 0)");
    let outcome = check(path, FileValue::Percent).await;
    assert_eq!(outcome.advice, Some(Advice::Percent(3)));
}

#[tokio::test]
async fn what_cannot_be_read_says_nothing() {
    let directory = TempDir::new().unwrap();
    let path = |name: &str| directory.path().join(name);
    fs::write(path("garbled"), "up").unwrap();
    fs::write(path("long"), "0".repeat(1 << 20)).unwrap();
    nix::unistd::mkfifo(&path("pipe"), Mode::S_IRUSR).unwrap();
    for (name, problem) in [
        ("missing", "No such file or directory"),
        ("garbled", "`up` is no whole number"),
        ("long", "longer than 64 bytes"),
        ("pipe", "not a regular file"),
        (".", "not a regular file"),
    ] {
        let outcome = check(path(name), FileValue::Verdict).await;
        let text = local(&outcome);
        assert_eq!(text, format!("read {}: {problem}", path(name).display()));
    }
    let outcome = check("/dev/zero".into(), FileValue::Verdict).await;
    assert_eq!(local(&outcome), "read /dev/zero: not a regular file");
}
