//! What decisions know of the past.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use checkers::State;
use config::{OnFailure, VirtualServer};
use ipvs::{DestinationKey, Weight};

use super::{Engine, Placed};
use crate::operator::Action;
use crate::policy::{Memory, Wish};
use crate::standing::Standing;
use crate::wanted::Placement;
use crate::weight::{SLOW_START_STEPS, SlowStart};

/// When the slow start began in which a server is now, if it is in one: it has just come in after
/// its checks had failed, or is still in the one that it was in.
pub(super) fn ramp_start(
    before: Option<&Placed>,
    placement: Placement,
    now: Instant,
) -> Option<Instant> {
    let before = before?;
    match (before.placement, placement) {
        (Placement::In, Placement::In) => before.ramp,
        (_, Placement::In) if before.state == State::Down => Some(now),
        _ => None,
    }
}

/// 1 at the begin, [`SLOW_START_STEPS`] at the end.
pub(super) fn ramp_step(start: Instant, slow_start: Duration, now: Instant) -> u32 {
    let elapsed = now.saturating_duration_since(start).as_micros() * u128::from(SLOW_START_STEPS);
    let steps = elapsed / slow_start.as_micros().max(1);
    u32::try_from(steps).unwrap_or(SLOW_START_STEPS).min(SLOW_START_STEPS - 1) + 1
}

/// What the engine knows of the past of one virtual server.
pub(super) struct Past<'a> {
    engine: &'a Engine,
    virtual_server: &'a VirtualServer,
    /// Its real servers, service by service.
    placed: Vec<&'a BTreeMap<DestinationKey, Placed>>,
    now: Instant,
}

impl<'a> Past<'a> {
    pub(super) fn new(engine: &'a Engine, virtual_server: &'a VirtualServer, now: Instant) -> Self {
        let placed = virtual_server.keys.iter().filter_map(|key| engine.placed.get(key)).collect();
        Self { engine, virtual_server, placed, now }
    }

    fn placed(&self, key: &DestinationKey) -> Option<&Placed> {
        self.placed.iter().find_map(|placed| placed.get(key))
    }
}

impl Memory for Past<'_> {
    fn place(&self, key: &DestinationKey) -> Placement {
        match (self.placed(key), &self.engine.standing) {
            // It drained, which says nothing about its health.
            (Some(placed), _)
                if placed.placement == Placement::Inhibited && placed.state != State::Down =>
            {
                Placement::In
            }
            (Some(placed), _) => placed.placement,
            (None, Some(standing)) => place_in_table(standing, self.virtual_server, key),
            (None, None) => Placement::Out,
        }
    }

    fn standing_weight(&self, key: &DestinationKey) -> Option<Weight> {
        let standing = self.engine.standing.as_ref()?;
        let keys = self.virtual_server.keys.iter();
        let mut found = keys.filter_map(|one| standing.destination(one, key));
        found.next().map(|found| found.destination.weight)
    }

    fn had_quorum(&self) -> Option<bool> {
        self.engine.conditions.get(&self.virtual_server.name)?.quorum
    }

    fn wish(&self, key: &DestinationKey) -> Option<Wish> {
        let hold = self.engine.hold(&self.virtual_server.name, key)?;
        let words = hold.to_string();
        Some(match hold.action() {
            Action::Disable => Wish::Out(words),
            Action::Weight(weight) => Wish::Weight(weight, words),
            Action::Drain { .. } => {
                let keys = self.virtual_server.keys.iter();
                let drains = keys.filter_map(|key_of| self.engine.draining.get(&(*key_of, *key)));
                // With several keys it has left when the last of them has no connections left.
                let slowest = drains.min_by_key(|draining| draining.done.is_some());
                let words = match slowest {
                    Some(draining) => format!("{words}; {}", draining.words(self.now)),
                    None => words,
                };
                match slowest {
                    Some(draining) if draining.done.is_some() => Wish::Out(words),
                    _ => Wish::Drain(words),
                }
            }
        })
    }

    fn slow_start(&self, key: &DestinationKey) -> Option<SlowStart> {
        let total = self.virtual_server.slow_start?;
        let start = ramp_start(self.placed(key), Placement::In, self.now)?;
        (self.now < start + total).then(|| SlowStart {
            step: ramp_step(start, total, self.now),
            elapsed: self.now.saturating_duration_since(start),
            total,
        })
    }
}

/// Where the kernel's table has a server. Weight 0 means that its checks had failed, where that is
/// what failure does; anywhere else it is nobody's wish.
fn place_in_table(
    standing: &Standing,
    virtual_server: &VirtualServer,
    key: &DestinationKey,
) -> Placement {
    let mut found = virtual_server.keys.iter().filter_map(|one| standing.destination(one, key));
    match found.next() {
        None => Placement::Out,
        Some(found)
            if found.destination.weight == Weight::ZERO
                && virtual_server.on_failure == OnFailure::WeightZero =>
        {
            Placement::Inhibited
        }
        Some(_) => Placement::In,
    }
}
