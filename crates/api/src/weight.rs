//! The arithmetic of a real server's weight, as `lvsctl explain` shows it.

use engine::{Asked, Weighing, WeightStep};
use serde::{Deserialize, Serialize};

/// One step, with the weight after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeightStepStatus {
    /// The weight after this step.
    pub weight: u32,
    /// What the step is.
    #[serde(flatten)]
    pub cause: WeightCause,
}

/// What gives a server its weight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "snake_case")]
pub enum WeightCause {
    /// The definitions.
    Configured,
    /// A check asks for it.
    Check {
        /// Kind of the check.
        check: String,
        /// What it asks for: `weight 5`, `50 % of the weight`.
        asks: String,
    },
    /// It stands in the table so, and a check that may ask for a weight has not run yet.
    Adopted,
    /// The operator, whatever was before.
    Operator,
    /// A share, until the slow start is over.
    SlowStart {
        /// The share, in per cent.
        percent: u32,
        /// Seconds since its begin.
        elapsed_seconds: u64,
        /// Its whole time in seconds.
        total_seconds: u64,
    },
    /// No new connections: the server drains, or fails with `on_failure = "weight_zero"`.
    Inhibited,
}

/// The steps that give a server its weight; the last one's is the weight.
pub fn weight_steps(weighing: &Weighing) -> Vec<WeightStepStatus> {
    weighing
        .steps()
        .map(|step| WeightStepStatus { weight: step.weight().get(), cause: step.into() })
        .collect()
}

impl From<WeightStep> for WeightCause {
    fn from(step: WeightStep) -> Self {
        match step {
            WeightStep::Configured(_) => Self::Configured,
            WeightStep::Asked(Asked { check, advice, .. }) => {
                Self::Check { check: check.to_owned(), asks: advice.to_string() }
            }
            WeightStep::Adopted(_) => Self::Adopted,
            WeightStep::Operator(_) => Self::Operator,
            WeightStep::SlowStart(slow_start, _) => Self::SlowStart {
                percent: slow_start.percent(),
                elapsed_seconds: slow_start.elapsed.as_secs(),
                total_seconds: slow_start.total.as_secs(),
            },
            WeightStep::Inhibited => Self::Inhibited,
        }
    }
}
