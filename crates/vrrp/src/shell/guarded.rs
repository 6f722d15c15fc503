//! How the loop tells its guard that it lives, and where its instances stand.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use super::Watched;
use super::fence::Fencer;
use super::worker::Worker;
use crate::event::State;
use crate::instance::Input;
use crate::standing::{self, HeldAddress, Role, Standing};

/// What a loop has to tell its guard.
#[derive(Debug, Clone, Copy)]
pub enum News<'a> {
    /// It lives.
    Alive,
    /// An instance stands otherwise than before.
    Standing(&'a Standing),
    /// An instance is no more.
    Gone(&'a str),
}

/// What became of news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// The guard has it, or will have it.
    Yes,
    /// The guard is too busy; the same is told again later.
    Later,
    /// There is no guard any more: the loop ends its roles, as nobody else would.
    Never,
}

/// The way to the guard. Must not wait.
pub trait Watch: Debug + Send {
    /// Tells the guard.
    fn tell(&mut self, news: News<'_>) -> Heard;
}

/// What the loop has told its guard and has not.
#[derive(Debug)]
pub(super) struct Teller {
    watch: Box<dyn Watch>,
    beat_at: Instant,
    patience: Duration,
    /// Instances that are no more, and of which the guard does not know so yet.
    gone: Vec<String>,
    /// A standing could not be told.
    owes: bool,
    /// The guard is no more.
    alone: bool,
}

impl Teller {
    fn new(watch: Box<dyn Watch>, now: Instant) -> Self {
        let patience = standing::patience(std::iter::empty());
        Self { watch, beat_at: now, patience, gone: Vec::new(), owes: false, alone: false }
    }

    /// When the next sign of life is due.
    pub(super) fn beat_at(&self) -> Instant {
        self.beat_at
    }

    /// Whether the guard has it.
    fn tell(&mut self, news: News<'_>) -> bool {
        match self.watch.tell(news) {
            Heard::Yes => true,
            Heard::Later => false,
            Heard::Never => {
                self.alone = true;
                true
            }
        }
    }
}

impl Worker {
    /// Goes on where the process before this one stood, and lets go of what it held and nobody
    /// wants any more.
    pub(super) fn resume(&mut self, watched: Watched) {
        let now = Instant::now();
        self.teller = Some(Teller::new(watched.watch, now));
        let mut fencer = Fencer::default();
        for standing in watched.standings {
            let same = self.runners.iter_mut().find(|runner| {
                let spec = runner.instance.spec();
                (&spec.name, &spec.interface, spec.vrid.get())
                    == (&standing.instance, &standing.interface, standing.vrid)
            });
            let left = match same {
                Some(runner) => {
                    let wanted = runner.instance.spec();
                    let mut left = standing.clone();
                    if wanted.vmac.is_some() {
                        self.raised.append(&mut left.raised);
                    }
                    if let Role::Master(left) = &mut left.role {
                        let is_wanted = |held: &mut HeldAddress| {
                            wanted.all_addresses().any(|own| HeldAddress::from(own) == *held)
                        };
                        self.added.extend(left.addresses.extract_if(.., is_wanted));
                        left.routing = left.routing.without(&wanted.routing);
                        left.vmac =
                            left.vmac.take().filter(|name| Some(name) != wanted.vmac.as_ref());
                        left.farewells.clear();
                    }
                    runner.instance.handle(Input::Resume(Box::new(standing)), now);
                    left
                }
                None => {
                    self.tell_gone(&standing.instance);
                    standing
                }
            };
            for text in fencer.fence(&[left]) {
                self.trouble_everywhere(&text);
            }
        }
    }

    /// Whether there was a guard and is no more: then nobody would end this loop's roles.
    pub(super) fn is_alone(&self) -> bool {
        self.teller.as_ref().is_some_and(|teller| teller.alone)
    }

    /// Tells the guard where an instance stands, if that has changed.
    pub(super) fn tell_standing(&mut self, at: usize) {
        let vitals = Some(self.runners[at].instance.vitals());
        if self.teller.is_none() || self.runners[at].told == vitals {
            return;
        }
        let standing = self.standing(at);
        let Some(teller) = &mut self.teller else { return };
        if teller.tell(News::Standing(&standing)) {
            self.runners[at].told = vitals;
        } else {
            teller.owes = true;
        }
    }

    /// Tells the guard that there is no such instance any more.
    pub(super) fn tell_gone(&mut self, instance: &str) {
        if let Some(teller) = &mut self.teller
            && !teller.tell(News::Gone(instance))
        {
            teller.gone.push(instance.to_owned());
        }
    }

    /// A sign of life in the middle of much work, if it is due.
    pub(super) fn beat_amid_work(&mut self) {
        let now = Instant::now();
        if self.teller.as_ref().is_some_and(|teller| now >= teller.beat_at) {
            self.beat(now);
        }
    }

    /// Gives a sign of life if one is due, and tells what could not be told before.
    pub(super) fn beat(&mut self, now: Instant) {
        let masters = self.runners.iter().filter(|runner| runner.instance.state() == State::Master);
        let patience =
            standing::patience(masters.map(|runner| runner.instance.spec().advert_interval));
        let Some(teller) = &mut self.teller else { return };
        let slower = std::mem::replace(&mut teller.patience, patience) > patience;
        if now < teller.beat_at && !slower {
            return;
        }
        teller.beat_at = now + standing::heartbeat(patience);
        teller.tell(News::Alive);
        for instance in std::mem::take(&mut teller.gone) {
            self.tell_gone(&instance);
        }
        if let Some(teller) = &mut self.teller
            && std::mem::take(&mut teller.owes)
        {
            for at in 0..self.runners.len() {
                self.tell_standing(at);
            }
        }
    }
}
