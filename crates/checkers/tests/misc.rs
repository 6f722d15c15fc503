//! `misc_check` with real programs: what they may do, and that nothing of them stays.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "a test of sockets, processes and time, whose helpers may panic"
)]

mod common;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use checkers::probe::{self, Context};
use checkers::{Advice, Cause, Kind, MiscCheck, Outcome, ProbeResult, State};
use common::{HANG, LONG, failure, local, misc, monitor, run};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Gid, Pid, geteuid, getgid, setgroups};

/// For programs that should run into their timeout, with time enough to start before.
const TIMEOUT: Duration = Duration::from_secs(2);

fn target() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 7], 8080))
}

fn own_user() -> String {
    nix::unistd::User::from_uid(geteuid()).unwrap().unwrap().name
}

/// A shell script run as the user of the tests, so that they run without root too.
fn script(text: &str) -> Kind {
    let command = ["/bin/sh", "-c", text].map(str::to_owned).to_vec();
    Kind::Misc(MiscCheck { command, user: Some(own_user()), ..MiscCheck::default() })
}

async fn sh(text: &str) -> Outcome {
    run(target(), script(text), LONG).await
}

/// An argument for `sleep` (many years) that no other process has.
fn unique() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    format!("9{:07}{number:03}", std::process::id())
}

/// The processes that run with this argument. A zombie has no arguments.
fn processes(argument: &str) -> Vec<Pid> {
    let process = |entry: std::io::Result<std::fs::DirEntry>| {
        let path: PathBuf = entry.ok()?.path();
        let pid = path.file_name()?.to_str()?.parse().ok()?;
        let arguments = std::fs::read(path.join("cmdline")).ok()?;
        arguments
            .split(|&byte| byte == 0)
            .any(|one| one == argument.as_bytes())
            .then_some(Pid::from_raw(pid))
    };
    std::fs::read_dir("/proc").unwrap().filter_map(process).collect()
}

