//! Things that may be there once.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::error::Finding;
use crate::reader::Report;
use crate::source::Place;

/// What was seen, with the place of its first appearance.
#[derive(Debug)]
pub(crate) struct Unique<K>(BTreeMap<K, Place>);

impl<K> Default for Unique<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord> Unique<K> {
    /// Notes `key`. If it was there before, `message` says what is twice and the result is
    /// `false`.
    pub(crate) fn add(
        &mut self,
        key: K,
        place: Place,
        report: &Report,
        message: impl FnOnce() -> String,
    ) -> bool {
        match self.0.entry(key) {
            Entry::Vacant(vacant) => {
                vacant.insert(place);
                true
            }
            Entry::Occupied(first) => {
                let finding = Finding::new(place, message(), "the second time");
                report.add(finding.related(*first.get(), "the first time"));
                false
            }
        }
    }

    /// Where `key` was seen first.
    pub(crate) fn first(&self, key: &K) -> Option<Place> {
        self.0.get(key).copied()
    }
}
