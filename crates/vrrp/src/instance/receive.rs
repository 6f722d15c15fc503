//! Adverts that come in.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::{Instance, Master};
use crate::event::{EventKind, State};
use crate::packet::{Advert, IpHeader, Refusal, TTL};
use crate::spec::{Authentication, Centiseconds, Priority, Version};
use crate::timer::Timer;
use crate::trouble::{Subject, Trouble};

/// Drops are over when there has been none for so long: the longest interval, 255 s in version 2,
/// fits into it.
const DROPS_LAST: Duration = Duration::from_secs(600);

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
        self.good_advert(header.source, advert.interval, now);
        self.counters.received += 1;
        self.heard = Some(now);
        self.paths_alone_since = None;
        self.answer = None;
        match self.state {
            State::Backup => self.advert_as_backup(header.source, &advert, now),
            State::Master => self.advert_as_master(own, header.source, &advert, now),
            State::Initialize | State::Fault => return Ok(()),
        }
        self.compare_addresses(header.source, &advert, now);
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

    /// RFC 9568 §6.4.2. Of equals the one that is master stays, whatever its address.
    fn advert_as_backup(&mut self, sender: IpAddr, advert: &Advert, now: Instant) {
        // It waits for the others of its group, not for a master (§7.1).
        if self.is_owner() {
            return;
        }
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
        if advert.priority >= self.priority().get() {
            self.worse_master_since = None;
        } else if self.preempts(now) {
            // Its adverts do not count: the timer runs out and this director takes over.
            return;
        }
        self.wants = None;
        self.learn_interval(sender, advert.interval, now);
        self.await_master(now);
        self.look_at_paths(now);
    }

    /// Whether a worse master that was heard now may be displaced.
    fn preempts(&mut self, now: Instant) -> bool {
        let since = *self.worse_master_since.get_or_insert(now);
        self.spec.preempt && now >= since + self.spec.preempt_delay
    }

    /// RFC 9568 §6.4.3. The owner never gives in; all that it hears it discards (§7.1), except that
    /// it answers those who would give in.
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
        } else if !self.is_owner()
            && (advert.priority, sender) > (mine, own)
            && !(advert.priority == mine && self.leaves_tie_to_leader(advert, now))
        {
            let why = if advert.priority > mine {
                format!("priority {} against {mine}", advert.priority)
            } else {
                format!("equal priority {mine}, higher address")
            };
            self.master = Some(Master { address: sender, priority: advert.priority });
            self.learn_interval(sender, advert.interval, now);
            self.become_backup(format!("{sender} is master: {why}"), now);
        } else {
            // Tell the other at once, so that two masters are one again soon; but a flood of
            // adverts is not answered with a flood, and another owner, which would answer that in
            // its turn, not at all.
            let interval = self.spec.advert_interval.duration();
            let is_due = self.answered.is_none_or(|at| now >= at + interval / 10);
            if is_due && advert.priority != Priority::OWNER.get() {
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
    fn learn_interval(&mut self, address: IpAddr, theirs: Centiseconds, now: Instant) {
        self.master_interval = theirs;
        let own = self.spec.advert_interval;
        let interval = theirs.duration().max(own.duration());
        if theirs == own {
            let is_it = |subject: &Subject| *subject == Subject::OtherInterval;
            let over = self.episodes.calm(interval, now, is_it);
            self.tell_over(over);
        } else {
            self.open(Trouble::OtherInterval { address, theirs, own }, interval * 5, now);
        }
    }

    pub(super) fn dropped(&mut self, refusal: Refusal, source: IpAddr, now: Instant) {
        *self.counters.dropped.entry(refusal.cause()).or_default() += 1;
        self.open(Trouble::Dropped { refusal, source }, DROPS_LAST, now);
    }
}
