//! The one comparison of keyed things, used for services and for destinations.

use std::collections::BTreeMap;

/// How one key stands in two maps.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change<'a, H, W> {
    /// Wanted, not there.
    Missing(&'a W),
    /// There, not wanted.
    Extra(&'a H),
    /// In both.
    Both(&'a H, &'a W),
}

/// Every key of either map, in order, with what each map has for it.
pub(crate) fn diff<'a, K: Ord, H, W>(
    have: &'a BTreeMap<K, H>,
    want: &'a BTreeMap<K, W>,
) -> impl Iterator<Item = (&'a K, Change<'a, H, W>)> {
    let mut have = have.iter().peekable();
    let mut want = want.iter().peekable();
    std::iter::from_fn(move || {
        let order = match (have.peek(), want.peek()) {
            (Some((h, _)), Some((w, _))) => h.cmp(w),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (None, None) => return None,
        };
        match order {
            std::cmp::Ordering::Less => have.next().map(|(k, h)| (k, Change::Extra(h))),
            std::cmp::Ordering::Greater => want.next().map(|(k, w)| (k, Change::Missing(w))),
            std::cmp::Ordering::Equal => {
                have.next().zip(want.next()).map(|((k, h), (_, w))| (k, Change::Both(h, w)))
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_comes_once_and_in_order() {
        let have = BTreeMap::from([(1, 'a'), (3, 'c'), (4, 'd')]);
        let want = BTreeMap::from([(2, "b"), (3, "c")]);
        let changes: Vec<_> = diff(&have, &want).collect();
        assert_eq!(
            changes,
            [
                (&1, Change::Extra(&'a')),
                (&2, Change::Missing(&"b")),
                (&3, Change::Both(&'c', &"c")),
                (&4, Change::Extra(&'d')),
            ]
        );
    }
}
