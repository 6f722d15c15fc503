//! What an instance's priority depends on besides its own number. Pure.
//!
//! A tracked thing either works or does not. With weight 0 it is a condition: while it does not
//! work the instance is in Fault. With another weight it changes the priority: a positive one is
//! added while the thing works, a negative one counts while it does not. The sum is made anew from
//! the configured priority each time, so nothing accumulates, and the result stays within 1 to 254.
//! keepalived: `track_interface`, `track_script`, `track_file`, `track_process`.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::spec::Priority;

/// Something outside VRRP that an instance watches.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Thing {
    /// A network interface: up, with a link, and, if there is one here, with this address.
    Interface {
        /// Its name.
        name: String,
        /// The address that it must have.
        address: Option<IpAddr>,
    },
    /// A script, by its name in the configuration.
    Script(String),
    /// A file with a number, by its name in the configuration.
    File(String),
    /// A program that runs, by its name in the configuration.
    Process(String),
    /// A virtual server that has its quorum, by its name in the configuration.
    VirtualServer(String),
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interface { name, address: None } => write!(f, "interface {name}"),
            Self::Interface { name, address: Some(address) } => {
                write!(f, "address {address} on {name}")
            }
            Self::Script(name) => write!(f, "script {name}"),
            Self::File(name) => write!(f, "file {name}"),
            Self::Process(name) => write!(f, "process {name}"),
            Self::VirtualServer(name) => write!(f, "virtual server {name}"),
        }
    }
}

/// What is known of a thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Condition {
    /// It works.
    Works,
    /// It does not, for this reason.
    Fails(String),
    /// The number in a file, which is multiplied with the weight.
    Number(i64),
    /// It cannot be told, for this reason, which lies on this machine: it counts for nothing.
    Unclear(String),
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Works => f.write_str("ok"),
            Self::Fails(reason) | Self::Unclear(reason) => f.write_str(reason),
            Self::Number(number) => number.fmt(f),
        }
    }
}

/// A tracked thing and what it means for the instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    /// What is tracked.
    pub thing: Thing,
    /// -253 to 253; 0: the instance is in Fault while the thing does not work.
    pub weight: i16,
    /// The other way round: the weight's sign is changed, and with weight 0 the instance is in
    /// Fault while the thing does work.
    pub reverse: bool,
}

/// A number times its weight is a fault below this, and counts as 253 above that
/// (keepalived.conf(5), `track_file`).
const LOWEST: i64 = -253;

/// A tracked thing as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackStatus {
    /// What is tracked, in words.
    pub thing: String,
    /// Its weight, with the sign that it has in effect.
    pub weight: i16,
    /// `None` until there is a first result.
    pub condition: Option<Condition>,
    /// What it does to the priority now.
    pub adds: i64,
    /// Whether it keeps the instance in Fault.
    pub is_fault: bool,
}

/// What one thing does to the instance.
enum Effect {
    Nothing,
    /// No result yet of something that could be a fault.
    Wait,
    Adds(i64),
    Fault(String),
}

/// What an instance knows of the things that it tracks.
#[derive(Debug, Default)]
pub(crate) struct Tracker {
    conditions: BTreeMap<Thing, Condition>,
}

impl Tracker {
    pub(crate) fn set(&mut self, thing: Thing, condition: Condition) {
        self.conditions.insert(thing, condition);
    }

    /// All that is known.
    pub(crate) fn conditions(&self) -> Vec<(Thing, Condition)> {
        self.conditions.clone().into_iter().collect()
    }

    /// Forgets what is no longer tracked.
    pub(crate) fn keep(&mut self, tracks: &[Track]) {
        self.conditions.retain(|thing, _| tracks.iter().any(|track| track.thing == *thing));
    }

    /// The priority to be master with.
    pub(crate) fn priority(&self, base: Priority, tracks: &[Track]) -> Priority {
        if base == Priority::OWNER {
            return base;
        }
        let sum: i64 = self.terms(tracks).map(|(adds, _)| adds).sum();
        u8::try_from((sum + i64::from(base.get())).clamp(1, 254))
            .ok()
            .and_then(Priority::new)
            .unwrap_or(base)
    }

    /// `130 = 150 - 20 (script nginx: exit status 1)`.
    pub(crate) fn arithmetic(&self, base: Priority, tracks: &[Track]) -> String {
        let priority = self.priority(base, tracks);
        let mut words = priority.to_string();
        if base == Priority::OWNER || self.terms(tracks).next().is_none() {
            return words;
        }
        words.push_str(&format!(" = {base}"));
        let mut sum = i64::from(base.get());
        for (adds, why) in self.terms(tracks) {
            sum += adds;
            let sign = if adds < 0 { '-' } else { '+' };
            words.push_str(&format!(" {sign} {} ({why})", adds.unsigned_abs()));
        }
        match sum {
            ..1 => words.push_str(", at least 1"),
            1..255 => {}
            255.. => words.push_str(", at most 254"),
        }
        words
    }

