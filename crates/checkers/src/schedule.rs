//! Which probe starts next: the one that has been due for longest, unless it has to wait for its
//! turn. Pure.
//!
//! So many run at a time, and so many of them on one host. Of those that had no answer the last
//! time, which hold their place until their timeout, fewer run at a time: however many servers are
//! dead, there is always room for those that answer.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// How many probes run at a time, and how the first ones are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// In all; 0 counts as 1.
    pub total: usize,
    /// On one host; 0 counts as 1.
    pub per_host: usize,
    /// The first runs of monitors that are set together are spread over this time, or over the
    /// interval if that is shorter: the first results come soon, yet not all probes leave at once.
    /// keepalived: `warmup`.
    pub first_runs: Duration,
}

impl Default for Limits {
    /// Room for ten thousand dead servers, each of which holds its probe until the timeout, to be
    /// asked once per interval; and no host, which may have many services, notices any of this.
    fn default() -> Self {
        Self { total: 16_384, per_host: 64, first_runs: Duration::from_secs(1) }
    }
}

impl Limits {
    fn total(self) -> usize {
        self.total.max(1)
    }

    /// Three quarters of all places, for those that had no answer.
    fn silent(self) -> usize {
        (self.total() * 3 / 4).max(1)
    }
}

/// What the schedule has to know of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket {
    /// Whom it asks.
    pub(crate) host: IpAddr,
    /// Whether it had no answer the last time.
    pub(crate) silent: bool,
}

/// The moment at which a probe is due, and whose it is.
type Place<I> = (Instant, I);

/// Probes that wait and probes that run. `I` tells them apart.
#[derive(Debug)]
pub(crate) struct Schedule<I> {
    limits: Limits,
    /// Those that are due within the same tick start together at its end: with thousands of probes
    /// most of the time would else go into waking up for one at a time. Zero: each at its moment.
    tick: Duration,
    /// From which ticks are counted.
    begin: Instant,
    /// Those that start when their moment has come.
    due: BTreeMap<Place<I>, Ticket>,
    /// Due, without an answer the last time; there are too many of those.
    silent: BTreeMap<Place<I>, Ticket>,
    /// The hosts on which probes run.
    hosts: HashMap<IpAddr, Host<I>>,
    running: usize,
    silent_running: usize,
}

#[derive(Debug)]
struct Host<I> {
    running: usize,
    /// Due, but too many run on this host, and whether each had no answer the last time.
    waiting: BTreeSet<(Place<I>, bool)>,
}

impl<I: Copy + Ord> Schedule<I> {
    pub(crate) fn new(tick: Duration, limits: Limits, now: Instant) -> Self {
        Self {
            limits,
            tick,
            begin: now,
            due: BTreeMap::new(),
            silent: BTreeMap::new(),
            hosts: HashMap::new(),
            running: 0,
            silent_running: 0,
        }
    }

    /// From now on these limits hold. What runs already goes on, whatever they are.
    pub(crate) fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
        let waiting = self.hosts.iter().map(|(&address, host)| (address, host.waiting.len()));
        for (address, waiting) in waiting.collect::<Vec<_>>() {
            // Each is let in only if there is room; the rest waits for those that run to end.
            for _ in 0..waiting.min(limits.per_host) {
                self.let_in(address);
            }
        }
    }

    /// The probe is to start at `at`.
    pub(crate) fn add(&mut self, id: I, ticket: Ticket, at: Instant) {
        self.due.insert((self.end_of_tick(at), id), ticket);
    }

    /// The probe, which was to start at `at`, is not to start.
    pub(crate) fn remove(&mut self, id: I, ticket: Ticket, at: Instant) {
        let place = (self.end_of_tick(at), id);
        if self.due.remove(&place).is_none()
            && self.silent.remove(&place).is_none()
            && let Some(host) = self.hosts.get_mut(&ticket.host)
        {
            host.waiting.remove(&(place, ticket.silent));
        }
        // It may have been the one that was let in.
        self.let_in(ticket.host);
    }

    /// The next one that starts at `now`. It runs until [`Self::ended`].
    pub(crate) fn start(&mut self, now: Instant) -> Option<I> {
        while self.running < self.limits.total() {
            let (place, ticket) = self.next().filter(|&((at, _), _)| at <= now)?;
            if self.due.remove(&place).is_none() {
                self.silent.remove(&place);
            }
            let per_host = self.limits.per_host.max(1);
            let host = self
                .hosts
                .entry(ticket.host)
                .or_insert_with(|| Host { running: 0, waiting: BTreeSet::new() });
            if host.running >= per_host {
                host.waiting.insert((place, ticket.silent));
            } else if ticket.silent && self.silent_running >= self.limits.silent() {
                self.silent.insert(place, ticket);
                // Its place on the host is for another.
                self.let_in(ticket.host);
            } else {
                host.running += 1;
                self.running += 1;
                self.silent_running += usize::from(ticket.silent);
                return Some(place.1);
            }
        }
        None
    }

    /// The probe, which was started, has ended or was cancelled.
    pub(crate) fn ended(&mut self, ticket: Ticket) {
        self.running -= 1;
        self.silent_running -= usize::from(ticket.silent);
        if let Some(host) = self.hosts.get_mut(&ticket.host) {
            host.running -= 1;
        }
        self.let_in(ticket.host);
    }

    /// When [`Self::start`] has something to look at, perhaps in the past.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        (self.running < self.limits.total()).then(|| self.next().map(|((at, _), _)| at))?
    }

    /// How many run.
    pub(crate) fn running(&self) -> usize {
        self.running
    }

    /// How many are due at `now` and wait for their turn.
    pub(crate) fn waiting(&self, now: Instant) -> usize {
        let on_hosts: usize = self.hosts.values().map(|host| host.waiting.len()).sum();
        let due = self.due.keys().take_while(|&&(at, _)| at <= now).count();
        on_hosts + self.silent.len() + due
    }

    fn end_of_tick(&self, at: Instant) -> Instant {
        let tick = self.tick.as_nanos();
        let since = at.saturating_duration_since(self.begin).as_nanos();
        let left = since.checked_rem(tick).filter(|&over| over > 0).map_or(0, |over| tick - over);
        at + Duration::from_nanos(u64::try_from(left).unwrap_or_default())
    }

    /// The one that has been due for longest of those that may start.
    fn next(&self) -> Option<(Place<I>, Ticket)> {
        let room = self.silent_running < self.limits.silent();
        let silent = self.silent.first_key_value().filter(|_| room);
        let next = match (self.due.first_key_value(), silent) {
            (Some(due), Some(silent)) if silent.0 < due.0 => Some(silent),
            (due, silent) => due.or(silent),
        };
        next.map(|(place, ticket)| (*place, *ticket))
    }

    /// Lets the first that waits for the host try again, if there is room on it.
    fn let_in(&mut self, address: IpAddr) {
        let Some(host) = self.hosts.get_mut(&address) else { return };
        if host.running < self.limits.per_host.max(1)
            && let Some((place, silent)) = host.waiting.pop_first()
        {
            self.due.insert(place, Ticket { host: address, silent });
        }
        if host.running == 0 && host.waiting.is_empty() {
            self.hosts.remove(&address);
        }
    }
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
