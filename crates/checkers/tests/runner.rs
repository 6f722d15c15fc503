//! The runner: its thread, real servers, real time.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "a test of sockets, processes and time, whose helpers may panic"
)]

mod common;

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use checkers::runner::{self, Handle};
use checkers::{
    Check, Connect, Event, HttpGet, HttpRequest, Initial, Kind, MiscCheck, Monitor, Start, State,
    Timing, Transition,
};
use common::faults::refusing;
use common::{HANG, LONG, tcp};

const QUICK: Timing = Timing {
    interval: Duration::from_millis(50),
    timeout: Duration::from_secs(20),
    rise: 2,
    fall: 3,
    jitter_percent: 5,
    fast_interval: None,
    down_interval: None,
    initial: Initial::Adopt,
    damping: None,
};

fn monitor(target: SocketAddr, kind: Kind, timing: Timing) -> Monitor {
    Monitor { target, check: Check { kind, timing }.into() }
}

fn start() -> (Handle, Receiver<Event>) {
    let (sender, receiver) = mpsc::channel();
    let handle = runner::spawn(move |event| {
        let _ = sender.send(event);
    })
    .unwrap();
    (handle, receiver)
}

fn next(events: &Receiver<Event>) -> Transition {
    match events.recv_timeout(HANG).expect("no event") {
        Event::Transition(transition) => transition,
        event => panic!("{event:?}"),
    }
}

#[test]
fn a_server_goes_down_and_comes_back() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (handle, events) = start();
    handle.set(vec![(monitor(address, tcp(Connect::default()), QUICK), Start::Unknown)]);
    let first = next(&events);
    assert_eq!((first.from, first.to), (State::Unknown, State::Up));
    assert_eq!(first.reason, "tcp_check: passed");

    drop(listener);
    let down = next(&events);
    assert_eq!((down.from, down.to), (State::Up, State::Down));
    assert_eq!(down.reason, "tcp_check: connection refused, 3 failures in a row");
    let status = handle.snapshot().remove(0);
    assert_eq!((status.state, status.since), (State::Down, down.at));
    assert!(status.failures >= 3);

    let _listener = TcpListener::bind(address).unwrap();
    let up = next(&events);
    assert_eq!((up.from, up.to, up.monitor.target), (State::Down, State::Up, address));
    handle.stop();
}

#[test]
fn slow_servers_delay_no_other() {
    // Fifty servers that accept and stay silent, and one that counts.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let counting = TcpListener::bind("127.0.0.1:0").unwrap();
    let slow = |number: usize| {
        let path = format!("/{number}");
        let requests = vec![HttpRequest { path, ..HttpRequest::default() }];
        let kind = HttpGet { requests, ..HttpGet::default() };
        monitor(silent.local_addr().unwrap(), Kind::Http(kind), Timing { timeout: LONG, ..QUICK })
    };
    let mut monitors: Vec<_> = (0..50).map(|number| (slow(number), Start::Up)).collect();
    let quick = monitor(counting.local_addr().unwrap(), tcp(Connect::default()), QUICK);
    monitors.push((quick, Start::Up));
    let (handle, _events) = start();
    handle.set(monitors);
    let started = Instant::now();
    for _ in 0..20 {
        counting.accept().unwrap();
    }
    // Twenty runs take one second; the slow ones are not even half through.
    assert!(started.elapsed() < LONG / 2);
    assert!(handle.snapshot().iter().filter(|status| status.next_run.is_none()).count() >= 50);
}

#[test]
fn monitors_that_are_no_longer_set_are_left_alone() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap();
    let stays = TcpListener::bind("127.0.0.1:0").unwrap();
    let [gone_monitor, stays_monitor] = [&gone, &stays]
        .map(|listener| monitor(listener.local_addr().unwrap(), tcp(Connect::default()), QUICK));
    let (handle, events) = start();
    handle.set(vec![(gone_monitor, Start::Unknown), (stays_monitor.clone(), Start::Unknown)]);
    next(&events);
    next(&events);
    handle.set(vec![(stays_monitor, Start::Unknown)]);
    let statuses = handle.snapshot();
    assert_eq!(statuses.len(), 1);
    assert_eq!(statuses[0].state, State::Up, "what stays keeps its state");

    // What was on its way arrives; after ten further runs of the one, none of the other came.
    stays.set_nonblocking(true).unwrap();
    gone.set_nonblocking(true).unwrap();
    let drain = |listener: &TcpListener| std::iter::from_fn(|| listener.accept().ok()).count();
    drain(&stays);
    let mut seen = 0;
    let started = Instant::now();
    let mut late = drain(&gone);
    while seen < 10 {
        seen += drain(&stays);
        if seen < 3 {
            late += drain(&gone);
        }
        assert!(started.elapsed() < HANG, "{seen} runs, {late} late ones");
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(gone.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn local_trouble_is_told_and_the_state_stays() {
    let (_socket, address) = refusing();
    let command = vec!["/nonexistent/check".into()];
    let check = MiscCheck { command, user: Some("root".into()), ..MiscCheck::default() };
    let (handle, events) = start();
    handle.set(vec![(monitor(address, Kind::Misc(check), QUICK), Start::Up)]);
    let Event::Trouble(trouble) = events.recv_timeout(HANG).unwrap() else {
        panic!("a transition");
    };
    let text = &trouble.text;
    assert!(text.starts_with("start /nonexistent/check as user root: "), "{text}");
    assert_eq!(handle.snapshot()[0].state, State::Up);
    assert_eq!(handle.troubles(), [trouble]);
}

#[test]
fn thousands_of_monitors_are_set_and_seen_at_once() {
    let (_socket, address) = refusing();
    let one = |number: usize| {
        let path = format!("/{number}");
        let requests = vec![HttpRequest { path, ..HttpRequest::default() }];
        let kind = HttpGet { requests, ..HttpGet::default() };
        (monitor(address, Kind::Http(kind), Timing { interval: LONG, ..QUICK }), Start::Up)
    };
    let (handle, _events) = start();
    let started = Instant::now();
    handle.set((0..20_000).map(one).collect());
    handle.set((10_000..30_000).map(one).collect());
    assert_eq!(handle.snapshot().len(), 20_000);
    eprintln!("two sets and a snapshot of 20000 monitors: {:?}", started.elapsed());
    assert!(started.elapsed() < HANG);
    handle.stop();
}

#[test]
fn a_stop_kills_running_programs() {
    let (_socket, address) = refusing();
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap().unwrap().name;
    let sleep = format!("8{:09}", std::process::id());
    let command = vec!["/bin/sh".into(), "-c".into(), format!("sleep {sleep} & sleep {sleep}")];
    let check = MiscCheck { command, user: Some(user), ..MiscCheck::default() };
    let (handle, _events) = start();
    let timing = Timing { timeout: LONG, ..QUICK };
    handle.set(vec![(monitor(address, Kind::Misc(check), timing), Start::Up)]);

    let until = |wanted: usize| {
        let started = Instant::now();
        while sleepers(&sleep) != wanted {
            assert!(started.elapsed() < HANG, "{} of {wanted}", sleepers(&sleep));
            thread::sleep(Duration::from_millis(5));
        }
    };
    until(2);
    handle.stop();
    until(0);
    handle.stop();
}

fn sleepers(argument: &str) -> usize {
    let arguments = |entry: std::fs::DirEntry| std::fs::read(entry.path().join("cmdline")).ok();
    let wanted = format!("sleep\0{argument}\0");
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(Result::ok)
        .filter_map(arguments)
        .filter(|arguments| arguments == wanted.as_bytes())
        .count()
}
