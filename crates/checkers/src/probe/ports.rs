//! Source ports of connections through IPVS, one after the other.
//!
//! IPVS finds a connection's entry by addresses and ports, and keeps that of a probe that failed
//! for up to a minute. A probe of another server for the same virtual address that gets the same
//! source port within that time goes to the failed server. The kernel chooses ports by chance; in
//! turn, each comes again only when all others have been used.

use std::fs;
use std::ops::RangeInclusive;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::random;

static PORTS: LazyLock<Vec<u16>> = LazyLock::new(|| {
    let read = |name| fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).unwrap_or_default();
    free(&read("ip_local_port_range"), &read("ip_local_reserved_ports"))
});

/// The next port; `None` where there is none, then the kernel has to choose.
pub(super) fn next() -> Option<u16> {
    // Not from the first one: the probes of the process before may have just used that.
    static TURN: LazyLock<AtomicU64> = LazyLock::new(|| AtomicU64::new(random() >> 1));
    let turn = TURN.fetch_add(1, Ordering::Relaxed).checked_rem(PORTS.len() as u64)?;
    PORTS.get(usize::try_from(turn).ok()?).copied()
}

/// The ports from which the kernel chooses, by the texts of `ip_local_port_range` and
/// `ip_local_reserved_ports` (Documentation/networking/ip-sysctl.rst).
fn free(range: &str, reserved: &str) -> Vec<u16> {
    let ends: Vec<u16> = range.split_whitespace().filter_map(|end| end.parse().ok()).collect();
    let &[first, last] = ends.as_slice() else { return Vec::new() };
    let reserved: Vec<RangeInclusive<u16>> = reserved
        .trim()
        .split(',')
        .filter_map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            Some(first.parse().ok()?..=last.parse().ok()?)
        })
        .collect();
    (first..=last).filter(|port| !reserved.iter().any(|taken| taken.contains(port))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_ports_are_left_out() {
        assert_eq!(free("32768\t60999\n", "\n").len(), 28_232);
        assert_eq!(free("100 105\n", "102,104-9000\n"), [100, 101, 103]);
        assert!(free("", "").is_empty());
    }

    #[test]
    fn a_port_comes_again_when_all_others_have_been_used() {
        let first = next().unwrap();
        let round = std::iter::from_fn(|| next().filter(|&port| port != first)).count();
        assert_eq!(round + 1, PORTS.len());
        assert!(round > 0);
    }
}
