//! The timers of an instance: plain data.

use std::time::{Duration, Instant};

/// What an instance waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Timer {
    /// The instance may start.
    Start,
    /// Master: the next advert (`Adver_Timer`).
    Advert,
    /// Backup: the master has been silent for too long (`Active_Down_Timer`).
    MasterDown,
    /// Master: the second burst of gratuitous ARP.
    SecondAnnounce,
    /// Master: the next burst of gratuitous ARP among the regular ones.
    Refresh,
    /// Master: the other master has been silent for as long as a live one would not be.
    RivalGone,
    /// Ask who has the addresses.
    Probe,
    /// Something that should not be may be over.
    Episode,
}

impl Timer {
    pub(crate) const ALL: [Self; 8] = [
        Self::Start,
        Self::Advert,
        Self::MasterDown,
        Self::SecondAnnounce,
        Self::Refresh,
        Self::RivalGone,
        Self::Probe,
        Self::Episode,
    ];
}

/// When each timer is due, if it runs.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TimerTable([Option<Instant>; Timer::ALL.len()]);

impl TimerTable {
    /// With [`Timer::Start`], if there is a delay.
    pub(crate) fn starting_at(delay: Duration, now: Instant) -> Self {
        let mut timers = Self::default();
        if !delay.is_zero() {
            timers.set(Timer::Start, now + delay);
        }
        timers
    }

    /// Starts a timer, or moves it.
    pub(crate) fn set(&mut self, timer: Timer, at: Instant) {
        self.0[timer as usize] = Some(at);
    }

    /// When a timer is due, if it runs.
    pub(crate) fn get(&self, timer: Timer) -> Option<Instant> {
        self.0[timer as usize]
    }

    /// Stops a timer.
    pub(crate) fn stop(&mut self, timer: Timer) {
        self.0[timer as usize] = None;
    }

    /// Stops the timers of a state: all but [`Timer::Start`].
    pub(crate) fn stop_all(&mut self) {
        let start = self.get(Timer::Start);
        *self = Self::default();
        self.0[Timer::Start as usize] = start;
    }

    /// When the next timer is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.0.iter().flatten().min().copied()
    }

    /// Takes the timer that is due at `now`, the earliest first.
    pub(crate) fn expire(&mut self, now: Instant) -> Option<Timer> {
        let next = self.next().filter(|&at| at <= now)?;
        let timer = Timer::ALL.into_iter().find(|&timer| self.0[timer as usize] == Some(next))?;
        self.stop(timer);
        Some(timer)
    }
}
