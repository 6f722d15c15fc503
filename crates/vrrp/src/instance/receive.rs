//! Adverts that come in.

use std::net::IpAddr;
use std::time::Instant;

use super::{Instance, Master};
use crate::event::{EventKind, State};
use crate::packet::{Advert, IpHeader, Refusal, TTL};
use crate::spec::{Authentication, Centiseconds, Version};
use crate::timer::Timer;

/// Reported drops between two transitions: invented sources must not fill memory or logs.
const MOST_REPORTED: usize = 32;

/// A farewell of lvsd's shortens the skew to this share: at adverts each second to 16 ms at most.
const QUICK_SHARE: u32 = 64;

impl Instance {
    pub(super) fn packet(
        &mut self,
        header: &IpHeader,
        payload: &[u8],
        now: Instant,
    ) -> Result<(), Refusal> {
        let Some(own) = self.source else { return Ok(()) };
        self.check_header(own, header)?;
        let advert = Advert::decode(payload, header)?;
        self.check_advert(&advert)?;
        self.reported.retain(|(source, _)| *source != header.source);
        self.counters.received += 1;
        self.heard = Some(now);
        self.paths_alone_since = None;
        self.answer = None;
        self.compare_addresses(header.source, &advert, now);
        match self.state {
            State::Backup => self.advert_as_backup(own, header.source, &advert, now),
            State::Master => self.advert_as_master(own, header.source, &advert, now),
            State::Initialize | State::Fault => {}
        }
        Ok(())
    }

    fn check_header(&self, own: IpAddr, header: &IpHeader) -> Result<(), Refusal> {
        if header.source == own {
            return Err(Refusal::Own);
        }
        let peers = &self.spec.unicast_peers;
        let multicast = header.destination.is_multicast();
        let expected = if multicast { TTL } else { self.spec.min_ttl };
        if header.ttl < expected {
            return Err(Refusal::Ttl { found: header.ttl, expected });
        }
        match (peers.is_empty(), multicast) {
            (true, false) => Err(Refusal::Unicast { found: header.destination }),
            (false, true) => Err(Refusal::Multicast),
            (false, false) if !peers.contains(&header.source) => Err(Refusal::Peer),
            _ => Ok(()),
        }
    }

    pub(super) fn check_advert(&self, advert: &Advert) -> Result<(), Refusal> {
        let spec = &self.spec;
        if advert.version != spec.version {
            let (found, expected) = (advert.version.number(), spec.version.number());
            return Err(Refusal::Version { found, expected });
        }
        if advert.vrid != spec.vrid {
            return Err(Refusal::Vrid { found: advert.vrid.get() });
        }
        if advert.authentication != spec.authentication {
            let words = |authentication: &Option<Authentication>| match authentication {
                Some(_) => "a password",
                None => "no authentication",
            };
            let (found, expected) = match (&advert.authentication, &spec.authentication) {
                (Some(_), Some(_)) => ("another password", "the configured one"),
                (found, expected) => (words(found), words(expected)),
            };
            return Err(Refusal::Authentication { found, expected });
        }
        let (found, expected) = (advert.interval, spec.advert_interval);
        if found.get() == 0 || (spec.version == Version::V2 && found != expected) {
            return Err(Refusal::Interval { found, expected });
        }
        Ok(())
    }

    /// RFC 9568 §6.4.2, but for equal priorities: there the RFC leaves mastership to whoever had
    /// it first, so that chance decides. Here the higher address is the better director in every
    /// state, as it is between two masters; `preempt = false` gives the RFC's behaviour.
    fn advert_as_backup(&mut self, own: IpAddr, sender: IpAddr, advert: &Advert, now: Instant) {
        if advert.priority == 0 {
            self.master = Some(Master { address: sender, priority: 0 });
            // The skew lets the best of several backups be first. It need not be as long as RFC 9568
            // has it where both sides know: two backups that take over at once are one again with
            // the first advert of the better one.
            let skew = if advert.quick { self.skew() / QUICK_SHARE } else { self.skew() };
            self.await_successor(skew, now);
            return;
        }
        self.master = Some(Master { address: sender, priority: advert.priority });
        if (advert.priority, sender) > (self.priority().get(), own) {
            self.worse_master_since = None;
        } else if self.preempts(now) {
            // Its adverts do not count: the timer runs out and this director takes over.
            return;
        }
        self.wants = None;
        self.learn_interval(sender, advert.interval);
        self.await_master(now);
        self.look_at_paths(now);
    }

    /// Whether a worse master that was heard now may be displaced.
    fn preempts(&mut self, now: Instant) -> bool {
        let since = *self.worse_master_since.get_or_insert(now);
        self.is_owner() || (self.spec.preempt && now >= since + self.spec.preempt_delay)
    }

    /// RFC 9568 §6.4.3.
    pub(super) fn advert_as_master(
        &mut self,
        own: IpAddr,
        sender: IpAddr,
        advert: &Advert,
        now: Instant,
    ) {
        let mine = self.priority().get();
        if advert.priority == 0 {
            self.send_advert(mine);
            self.timers.set(Timer::Advert, now + self.spec.advert_interval.duration());
        } else if (advert.priority, sender) > (mine, own)
            && !(advert.priority == mine && self.leaves_tie_to_leader(advert, now))
        {
            let why = if advert.priority > mine {
                format!("priority {} against {mine}", advert.priority)
            } else {
                format!("equal priority {mine}, higher address")
            };
            self.master = Some(Master { address: sender, priority: advert.priority });
            self.learn_interval(sender, advert.interval);
            self.become_backup(format!("{sender} is master: {why}"), now);
        } else {
            // Tell the other at once, so that two masters are one again soon; but a flood of
            // adverts is not answered with a flood.
            let interval = self.spec.advert_interval.duration();
            if self.answered.is_none_or(|at| now >= at + interval / 10) {
                self.answered = Some(now);
                self.send_advert(mine);
                self.timers.set(Timer::Advert, now + interval);
            }
            if self.rival.replace(sender).is_none() {
                self.counters.rivals += 1;
                self.announce();
                self.event(EventKind::Rival { address: sender, priority: advert.priority });
            }
            self.timers.set(Timer::RivalGone, now + advert.interval.duration() * 3);
        }
    }

    /// Of two directors with equal priorities one may have the higher address on this link, the
    /// other one on the next; if each group gave in where it is the lower one, neither would be
    /// master, again and again. So the first member of a group decides, unless it hears nothing
    /// for as long as a live master would not be silent.
    fn leaves_tie_to_leader(&mut self, advert: &Advert, now: Instant) -> bool {
        self.is_led && now < *self.tie_since.get_or_insert(now) + advert.interval.duration() * 3
    }

    /// `Active_Adver_Interval` is the master's (RFC 9568 §6.4.2).
    fn learn_interval(&mut self, address: IpAddr, theirs: Centiseconds) {
        self.master_interval = theirs;
        let own = self.spec.advert_interval;
        let differs = Some(theirs).filter(|&theirs| theirs != own);
        let before = std::mem::replace(&mut self.learnt, differs);
        if differs.is_some() && differs != before {
            self.event(EventKind::IntervalLearnt { address, theirs, own });
        }
    }

    pub(super) fn dropped(&mut self, refusal: Refusal, source: IpAddr) {
        let cause = refusal.cause();
        *self.counters.dropped.entry(cause).or_default() += 1;
        let episode = (source, cause);
        if !self.reported.contains(&episode) && self.reported.len() < MOST_REPORTED {
            self.reported.push(episode);
            self.event(EventKind::Dropped { refusal, source });
        }
    }
}
