//! Adverts that come in.

use std::net::Ipv4Addr;
use std::time::Instant;

use super::{Instance, Master};
use crate::event::{EventKind, State};
use crate::packet::{Advert, DropCause, GROUP, IpHeader, TTL};
use crate::spec::Version;
use crate::timer::Timer;

impl Instance {
    pub(super) fn packet(
        &mut self,
        header: &IpHeader,
        payload: &[u8],
        now: Instant,
    ) -> Result<(), DropCause> {
        let Some(own) = self.source else { return Ok(()) };
        if header.source == own {
            return Err(DropCause::Own);
        }
        if header.ttl != TTL {
            return Err(DropCause::Ttl);
        }
        let peer = if self.spec.unicast_peers.is_empty() {
            header.destination == GROUP
        } else {
            self.spec.unicast_peers.contains(&header.source) && header.destination != GROUP
        };
        if !peer {
            return Err(DropCause::Peer);
        }
        let advert = Advert::decode(payload, header)?;
        if advert.version != self.spec.version {
            return Err(DropCause::Version);
        }
        if advert.vrid != self.spec.vrid {
            return Err(DropCause::Vrid);
        }
        if advert.authentication != self.spec.authentication {
            return Err(DropCause::Authentication);
        }
        let same_interval = advert.interval == self.spec.advert_interval;
        if advert.interval.get() == 0 || (advert.version == Version::V2 && !same_interval) {
            return Err(DropCause::Interval);
        }
        self.counters.received += 1;
        match self.state {
            State::Backup => self.advert_as_backup(own, header.source, &advert, now),
            State::Master => self.advert_as_master(own, header.source, &advert, now),
            State::Initialize | State::Fault => {}
        }
        Ok(())
    }

    /// RFC 9568 §6.4.2, but for equal priorities: there the RFC leaves mastership to whoever had
    /// it first, so that chance decides. Here the higher address is the better director in every
    /// state, as it is between two masters; `preempt = false` gives the RFC's behaviour.
    fn advert_as_backup(&mut self, own: Ipv4Addr, sender: Ipv4Addr, advert: &Advert, now: Instant) {
        if advert.priority == 0 {
            self.master = Some(Master { address: sender, priority: 0 });
            self.timers.set(Timer::MasterDown, now + self.skew());
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
        self.master_interval = advert.interval;
        self.timers.set(Timer::MasterDown, now + self.master_down_interval());
    }

    /// Whether a worse master that was heard now may be displaced.
    fn preempts(&mut self, now: Instant) -> bool {
        let since = *self.worse_master_since.get_or_insert(now);
        self.is_owner() || (self.spec.preempt && now >= since + self.spec.preempt_delay)
    }

    /// RFC 9568 §6.4.3.
    fn advert_as_master(&mut self, own: Ipv4Addr, sender: Ipv4Addr, advert: &Advert, now: Instant) {
        let mine = self.priority().get();
        if advert.priority == 0 {
            self.send_advert(mine);
            self.timers.set(Timer::Advert, now + self.spec.advert_interval.duration());
        } else if (advert.priority, sender) > (mine, own) {
            let why = if advert.priority > mine {
                format!("priority {} against {mine}", advert.priority)
            } else {
                format!("equal priority {mine}, higher address")
            };
            self.master = Some(Master { address: sender, priority: advert.priority });
            self.master_interval = advert.interval;
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

    pub(super) fn dropped(&mut self, cause: DropCause, source: Ipv4Addr) {
        *self.counters.dropped.entry(cause).or_default() += 1;
        if !self.reported.contains(&cause) {
            self.reported.push(cause);
            self.event(EventKind::Dropped { cause, source });
        }
    }
}