    /// Why the instance has to be in Fault, if it has to.
    pub(crate) fn fault(&self, tracks: &[Track]) -> Option<String> {
        tracks.iter().find_map(|track| match self.effect(track) {
            Effect::Fault(reason) => Some(reason),
            _ => None,
        })
    }

    /// Whose first result the instance has to wait for before it starts, if it has to.
    pub(crate) fn waits_for<'a>(&self, tracks: &'a [Track]) -> Option<&'a Thing> {
        let waits = |track: &&Track| matches!(self.effect(track), Effect::Wait);
        tracks.iter().find(waits).map(|track| &track.thing)
    }

    /// Each tracked thing with its state.
    pub(crate) fn status(&self, tracks: &[Track]) -> Vec<TrackStatus> {
        let status = |track: &Track| {
            let effect = self.effect(track);
            TrackStatus {
                thing: track.thing.to_string(),
                weight: track.signed(),
                condition: self.conditions.get(&track.thing).cloned(),
                adds: if let Effect::Adds(adds) = effect { adds } else { 0 },
                is_fault: matches!(effect, Effect::Fault(_)),
            }
        };
        tracks.iter().map(status).collect()
    }

    /// What is added to the priority, and by what, as far as it is not 0.
    fn terms(&self, tracks: &[Track]) -> impl Iterator<Item = (i64, String)> {
        tracks.iter().filter_map(|track| match self.effect(track) {
            Effect::Adds(adds) if adds != 0 => {
                let condition = self.conditions.get(&track.thing)?;
                Some((adds, format!("{}: {condition}", track.thing)))
            }
            _ => None,
        })
    }

    fn effect(&self, track: &Track) -> Effect {
        let is_condition = track.weight == 0;
        let fault = |why: &dyn fmt::Display| Effect::Fault(format!("{}: {why}", track.thing));
        match self.conditions.get(&track.thing) {
            None if is_condition => Effect::Wait,
            None | Some(Condition::Unclear(_)) => Effect::Nothing,
            Some(Condition::Number(number)) if is_condition => {
                match (*number != 0, track.reverse) {
                    (true, false) => fault(&format!("the number is {number}")),
                    (false, true) => fault(&"the number is 0"),
                    _ => Effect::Nothing,
                }
            }
            Some(Condition::Number(number)) => {
                let product = number.saturating_mul(i64::from(track.signed()));
                if product < LOWEST {
                    return fault(&format!("{number} times {} is below -253", track.signed()));
                }
                Effect::Adds(product.min(-LOWEST))
            }
            Some(Condition::Works) if is_condition && track.reverse => fault(&Condition::Works),
            Some(Condition::Fails(reason)) if is_condition && !track.reverse => fault(reason),
            Some(condition) => {
                // The configured sign says when the weight counts, the reversed one what it does.
                let works = *condition == Condition::Works;
                let counts = if works { track.weight > 0 } else { track.weight < 0 };
                Effect::Adds(if counts { i64::from(track.signed()) } else { 0 })
            }
        }
    }
}

