//! Counters as ipvsadm writes them.

/// A counter in a column of nine characters: whole below 100 million, then in units of 1,000 and
/// its powers. `exact` writes it whole and lets it grow.
pub(crate) fn counter(value: u64, exact: bool) -> String {
    const K: u64 = 1_000;
    const M: u64 = 1_000 * K;
    const G: u64 = 1_000 * M;
    const T: u64 = 1_000 * G;
    if exact {
        return format!(" {value:>8}");
    }
    let (unit, letter) = match value {
        0..100_000_000 => return format!("{value:>9}"),
        100_000_000..1_000_000_000 => (K, 'K'),
        1_000_000_000..100_000_000_000 => (M, 'M'),
        100_000_000_000..100_000_000_000_000 => (G, 'G'),
        100_000_000_000_000.. => (T, 'T'),
    };
    format!("{:>8}{letter}", value / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_change_where_ipvsadms_do() {
        for (value, text) in [
            (0, "        0"),
            (99_999_999, " 99999999"),
            (100_000_000, "  100000K"),
            (130_632_796, "  130632K"),
            (999_999_999, "  999999K"),
            (1_000_000_000, "    1000M"),
            (99_999_999_999, "   99999M"),
            (100_000_000_000, "     100G"),
            (99_999_999_999_999, "   99999G"),
            (100_000_000_000_000, "     100T"),
            (u64::MAX, "18446744T"),
        ] {
            assert_eq!(counter(value, false), text);
        }
    }

    #[test]
    fn exact_counters_grow() {
        assert_eq!(counter(7, true), "        7");
        assert_eq!(counter(99_999_999, true), " 99999999");
        assert_eq!(counter(130_632_796, true), " 130632796");
        assert_eq!(counter(u64::MAX, true), " 18446744073709551615");
    }
}
