//! The engine against a kernel in memory that refuses what the real one refuses, from a seed:
//! alone with random health, and together with the checkers over real servers that come and go.
//!
//! `LVS_SIM_SEEDS` and `LVS_SIM_SEED`: see [`testkit::for_each_seed`].

#![allow(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]
#![expect(clippy::disallowed_methods, reason = "a test chooses its clock")]

mod definitions;
mod joint;
mod kernel;
mod rules;
mod tables;

use testkit::for_each_seed;

#[test]
fn every_history_ends_in_the_wanted_table() {
    for_each_seed(300, tables::run);
}

#[test]
fn checks_and_engine_together_end_in_the_wanted_table() {
    for_each_seed(100, joint::run);
}
