//! Chance from a seed, so that a run can be repeated exactly.

use std::hash::{Hash, Hasher};
use std::time::Duration;

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014): small,
/// and even enough to spread probes in time. Not fit for secrets.
#[derive(Debug, Clone)]
pub(crate) struct SplitMix64(u64);

impl SplitMix64 {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// An even choice from 0 to `span`.
    pub(crate) fn up_to(&mut self, span: Duration) -> Duration {
        share(self.next(), span)
    }
}

/// The place of `item` in `span`: always the same for the same seed, evenly spread over items.
pub(crate) fn place(seed: u64, item: &impl Hash, span: Duration) -> Duration {
    let mut hasher = Fnv(0xcbf2_9ce4_8422_2325 ^ seed);
    item.hash(&mut hasher);
    share(mix(hasher.finish()), span)
}

/// The share of `span` that `bits` is of 2^64.
fn share(bits: u64, span: Duration) -> Duration {
    let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    let scaled = (u128::from(nanos) * u128::from(bits)) >> 64;
    // A product of two numbers below 2^64, shifted by 64, is below 2^64.
    Duration::from_nanos(u64::try_from(scaled).unwrap_or(u64::MAX))
}

/// The finalizer of SplitMix64: every bit of the input changes half of the output's bits.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// FNV-1a (draft-eastlake-fnv), which unlike `DefaultHasher` is the same in every version of Rust.
struct Fnv(u64);

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first outputs for seed 1234567, as published with the algorithm's reference code
    /// (<https://rosettacode.org/wiki/Pseudo-random_numbers/Splitmix64>).
    #[test]
    fn splitmix_gives_the_published_numbers() {
        let mut random = SplitMix64::new(1_234_567);
        assert_eq!(random.next(), 6_457_827_717_110_365_317);
        assert_eq!(random.next(), 3_203_168_211_198_807_973);
        assert_eq!(random.next(), 9_817_491_932_198_370_423);
    }

    /// Test vectors of draft-eastlake-fnv: the empty string, "a", "foobar".
    #[test]
    fn fnv_gives_the_published_numbers() {
        for (text, hash) in [
            ("", 0xcbf2_9ce4_8422_2325_u64),
            ("a", 0xaf63_dc4c_8601_ec8c),
            ("foobar", 0x8594_4171_f739_67e8),
        ] {
            let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
            hasher.write(text.as_bytes());
            assert_eq!(hasher.finish(), hash, "{text:?}");
        }
    }

    #[test]
    fn shares_are_proportional() {
        let span = Duration::from_secs(8);
        assert_eq!(share(0, span), Duration::ZERO);
        assert_eq!(share(1 << 63, span), Duration::from_secs(4));
        assert_eq!(share(1 << 61, span), Duration::from_secs(1));
        assert!(share(u64::MAX, span) <= span);
    }
}
