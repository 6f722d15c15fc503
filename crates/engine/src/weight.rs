//! The arithmetic that gives a real server its weight, step by step.

use std::time::Duration;

use checkers::Advice;
use ipvs::Weight;

/// Weight grows in so many steps during a slow start.
pub(crate) const SLOW_START_STEPS: u32 = 10;

/// How far a slow start is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlowStart {
    /// 1 at the begin, 10 at the end: so many tenths of the weight.
    pub step: u32,
    /// Time since its begin.
    pub elapsed: Duration,
    /// Its whole time.
    pub total: Duration,
}

impl SlowStart {
    /// The share of the weight, in per cent.
    pub fn percent(&self) -> u32 {
        self.step * 100 / SLOW_START_STEPS
    }

    /// A share of the weight, but never 0: that would mean no connections at all.
    fn of(self, weight: Weight) -> Weight {
        let share = u64::from(weight.get()) * u64::from(self.step) / u64::from(SLOW_START_STEPS);
        let share = u32::try_from(share).ok().and_then(Weight::new).unwrap_or(weight);
        share.max(Weight::ONE).min(weight)
    }
}

/// Weight that a check asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Kind of the check.
    pub check: &'static str,
    /// What it asks for.
    pub advice: Advice,
    /// What that means for this server.
    pub weight: Weight,
}

impl Asked {
    /// What `advice` means for a server of this weight. A share is rounded up: only 0 % means no
    /// new connections.
    pub(crate) fn new(check: &'static str, advice: Advice, configured: Weight) -> Self {
        let weight = match advice {
            Advice::Weight(weight) => u64::from(weight),
            Advice::Percent(percent) => {
                (u64::from(configured.get()) * u64::from(percent)).div_ceil(100)
            }
        };
        let weight = u32::try_from(weight).ok().and_then(Weight::new).unwrap_or(Weight::MAX);
        Self { check, advice, weight }
    }
}

/// Everything that a server's weight comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weighing {
    /// The weight of the definitions.
    pub configured: Weight,
    /// The lowest weight that one of its passing checks asks for.
    pub asked: Option<Asked>,
    /// The weight that it stands in the table with, until a check that may ask for one has run.
    pub adopted: Option<Weight>,
    /// The operator's weight.
    pub operator: Option<Weight>,
    /// The slow start that it is in.
    pub slow_start: Option<SlowStart>,
    /// Whether it gets no new connections: it drains, or fails where that is what failure does.
    pub inhibited: bool,
}

/// One step of the arithmetic, with the weight after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeightStep {
    /// The definitions say so.
    Configured(Weight),
    /// A check asks for it.
    Asked(Asked),
    /// It stands in the table so, and a check that may ask for a weight has not run yet.
    Adopted(Weight),
    /// The operator says so, whatever was before.
    Operator(Weight),
    /// A share, for a while.
    SlowStart(SlowStart, Weight),
    /// 0, so that no new connections come.
    Inhibited,
}

impl WeightStep {
    /// The weight after this step.
    pub fn weight(&self) -> Weight {
        match self {
            Self::Configured(weight)
            | Self::Adopted(weight)
            | Self::Operator(weight)
            | Self::SlowStart(_, weight) => *weight,
            Self::Asked(asked) => asked.weight,
            Self::Inhibited => Weight::ZERO,
        }
    }
}

impl Weighing {
    /// The definitions alone.
    pub(crate) fn configured(weight: Weight) -> Self {
        Self {
            configured: weight,
            asked: None,
            adopted: None,
            operator: None,
            slow_start: None,
            inhibited: false,
        }
    }

    /// The weight before slow start and inhibition: what the server counts for in a quorum.
    pub(crate) fn full(&self) -> Weight {
        let asked = self.asked.map(|asked| asked.weight);
        self.operator.or(asked).or(self.adopted).unwrap_or(self.configured)
    }

    /// The steps in order; the weight is that after the last.
    pub fn steps(&self) -> impl Iterator<Item = WeightStep> {
        let full = self.full();
        let first = WeightStep::Configured(self.configured);
        std::iter::once(first)
            .chain(self.asked.map(WeightStep::Asked))
            .chain(self.adopted.filter(|_| self.asked.is_none()).map(WeightStep::Adopted))
            .chain(self.operator.map(WeightStep::Operator))
            .chain(self.slow_start.map(|slow| WeightStep::SlowStart(slow, slow.of(full))))
            .chain(self.inhibited.then_some(WeightStep::Inhibited))
    }

    /// The weight that comes out.
    pub fn weight(&self) -> Weight {
        self.steps().last().map_or(self.configured, |step| step.weight())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weight(weight: u32) -> Weight {
        Weight::new(weight).unwrap()
    }

    fn slow(step: u32) -> Option<SlowStart> {
        let total = Duration::from_secs(30);
        Some(SlowStart { step, elapsed: total * (step - 1) / 10, total })
    }

    /// By hand, from the manual's rules.
    #[test]
    fn every_step_counts_in_its_order() {
        let configured = Weighing::configured(weight(3));
        let half = Asked::new("agent_check", Advice::Percent(50), weight(3));
        let absolute = Asked::new("misc_check", Advice::Weight(8), weight(3));
        let operator = Some(weight(20));
        for (weighing, result) in [
            (configured, 3),
            (Weighing { slow_start: slow(4), ..configured }, 1),
            (Weighing { slow_start: slow(1), ..configured }, 1),
            (Weighing { asked: Some(half), ..configured }, 2),
            (Weighing { adopted: Some(weight(9)), ..configured }, 9),
            (Weighing { adopted: Some(weight(9)), asked: Some(half), ..configured }, 2),
            (Weighing { adopted: Some(weight(9)), operator, ..configured }, 20),
            (Weighing { asked: Some(absolute), ..configured }, 8),
            (Weighing { asked: Some(absolute), slow_start: slow(5), ..configured }, 4),
            (Weighing { asked: Some(half), operator, ..configured }, 20),
            (Weighing { operator, slow_start: slow(9), ..configured }, 18),
            (Weighing { operator, slow_start: slow(9), inhibited: true, ..configured }, 0),
            (Weighing { operator: Some(Weight::ZERO), slow_start: slow(5), ..configured }, 0),
        ] {
            assert_eq!(weighing.weight().get(), result, "{weighing:?}");
        }
    }

    /// Only 0 means no new connections, so that a small share of a small weight is not 0.
    #[test]
    fn no_share_of_weight_1_is_0() {
        let one = Weighing::configured(Weight::ONE);
        for (percent, result) in [(1, 1), (49, 1), (50, 1), (100, 1), (0, 0)] {
            let asked = Some(Asked::new("agent_check", Advice::Percent(percent), Weight::ONE));
            assert_eq!(Weighing { asked, ..one }.weight().get(), result, "{percent} %");
            let slow_start = slow(1);
            assert_eq!(Weighing { asked, slow_start, ..one }.weight().get(), result, "{percent} %");
        }
    }

    #[test]
    fn large_weights_stay_in_their_range() {
        let most = Weighing::configured(Weight::MAX);
        let double = Asked::new("agent_check", Advice::Percent(200), Weight::MAX);
        let all = Asked::new("misc_check", Advice::Weight(u32::MAX), Weight::MAX);
        for asked in [double, all] {
            assert_eq!(Weighing { asked: Some(asked), ..most }.weight(), Weight::MAX);
        }
        let tenth = Weighing { slow_start: slow(1), ..most }.weight().get();
        assert_eq!(tenth, 214_748_364);
    }
}
