//! What the simulations of several crates share: the loop over seeds, and chance. For tests only.

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

/// Runs a simulation with the seeds 0, 1, 2 and so on.
///
/// `LVS_SIM_SEEDS` sets how many seeds there are instead of `count`; `LVS_SIM_SEED` names the only
/// one, as a failure does.
///
/// # Panics
///
/// As `simulation` does, after naming its seed; or because a variable is not a number.
pub fn for_each_seed(count: u64, simulation: impl Fn(u64)) {
    let seeds = match variable("LVS_SIM_SEED") {
        Some(seed) => seed..=seed,
        None => 0..=variable("LVS_SIM_SEEDS").unwrap_or(count).saturating_sub(1),
    };
    for seed in seeds {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| simulation(seed))) {
            eprintln!("the simulation failed; repeat it with LVS_SIM_SEED={seed}");
            resume_unwind(panic);
        }
    }
}

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}

/// Numbers from a seed, the same everywhere: SplitMix64 (Steele, Lea, Flood: Fast Splittable
/// Pseudorandom Number Generators, 2014).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// A generator for this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 up to `limit` - 1, which is not below 0.
    pub fn below<N>(&mut self, limit: N) -> N
    where
        N: TryInto<u64, Error: Debug> + TryFrom<u64, Error: Debug>,
    {
        let limit = limit.try_into().expect("a limit of chance is positive");
        N::try_from(self.number() % limit).expect("what is below the limit fits where it does")
    }

    /// Whether something of this likelihood happens.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100_u64) < percent
    }

    /// One of `choices`.
    pub fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }

    /// Less than so many milliseconds.
    pub fn millis(&mut self, limit: u64) -> Duration {
        Duration::from_millis(self.below(limit))
    }

    /// From 1 µs up to `most`.
    pub fn time(&mut self, most: Duration) -> Duration {
        let micros = u64::try_from(most.as_micros()).unwrap_or(u64::MAX).max(1);
        Duration::from_micros(1 + self.below(micros))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first numbers for the seed 1234567 (Rosetta Code, "Pseudo-random numbers/Splitmix64").
    #[test]
    fn a_seed_gives_the_published_numbers() {
        let mut random = Random::new(1_234_567);
        let numbers: Vec<u64> = (0..5).map(|_| random.number()).collect();
        assert_eq!(
            numbers,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423,
                4_593_380_528_125_082_431,
                16_408_922_859_458_223_821,
            ]
        );
    }

    #[test]
    fn chance_stays_within_its_limits() {
        let mut random = Random::new(1);
        for _ in 0..1000 {
            assert!(random.below(3_usize) < 3);
            assert!(!random.chance(0) && random.chance(100));
            let time = random.time(Duration::from_micros(2));
            assert!((1..=2).contains(&time.as_micros()));
        }
    }

    #[test]
    #[should_panic(expected = "the third")]
    fn a_failure_is_passed_on() {
        for_each_seed(9, |seed| assert!(seed != 3, "the third"));
    }
}