/// Waits until as many processes as `wanted` says run with this argument.
async fn until(argument: &str, wanted: impl Fn(usize) -> bool) {
    let start = Instant::now();
    while !wanted(processes(argument).len()) {
        assert!(start.elapsed() < HANG, "still {:?}", processes(argument));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn the_exit_status_decides() {
    assert_eq!(sh("exit 0").await.result, ProbeResult::Passed);
    assert_eq!(failure(&sh("exit 2").await, Cause::Exit(2)), "exit status 2");
    assert_eq!(failure(&sh("kill -SEGV $$").await, Cause::Signal(11)), "killed by SIGSEGV");
}

#[tokio::test]
async fn the_last_lines_of_both_outputs_explain_a_failure() {
    let text = "echo one; echo two >&2; echo three; echo 'four: no such database' >&2; exit 1";
    assert_eq!(
        failure(&sh(text).await, Cause::Exit(1)),
        "exit status 1: two / three / four: no such database"
    );
}

#[tokio::test]
async fn the_program_gets_the_servers_address_and_little_else() {
    let _listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    for test in [
        r#"[ "$LVSD_SERVER" = 192.0.2.7 ]"#,
        r#"[ "$LVSD_PORT" = 8080 ]"#,
        r#"[ -z "${HOME+set}" ] && [ -z "${CARGO_PKG_NAME+set}" ]"#,
        r#"[ "$(pwd)" = / ]"#,
        "! read line",
        "command -v ls",
        // None of our own descriptors: this process has all of these.
        "! ls -l /proc/self/fd | grep -E 'socket|eventpoll|eventfd'",
    ] {
        assert_eq!(sh(test).await.result, ProbeResult::Passed, "{test}");
    }
}

/// What the program is told beside the address: for whom it runs, and what it said before.
#[tokio::test]
async fn the_program_is_told_for_whom_it_runs() {
    let test = r#"[ "$LVSD_VIRTUAL_SERVER $LVSD_WEIGHT $LVSD_STATE" = "web 7 down" ]"#;
    let Kind::Misc(check) = script(test) else { panic!("a program") };
    let check = MiscCheck { virtual_server: "web".into(), weight: 7, ..check };
    let monitor = monitor(target(), Kind::Misc(check), LONG);
    let outcome = probe::run(&monitor, State::Down, &Context::new()).await;
    assert_eq!(outcome.result, ProbeResult::Passed);
}

#[tokio::test]
async fn the_program_runs_in_the_group_and_the_directory_that_are_asked_for() {
    let directory = tempfile::tempdir().unwrap().keep();
    let group = nix::unistd::Group::from_gid(getgid()).unwrap().unwrap().name;
    let test = format!(r#"[ "$(pwd)" = {} ] && [ "$(id -gn)" = {group} ]"#, directory.display());
    let Kind::Misc(check) = script(&test) else { panic!("a program") };
    let check = MiscCheck { group: Some(group), directory: Some(directory.clone()), ..check };
    assert_eq!(run(target(), Kind::Misc(check), LONG).await.result, ProbeResult::Passed);
    std::fs::remove_dir(directory).unwrap();

    if geteuid().is_root() {
        let command = ["/bin/sh", "-c", r#"[ "$(id -u) $(id -G)" = "$(id -u nobody) 7" ]"#];
        let Kind::Misc(check) = misc(&command) else { panic!("a program") };
        let seven = nix::unistd::Group::from_gid(Gid::from_raw(7)).unwrap().unwrap().name;
        let check = MiscCheck { group: Some(seven), ..check };
        assert_eq!(run(target(), Kind::Misc(check), LONG).await.result, ProbeResult::Passed);
    }
}

/// The table of keepalived's manual for `misc_dynamic`: 0 up, 1 down, 2 to 255 up with the weight
/// that is 2 less.
#[tokio::test]
async fn with_dynamic_weight_the_exit_status_is_a_weight() {
    for (status, advice) in
        [(0, None), (2, Some(0)), (3, Some(1)), (102, Some(100)), (255, Some(253))]
    {
        let Kind::Misc(check) = script(&format!("exit {status}")) else { panic!("a program") };
        let check = MiscCheck { dynamic_weight: true, ..check };
        let outcome = run(target(), Kind::Misc(check), LONG).await;
        assert_eq!(outcome.result, ProbeResult::Passed, "{status}");
        assert_eq!(outcome.advice, advice.map(Advice::Weight), "{status}");
    }
    for (text, cause) in [("exit 1", Cause::Exit(1)), ("kill -KILL $$", Cause::Signal(9))] {
        let Kind::Misc(check) = script(text) else { panic!("a program") };
        let check = MiscCheck { dynamic_weight: true, ..check };
        failure(&run(target(), Kind::Misc(check), LONG).await, cause);
    }
}

#[tokio::test]
async fn the_last_lines_of_a_success_are_kept_too() {
    let outcome = sh("echo 3 of 4 disks; exit 0").await;
    assert_eq!(
        (outcome.result, outcome.note.as_deref()),
        (ProbeResult::Passed, Some("3 of 4 disks"))
    );
    assert_eq!(sh("exit 0").await.note, None);
}

#[tokio::test]
async fn arguments_reach_the_program_as_they_are() {
    let words = [
        "/bin/sh",
        "-c",
        r#"[ $# = 3 ] && [ "$1" = 'a b' ] && [ "$2" = '$HOME' ] && [ "$3" = '' ]"#,
        "name",
        "a b",
        "$HOME",
        "",
    ];
    let command = words.map(str::to_owned).to_vec();
    let kind = Kind::Misc(MiscCheck { command, user: Some(own_user()), ..MiscCheck::default() });
    assert_eq!(run(target(), kind, LONG).await.result, ProbeResult::Passed);
}

#[tokio::test]
async fn runs_as_nobody_by_default() {
    let kind = misc(&[
        "/bin/sh",
        "-c",
        r#"echo "$(id -u) $(id -G)"; [ "$(id -u) $(id -G)" = "$(id -u nobody) $(id -g nobody)" ]"#,
    ]);
    if geteuid().is_root() || own_user() == "nobody" {
        if geteuid().is_root() {
            // A supplementary group that must not be handed on.
            setgroups(&[Gid::from_raw(4242)]).unwrap();
        }
        assert_eq!(run(target(), kind, LONG).await.result, ProbeResult::Passed);
    } else {
        let text = local(&run(target(), kind, LONG).await);
        assert!(text.starts_with("start /bin/sh as user nobody: "), "{text}");
    }
}

#[tokio::test]
async fn a_program_that_cannot_be_run_is_local_trouble() {
    let user = Some(own_user());
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("check");
    std::fs::write(&file, "#!/bin/sh\n").unwrap();
    for (name, why) in [
        ("/nonexistent/check", "No such file or directory"),
        (file.to_str().unwrap(), "Permission denied"),
        (directory.path().to_str().unwrap(), "Permission denied"),
    ] {
        let command = vec![name.to_owned()];
        let check = MiscCheck { command, user: user.clone(), ..MiscCheck::default() };
        let text = local(&run(target(), Kind::Misc(check), LONG).await);
        assert!(text.starts_with(&format!("start {name} as user ")), "{text}");
        assert!(text.contains(why), "{text}");
    }
    let ok = MiscCheck { command: vec!["/bin/true".into()], user, ..MiscCheck::default() };
    let nobody = Some("no-such-one".to_owned());
    let nowhere = Some("/no/such/directory".into());
    let as_user = format!("start /bin/true as user {}", own_user());
    for (check, expected) in [
        (
            MiscCheck { user: nobody.clone(), ..ok.clone() },
            "look up user no-such-one: no such user".to_owned(),
        ),
        (
            MiscCheck { group: nobody, ..ok.clone() },
            "look up group no-such-one: no such group".to_owned(),
        ),
        (
            MiscCheck { directory: nowhere, ..ok },
            format!("{as_user} in /no/such/directory: No such file or directory"),
        ),
    ] {
        assert_eq!(local(&run(target(), Kind::Misc(check), LONG).await), expected);
    }
}

#[tokio::test]
async fn a_hung_program_is_killed_with_all_its_children() {
    let unique = unique();
    let text = format!(
        "trap '' TERM INT HUP; echo started; sleep {unique} & (sleep {unique} & sleep {unique}) & \
         sleep {unique}"
    );
    let kind = script(&text);
    let running = tokio::spawn(async move { run(target(), kind, TIMEOUT).await });
    until(&unique, |count| count == 4).await;
    let outcome = running.await.unwrap();
    assert_eq!(
        failure(&outcome, Cause::TimedOut),
        "timed out after 2s while the program ran: started"
    );
    assert!(outcome.latency >= TIMEOUT && outcome.latency < TIMEOUT * 10, "{outcome:?}");
    until(&unique, |count| count == 0).await;
}

#[tokio::test]
async fn a_child_left_in_the_background_is_killed_and_holds_nobody() {
    let unique = unique();
    let outcome = sh(&format!("sleep {unique} & exit 0")).await;
    assert_eq!(outcome.result, ProbeResult::Passed);
    until(&unique, |count| count == 0).await;

    let outcome = sh(&format!("echo broken; sleep {unique} & exit 1")).await;
    assert_eq!(failure(&outcome, Cause::Exit(1)), "exit status 1: broken");
    until(&unique, |count| count == 0).await;
}

#[tokio::test]
async fn a_child_that_left_the_group_with_the_output_open_holds_nobody() {
    let unique = unique();
    // The program ends when it has heard that its child has left.
    let text = format!(
        "read line <<END\n$(setsid -f sh -c 'echo away; exec sleep {unique} >&2')\nEND\n\
         echo $line; exit 1"
    );
    let outcome = sh(&text).await;
    assert_eq!(failure(&outcome, Cause::Exit(1)), "exit status 1: away");
    until(&unique, |count| count == 1).await;
    kill(processes(&unique)[0], Signal::SIGKILL).unwrap();
}

#[tokio::test]
async fn endless_output_neither_stops_the_program_nor_grows() {
    let outcome = sh("head -c 5000000 /dev/zero | tr '\\0' x; echo; echo end; exit 1").await;
    let text = failure(&outcome, Cause::Exit(1));
    assert!(text.ends_with("x / end"), "{text}");
    assert!(text.len() < 1000, "{}", text.len());

    let outcome = run(target(), script("yes"), TIMEOUT).await;
    let text = failure(&outcome, Cause::TimedOut);
    assert!(text.ends_with("y / y / y"), "{text}");
}

#[tokio::test]
async fn dropping_the_probe_kills_the_program() {
    let unique = unique();
    let monitor = monitor(target(), script(&format!("sleep {unique} & sleep {unique}")), LONG);
    let probe =
        tokio::spawn(async move { probe::run(&monitor, State::Unknown, &Context::new()).await });
    until(&unique, |count| count == 2).await;
    probe.abort();
    until(&unique, |count| count == 0).await;
}
