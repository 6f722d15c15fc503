//! What happens to the holder of the address, and for how long the client notices.

use std::fmt;
use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use integration::addresses::VIP;
use integration::router::{Definition, Pair, Pings, Program, Router};
use integration::wait::{FAR, wait_until};
use nix::sys::signal::{Signal, kill};

use crate::figures::{Bars, Times, milliseconds};

const ADDRESS: IpAddr = IpAddr::V4(VIP);

/// Before and after an event the client is answered for at least so long.
const CALM: Duration = Duration::from_millis(300);

/// Who plays the master, and who the backup.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pairing(pub(crate) [Program; 2]);

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
    /// The process that speaks VRRP is killed; adverts each second.
    Crash,
    /// The master's host is gone at once; adverts each second.
    Death,
    /// The same with adverts each 10 ms.
    QuickDeath,
    /// The master's interface loses its link, and there is a second heartbeat path; adverts each
    /// second.
    LostLink,
    /// The process that speaks VRRP is frozen; adverts each second. The time is that with two
    /// holders of the address, not the client's outage.
    Freeze,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stop => "clean stop of the master, adverts each second",
            Self::Crash => "SIGKILL of the master's worker, adverts each second",
            Self::Death => "death of the master's host, adverts each second",
            Self::QuickDeath => "death of the master's host, adverts each 10 ms",
            Self::LostLink => "lost link of the master, second path (lvsd), adverts each second",
            Self::Freeze => "frozen worker, adverts each second: time with two holders",
        })
    }
}

/// A running pair.
struct Playing {
    pair: Pair,
    programs: [Program; 2],
    master: Router,
    _backup: Router,
}

impl Event {
    pub(crate) const ALL: [Self; 6] =
        [Self::Stop, Self::Crash, Self::Death, Self::QuickDeath, Self::LostLink, Self::Freeze];

    fn interval(self) -> Duration {
        match self {
            Self::QuickDeath => Duration::from_millis(10),
            _ => Duration::from_secs(1),
        }
    }

    fn start(self, programs: [Program; 2]) -> Result<Playing> {
        let pair = Pair::new()?;
        let heartbeats = match self {
            Self::LostLink => pair.add_second_cable()?.map(|peer| {
                format!("heartbeats = [{{ interface = \"eth1\", peer = \"{peer}\" }}]\n")
            }),
            _ => [String::new(), String::new()],
        };
        let [first, second] = heartbeats;
        let start = |index: usize, priority, lvsd_lines| {
            let mut one = Definition::new(priority, ADDRESS);
            one.interval = self.interval();
            one.lvsd_lines = lvsd_lines;
            Router::start(programs[index], &pair.hosts[index], &[one])
        };
        let master = start(0, 150, first)?;
        let backup = start(1, 100, second)?;
        Ok(Playing { pair, programs, master, _backup: backup })
    }

    /// Plays the event so often, and measures the client's outages.
    pub(crate) fn play(self, pairing: Pairing, rounds: usize) -> Result<Times> {
        let mut playing = self.start(pairing.0)?;
        let mut times = Times::default();
        for _ in 0..rounds {
            playing.pair.wait_master(0, ADDRESS, CALM, FAR)?;
            let pings = Pings::start(&playing.pair.client, ADDRESS)?;
            thread::sleep(CALM);
            let twice = self.happen(&mut playing)?;
            thread::sleep(CALM);
            let outage = pings.stop()?;
            times.add(twice.unwrap_or(outage));
            playing = self.undo(playing)?;
        }
        Ok(times)
    }

    /// Lets it happen, and waits until it is over. Tells how long there were two holders, where
    /// that is what is asked.
    fn happen(self, playing: &mut Playing) -> Result<Option<Duration>> {
        let Playing { pair, master, .. } = playing;
        match self {
            Self::Stop => kill(master.main()?, Signal::SIGTERM)?,
            Self::Death | Self::QuickDeath => pair.network.isolate(&pair.hosts[0])?,
            Self::LostLink => pair.network.unplug(&pair.hosts[0])?,
            Self::Crash => {
                let worker = master.worker()?;
                kill(worker, Signal::SIGKILL)?;
                // Nothing has to move; whatever does is over by then.
                thread::sleep(Duration::from_secs(1));
                return pair.wait_one(ADDRESS, FAR).map(|()| None);
            }
            Self::Freeze => {
                let worker = master.worker()?;
                kill(worker, Signal::SIGSTOP)?;
                return two_holders(pair).map(Some);
            }
        }
        pair.wait_held(1, ADDRESS, FAR).map(|()| None)
    }

    /// Makes everything as it was before.
    fn undo(self, playing: Playing) -> Result<Playing> {
        let Playing { pair, programs, mut master, _backup } = playing;
        match self {
            Self::Stop => {
                master.wait_ended()?;
                master = Router::start_again(programs[0], &pair.hosts[0])?;
            }
            Self::Freeze if programs[0] == Program::Keepalived => {
                master.cut_power(&[ADDRESS])?;
                master = Router::start_again(programs[0], &pair.hosts[0])?;
            }
            Self::Death | Self::QuickDeath => pair.network.join(&pair.hosts[0])?,
            Self::LostLink => pair.network.plug(&pair.hosts[0])?,
            // The guard starts another worker.
            Self::Crash | Self::Freeze => {}
        }
        Ok(Playing { pair, programs, master, _backup })
    }

    /// Notes how the times compare with what is wanted.
    pub(crate) fn compare(self, lvsd: &Times, keepalived: &Times, bars: &mut Bars) {
        let ratio = milliseconds(lvsd.median()) / milliseconds(keepalived.median()).max(1.0);
        let most = milliseconds(lvsd.most());
        match self {
            Self::Stop => {
                bars.add("clean stop, median of lvsd / keepalived", ratio, 1.0, "");
                bars.add("clean stop, most of lvsd", most, 20.0, " ms");
            }
            Self::Crash => bars.add("crash of the worker, most of lvsd", most, 50.0, " ms"),
            Self::Death => bars.add("host's death, median of lvsd / keepalived", ratio, 1.05, ""),
            Self::QuickDeath => bars.add("host's death at 10 ms, most of lvsd", most, 40.0, " ms"),
            Self::LostLink => {
                bars.add("lost link with a second path, most of lvsd", most, 30.0, " ms");
            }
            Self::Freeze => {
                bars.add("two holders of the address, most of lvsd", most, 100.0, " ms");
            }
        }
    }
}

/// Looks who holds the address until it has moved, or for ten seconds.
fn two_holders(pair: &Pair) -> Result<Duration> {
    let start = Instant::now();
    let (mut both, mut last) = (Duration::ZERO, start);
    while start.elapsed() < Duration::from_secs(10) {
        let holders = pair.holders(ADDRESS)?;
        let now = Instant::now();
        if holders == [true, true] {
            both += now - last;
        }
        last = now;
        if holders == [false, true] {
            break;
        }
    }
    ensure!(last > start, "nobody looked");
    wait_until("the address with the backup", FAR, || pair.hosts[1].has_address(ADDRESS))?;
    Ok(both)
}
