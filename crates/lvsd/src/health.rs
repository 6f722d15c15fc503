//! What the checks find, told to the director and to the log.

use checkers::{Event, Monitor, State, Transition, Trouble, TroubleKind};
use engine::Health;

use crate::director::{Director, Message};

/// Passes on what a check has found. The director first: servers are taken out before anybody
/// writes about it.
pub(crate) fn report(director: &Director, event: Event) {
    match event {
        Event::Transition(transition) => {
            let health = Health {
                state: transition.to,
                since: transition.at,
                why: transition.reason.clone(),
                advice: transition.outcome.advice,
            };
            let monitor = Box::new(Monitor::clone(&transition.monitor));
            // The director is gone only when lvsd stops.
            let _ = director.send(Message::Health(monitor, health));
            log_transition(&transition);
        }
        Event::Trouble(trouble) => tracing::warn!("{}", words(&trouble)),
        Event::TroubleOver(trouble) => tracing::info!("{}", over(&trouble)),
    }
}

fn log_transition(transition: &Transition) {
    let Transition { monitor, from, to, reason, outcome, .. } = transition;
    let (server, cause) = (monitor.target, outcome.result.name());
    match (from, to) {
        (State::Up | State::Unknown, State::Down) => {
            tracing::warn!(cause, "check of {server} failed: {reason}");
        }
        (State::Down, State::Up) => tracing::info!(cause, "check of {server} is well: {reason}"),
        // Thousands at each start, and nothing has changed.
        _ => tracing::debug!(cause, "check of {server} still {to}: {reason}"),
    }
}

/// `check http_get of 198.51.100.7:80 cannot run: read /etc/ca.pem: No such file or directory; ...`.
fn words(trouble: &Trouble) -> String {
    let Trouble { kind, text, .. } = trouble;
    match kind {
        TroubleKind::CannotRun => {
            format!("{} cannot run: {text}; its last verdict stands", check(trouble))
        }
        TroubleKind::Warning => format!("{}: {text}", check(trouble)),
    }
}

fn over(trouble: &Trouble) -> String {
    match trouble.kind {
        TroubleKind::CannotRun => format!("{} runs again", check(trouble)),
        TroubleKind::Warning => format!("{}: no longer: {}", check(trouble), trouble.text),
    }
}

fn check(trouble: &Trouble) -> String {
    let Monitor { target, check } = &*trouble.monitor;
    format!("check {} of {target}", check.kind.name())
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::net::SocketAddr;
    use std::sync::{Arc, Mutex, mpsc};
    use std::time::{Duration, Instant};

    use checkers::{Cause, Check, Failure, Kind, Outcome, ProbeResult, TcpCheck, Timing};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What the log gets, and what the director gets.
    fn reported(event: Event) -> (String, Option<Message>) {
        let (director, messages) = mpsc::channel();
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .with_target(false)
            .without_time()
            .finish();
        tracing::subscriber::with_default(subscriber, || report(&director, event));
        let bytes = lines.0.lock().unwrap().clone();
        (String::from_utf8(bytes).unwrap(), messages.try_recv().ok())
    }

    fn monitor() -> Arc<Monitor> {
        let check = Check { kind: Kind::Tcp(TcpCheck::default()), timing: Timing::default() };
        let target = SocketAddr::from(([198, 51, 100, 11], 80));
        Arc::new(Monitor { target, check: check.into() })
    }

    fn trouble(kind: TroubleKind, text: &str) -> Trouble {
        Trouble { monitor: monitor(), kind, since: Instant::now(), text: text.to_owned() }
    }

    #[test]
    fn trouble_reaches_the_log_at_its_begin_and_end_and_the_director_never() {
        let local = trouble(TroubleKind::CannotRun, "no port");
        let warning = trouble(TroubleKind::Warning, "TLS: the certificate expires in 3 days");
        for (event, line) in [
            (
                Event::Trouble(local.clone()),
                " WARN check tcp_check of 198.51.100.11:80 cannot run: no port; its last verdict \
                 stands\n",
            ),
            (Event::TroubleOver(local), " INFO check tcp_check of 198.51.100.11:80 runs again\n"),
            (
                Event::Trouble(warning.clone()),
                " WARN check tcp_check of 198.51.100.11:80: TLS: the certificate expires in 3 \
                 days\n",
            ),
            (
                Event::TroubleOver(warning),
                " INFO check tcp_check of 198.51.100.11:80: no longer: TLS: the certificate \
                 expires in 3 days\n",
            ),
        ] {
            let (log, message) = reported(event);
            assert_eq!(log, line);
            assert!(message.is_none(), "{message:?}");
        }
    }

    #[test]
    fn a_verdict_reaches_the_director_and_the_log_with_its_cause() {
        let at = Instant::now();
        let failure = Failure::new(Cause::TimedOut, "timed out after 1s while connecting");
        let (log, message) = reported(Event::Transition(Transition {
            monitor: monitor(),
            from: State::Up,
            to: State::Down,
            at,
            reason: "tcp_check: timed out after 1s while connecting, 3 failures in a row".into(),
            outcome: Outcome::new(at, Duration::from_secs(1), ProbeResult::Failed(failure)),
        }));
        assert_eq!(
            log,
            " WARN check of 198.51.100.11:80 failed: tcp_check: timed out after 1s while \
             connecting, 3 failures in a row cause=\"timed_out\"\n"
        );
        let Some(Message::Health(_, health)) = message else { panic!("{message:?}") };
        assert_eq!(health.state, State::Down);
    }
}
