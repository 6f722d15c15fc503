//! What the guard has to say.

use std::fmt;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::core::End;

/// News for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// The worker ended without being told to.
    Ended(End),
    /// Its VRRP loop has been silent for so long.
    Hangs(Duration),
    /// It does not get as far as VRRP.
    StartHangs(Duration),
    /// The addresses that its predecessor held were not taken up.
    NotResumed(Duration),
    /// It does not let go of its addresses.
    StopHangs(Duration),
    /// It does not end for an upgrade.
    HandOverHangs(Duration),
    /// Too many ends: a pause before the next start.
    CrashLoop {
        /// How long.
        pause: Duration,
        /// Whether there were addresses to give up.
        held: bool,
    },
    /// The new program could not be started.
    NotReplaced(String),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |duration: &Duration| format!("{:.1} s", duration.as_secs_f64());
        match self {
            Self::Ended(end) => write!(f, "the worker {end}; another one goes on in its place"),
            Self::Hangs(silence) => write!(
                f,
                "the worker's VRRP loop has been silent for {}: the worker is killed, its \
                 addresses are removed and mastership is given up",
                seconds(silence)
            ),
            Self::StartHangs(after) => {
                write!(f, "the worker has not started VRRP within {}: it is killed", seconds(after))
            }
            Self::NotResumed(after) => write!(
                f,
                "the new worker has not taken up the addresses within {}: it is killed, the \
                 addresses are removed and mastership is given up",
                seconds(after)
            ),
            Self::StopHangs(after) => write!(
                f,
                "the worker still holds addresses {} after it was to stop: it is killed, they are \
                 removed and mastership is given up",
                seconds(after)
            ),
            Self::HandOverHangs(after) => write!(
                f,
                "the worker has not ended within {} for the upgrade: it is killed",
                seconds(after)
            ),
            Self::CrashLoop { pause, held } => {
                let role = if *held { "mastership is given up, and " } else { "" };
                write!(
                    f,
                    "the worker ends again and again: {role}the next one starts in {}; what it \
                     said last is above",
                    seconds(pause)
                )
            }
            Self::NotReplaced(reason) => {
                write!(f, "upgrade: {reason}; the old program goes on")
            }
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "ended with exit code {code}"),
            Self::Signal(number) => match Signal::try_from(*number) {
                Ok(signal) => write!(f, "was ended by {signal}"),
                Err(_) => write!(f, "was ended by signal {number}"),
            },
            Self::NotStarted => f.write_str("could not be started"),
        }
    }
}
