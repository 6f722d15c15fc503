//! Second heartbeat paths: adverts that travel beside the instance's own link.
//!
//! The instance's own link decides, as long as its adverts arrive there. A path tells what that
//! link cannot: that a master lives though the link between the two is broken, and that a master
//! has just lost its link. Which of two equal directors is the better one depends on their
//! addresses on the link, so a path never decides that.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::{Instance, Master, Output};
use crate::event::State;
use crate::packet::{Advert, IpHeader, Refusal, TTL};
use crate::spec::{Centiseconds, Heartbeat};
use crate::timer::Timer;
use crate::trouble::{Subject, Trouble};

/// What is known of one path.
#[derive(Debug, Clone, Default)]
pub(super) struct Path {
    /// Source of the adverts; `None` while the path's interface cannot carry them.
    pub(super) source: Option<IpAddr>,
    /// Why it cannot.
    pub(super) trouble: Option<String>,
    /// When the peer's last advert came in.
    heard: Option<Instant>,
    /// Since when one could have come in.
    since: Option<Instant>,
}

impl Instance {
    pub(super) fn path_up(&mut self, path: Heartbeat, source: IpAddr, now: Instant) {
        if !self.spec.heartbeats.contains(&path) {
            return;
        }
        self.revision = self.revision.wrapping_add(1);
        let known = self.paths.entry(path).or_default();
        *known = Path { source: Some(source), since: Some(now), ..Path::default() };
    }

    pub(super) fn path_down(&mut self, path: Heartbeat, reason: String) {
        self.revision = self.revision.wrapping_add(1);
        if self.spec.heartbeats.contains(&path) {
            self.paths.insert(path, Path { trouble: Some(reason), ..Path::default() });
        }
    }

    /// Forgets the paths that are no longer configured.
    pub(super) fn keep_paths(&mut self) {
        self.paths.retain(|path, _| self.spec.heartbeats.contains(path));
    }

    /// The advert for each path that can carry one.
    pub(super) fn path_adverts(&self, priority: u8) -> Vec<(Heartbeat, IpAddr, Vec<u8>)> {
        let advert = self.advert(priority);
        let packet = |(path, known): (&Heartbeat, &Path)| {
            let source = known.source?;
            let payload = advert.encode(source, path.peer, self.spec.checksum);
            Some((path.clone(), source, payload))
        };
        self.paths.iter().filter_map(packet).collect()
    }

    pub(super) fn send_over_paths(&mut self, priority: u8) {
        for (path, source, payload) in self.path_adverts(priority) {
            self.outputs.push_back(Output::SendOver { path, source, payload });
        }
    }

    pub(super) fn path_packet(
        &mut self,
        path: &Heartbeat,
        header: &IpHeader,
        payload: &[u8],
        now: Instant,
    ) -> Result<(), Refusal> {
        if header.ttl != TTL {
            return Err(Refusal::Ttl { found: header.ttl, expected: TTL });
        }
        if header.source != path.peer {
            return Err(Refusal::Peer);
        }
        let advert = Advert::decode(payload, header)?;
        self.check_advert(&advert)?;
        let Some(known) = self.paths.get_mut(path) else { return Ok(()) };
        known.heard = Some(now);
        self.close(&Subject::PathSilent(path.clone()));
        self.good_advert(header.source, advert.interval, now);
        self.counters.received_over_paths += 1;
        match self.state {
            State::Backup => self.path_advert_as_backup(path, &advert, now),
            // Never better by its address, as that is not the link's.
            State::Master => self.advert_as_master(path.peer, path.peer, &advert, now),
            State::Initialize | State::Fault => {}
        }
        Ok(())
    }

    fn path_advert_as_backup(&mut self, path: &Heartbeat, advert: &Advert, now: Instant) {
        if advert.priority == 0 {
            self.master = Some(Master { address: path.peer, priority: 0 });
            // Only lvsd speaks here, and whoever is master comes to know at once.
            self.await_successor(self.skew_of(Centiseconds::new(1)), now);
            return;
        }
        if self.hears_the_link(now) {
            return;
        }
        if self.master.is_none_or(|master| master.priority == 0) {
            self.master = Some(Master { address: path.peer, priority: advert.priority });
        }
        self.wants = None;
        self.master_interval = advert.interval;
        let since = *self.paths_alone_since.get_or_insert(now);
        let is_silent = now >= since + self.master_interval.duration() * 2;
        if is_silent || advert.priority >= self.priority().get() {
            self.await_master(now);
        } else {
            // Its advert on the link, which may be under way, decides whether it is displaced.
            let enough = now + advert.interval.duration() * 3 / 2;
            let at = self.timers.get(Timer::MasterDown).map_or(enough, |at| at.max(enough));
            self.timers.set(Timer::MasterDown, at);
            self.plan_probe();
        }
        if is_silent {
            self.open(Trouble::LinkSilent(path.clone()), self.master_down_interval() * 2, now);
        }
    }

    /// Whether an advert has come in on the instance's own link just now. When one and a half
    /// intervals have passed, one is missing, and a path has two more chances before the time is
    /// up.
    pub(super) fn hears_the_link(&self, now: Instant) -> bool {
        let interval = self.master_interval.duration();
        self.heard.is_some_and(|at| now < at + interval * 3 / 2)
    }

    /// The master is heard on the link; is it on the paths?
    pub(super) fn look_at_paths(&mut self, now: Instant) {
        let patience = self.master_interval.duration() * 5;
        let silent = |(path, known): (&Heartbeat, &Path)| {
            let last = known.heard.max(known.since)?.max(self.since);
            (now > last + patience).then(|| path.clone())
        };
        let silent: Vec<Heartbeat> = self.paths.iter().filter_map(silent).collect();
        for path in silent {
            self.open(Trouble::PathSilent(path), patience * 2, now);
        }
    }

    /// The master gave up: waits for a better backup.
    pub(super) fn await_successor(&mut self, skew: Duration, now: Instant) {
        self.answer = None;
        self.timers.stop(Timer::Probe);
        self.timers.set(Timer::MasterDown, now + skew);
    }

    /// Waits for the next advert, as long as the RFC says.
    pub(super) fn await_master(&mut self, now: Instant) {
        self.timers.set(Timer::MasterDown, now + self.master_down_interval());
        self.plan_probe();
    }

    /// Paths that cannot carry adverts, in words.
    pub(super) fn path_troubles(&self) -> impl Iterator<Item = String> {
        self.paths.iter().filter_map(|(path, known)| {
            let trouble = known.trouble.as_ref()?;
            Some(format!("heartbeat {path}: {trouble}"))
        })
    }

    /// How long a master may be silent before it is asked for its addresses.
    pub(super) fn probe_before(&self) -> Duration {
        self.master_interval.duration().min(LONGEST_PROBE)
    }
}

/// Answers to ARP and neighbour solicitations come within milliseconds.
const LONGEST_PROBE: Duration = Duration::from_millis(500);