impl Track {
    fn signed(&self) -> i16 {
        if self.reverse { -self.weight } else { self.weight }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(name: &str) -> Thing {
        Thing::Script(name.to_owned())
    }

    fn track(name: &str, weight: i16) -> Track {
        Track { thing: script(name), weight, reverse: false }
    }

    fn fails() -> Condition {
        Condition::Fails("exit status 1".to_owned())
    }

    fn tracker<const N: usize>(conditions: [(&str, Condition); N]) -> Tracker {
        let conditions = conditions.map(|(name, condition)| (script(name), condition));
        Tracker { conditions: conditions.into() }
    }

    fn base(priority: u8) -> Priority {
        Priority::new(priority).unwrap()
    }

    /// keepalived.conf(5), `track_interface`: increased by the weight when up (positive weights),
    /// decreased by its absolute value when down (negative weights); `reverse`: "the direction of
    /// adjustment of the priority is reversed".
    #[test]
    fn weights_count_as_keepalived_documents_them() {
        for (weight, reverse, works, expected) in [
            (20, false, true, 120),
            (20, false, false, 100),
            (-20, false, true, 100),
            (-20, false, false, 80),
            (20, true, true, 80),
            (20, true, false, 100),
            (-20, true, true, 100),
            (-20, true, false, 120),
        ] {
            let tracks = [Track { reverse, ..track("a", weight) }];
            let condition = if works { Condition::Works } else { fails() };
            let tracker = tracker([("a", condition)]);
            let priority = tracker.priority(base(100), &tracks).get();
            assert_eq!(priority, expected, "weight {weight} reverse {reverse} works {works}");
            assert_eq!(tracker.fault(&tracks), None);
        }
    }

    #[test]
    fn several_add_up_and_the_result_is_clamped_once() {
        let tracks = [track("a", -200), track("b", 150), track("c", -30)];
        let conditions = [("a", fails()), ("b", Condition::Works), ("c", fails())];
        let tracker = tracker(conditions);
        // 150 - 200 + 150 - 30 = 70: the -50 in between is no floor.
        assert_eq!(tracker.priority(base(150), &tracks), base(70));
        // 100 - 200 = -100, at least 1; 200 + 150 = 350, at most 254.
        assert_eq!(tracker.priority(base(100), &tracks[..1]), base(1));
        assert_eq!(tracker.priority(base(200), &tracks[1..2]), base(254));
        assert_eq!(
            tracker.arithmetic(base(200), &tracks[1..2]),
            "254 = 200 + 150 (script b: ok), at most 254"
        );
        assert_eq!(
            tracker.arithmetic(base(100), &tracks[..1]),
            "1 = 100 - 200 (script a: exit status 1), at least 1"
        );
    }

    #[test]
    fn the_arithmetic_is_told_in_words() {
        let tracks = [track("nginx", -20), track("db", 5), track("disk", -7)];
        let conditions = [("nginx", fails()), ("db", Condition::Works), ("disk", Condition::Works)];
        let tracker = tracker(conditions);
        assert_eq!(
            tracker.arithmetic(base(150), &tracks),
            "135 = 150 - 20 (script nginx: exit status 1) + 5 (script db: ok)"
        );
        assert_eq!(tracker.arithmetic(base(150), &tracks[2..]), "150");
    }

    #[test]
    fn nothing_accumulates() {
        let tracks = [track("a", -20)];
        let mut tracker = Tracker::default();
        for _ in 0..100 {
            tracker.set(script("a"), fails());
            assert_eq!(tracker.priority(base(150), &tracks), base(130));
        }
        tracker.set(script("a"), Condition::Works);
        assert_eq!(tracker.priority(base(150), &tracks), base(150));
    }

    #[test]
    fn the_owner_does_not_change() {
        let tracks = [track("a", -20)];
        let tracker = tracker([("a", fails())]);
        assert_eq!(tracker.priority(Priority::OWNER, &tracks), Priority::OWNER);
        assert_eq!(tracker.arithmetic(Priority::OWNER, &tracks), "255");
    }

    #[test]
    fn without_weight_a_failure_is_a_fault() {
        let straight = [track("a", 0)];
        let reversed = [Track { reverse: true, ..track("a", 0) }];
        let failing = tracker([("a", fails())]);
        let working = tracker([("a", Condition::Works)]);
        assert_eq!(failing.fault(&straight).as_deref(), Some("script a: exit status 1"));
        assert_eq!(working.fault(&straight), None);
        assert_eq!(failing.fault(&reversed), None);
        assert_eq!(working.fault(&reversed).as_deref(), Some("script a: ok"));
        assert_eq!(failing.priority(base(100), &straight), base(100));
    }

    /// Only what could be a fault is waited for; what cannot be told counts for nothing.
    #[test]
    fn what_is_not_known_holds_up_the_start_and_nothing_else() {
        let tracks = [track("weighted", -20), track("a", 0)];
        let unknown = Tracker::default();
        assert_eq!(unknown.waits_for(&tracks), Some(&script("a")));
        assert_eq!(unknown.fault(&tracks), None);
        assert_eq!(unknown.priority(base(100), &tracks), base(100));
        assert_eq!(unknown.waits_for(&tracks[..1]), None);
        let unclear = tracker([("a", Condition::Unclear("no such file".to_owned()))]);
        assert_eq!(unclear.waits_for(&tracks), None);
        assert_eq!(unclear.fault(&tracks), None);
    }

    /// keepalived.conf(5), `track_file`: the number times the weight is added; below -253 is a
    /// fault; with weight 0 any number but 0 is one.
    #[test]
    fn numbers_are_multiplied() {
        for (number, weight, reverse, priority, fault) in [
            (5, 1, false, 105, false),
            (-5, 10, false, 50, false),
            (5, 10, true, 50, false),
            (-253, 1, false, 1, false),
            (-254, 1, false, 100, true),
            (300, 1, false, 254, false),
            (i64::MIN, 253, false, 100, true),
            (i64::MAX, 253, false, 254, false),
            (0, 0, false, 100, false),
            (1, 0, false, 100, true),
            (-1, 0, false, 100, true),
            (0, 0, true, 100, true),
            (1, 0, true, 100, false),
        ] {
            let tracks = [Track { reverse, ..track("a", weight) }];
            let tracker = tracker([("a", Condition::Number(number))]);
            let case = format!("{number} x {weight}, reverse {reverse}");
            assert_eq!(tracker.priority(base(100), &tracks), base(priority), "{case}");
            assert_eq!(tracker.fault(&tracks).is_some(), fault, "{case}");
        }
    }

    #[test]
    fn what_is_no_longer_tracked_is_forgotten() {
        let mut tracker = tracker([("a", fails()), ("b", fails())]);
        tracker.keep(&[track("b", 0)]);
        assert_eq!(tracker.fault(&[track("a", 0)]), None);
        assert!(tracker.fault(&[track("b", 0)]).is_some());
    }
}
