//! What happens to the holder of the address, and for how long the client notices.

use std::fmt;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use integration::addresses::VIP;
use integration::router::{Definition, Pair, Pings, Program, Router};
use integration::wait::FAR;

use crate::figures::{Bars, Times, milliseconds};

/// Before and after an event the client is answered for at least so long.
const CALM: Duration = Duration::from_millis(300);

/// Who plays the master, and who the backup.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pairing([Program; 2]);

impl Pairing {
    pub(crate) const ALL: [Self; 3] = [
        Self([Program::Lvsd, Program::Lvsd]),
        Self([Program::Keepalived, Program::Keepalived]),
        Self([Program::Lvsd, Program::Keepalived]),
    ];
}

impl fmt::Display for Pairing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, backed by {}", self.0[0], self.0[1])
    }
}

/// An event.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Event {
    /// The master is stopped with SIGTERM; adverts each second.
    Stop,
    /// The master's host is gone at once; adverts each second.
    Death,
    /// The same with adverts each 10 ms.
    QuickDeath,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stop => "clean stop of the master, adverts each second",
            Self::Death => "death of the master's host, adverts each second",
            Self::QuickDeath => "death of the master's host, adverts each 10 ms",
        })
    }
}

impl Event {
    pub(crate) const ALL: [Self; 3] = [Self::Stop, Self::Death, Self::QuickDeath];

    fn interval(self) -> Duration {
        match self {
            Self::Stop | Self::Death => Duration::from_secs(1),
            Self::QuickDeath => Duration::from_millis(10),
        }
    }

    /// Plays the event so often, and measures the client's outages.
    pub(crate) fn play(self, pairing: Pairing, rounds: usize) -> Result<Times> {
        let pair = Pair::new()?;
        let definition = |priority| {
            let mut one = Definition::new(priority, VIP.into());
            one.interval = self.interval();
            one
        };
        let [first, second] = pairing.0;
        let mut master = Router::start(first, &pair.hosts[0], &[definition(150)])?;
        let _backup = Router::start(second, &pair.hosts[1], &[definition(100)])?;
        let mut outages = Times::default();
        for _ in 0..rounds {
            pair.wait_master(0, VIP.into(), CALM, FAR)?;
            let pings = Pings::start(&pair.client, VIP.into())?;
            thread::sleep(CALM);
            match self {
                Self::Stop => {
                    master.stop()?;
                    pair.wait_master(1, VIP.into(), CALM, FAR)?;
                    outages.add(pings.stop()?);
                    master = Router::start_again(first, &pair.hosts[0])?;
                }
                Self::Death | Self::QuickDeath => {
                    pair.network.isolate(&pair.hosts[0])?;
                    pair.wait_held(1, VIP.into(), FAR)?;
                    thread::sleep(CALM);
                    outages.add(pings.stop()?);
                    pair.network.join(&pair.hosts[0])?;
                }
            }
        }
        Ok(outages)
    }

    /// Notes how the outages compare with what is wanted.
    pub(crate) fn compare(self, lvsd: &Times, keepalived: &Times, bars: &mut Bars) {
        let ratio = milliseconds(lvsd.median()) / milliseconds(keepalived.median()).max(1.0);
        match self {
            Self::Stop => {
                bars.add("clean stop, median of lvsd / keepalived", ratio, 1.0, "");
                bars.add("clean stop, most of lvsd", milliseconds(lvsd.most()), 20.0, " ms");
            }
            Self::Death => {
                bars.add("host's death, median of lvsd / keepalived", ratio, 1.05, "");
            }
            Self::QuickDeath => {
                let most = milliseconds(lvsd.most());
                bars.add("host's death at 10 ms, most of lvsd", most, 40.0, " ms");
            }
        }
    }
}
