//! Two to five directors on one to three bad segments, with virtual time: random loss, delay,
//! duplicates, cuts, one-way cuts, crashes, workers that go on after one, stops, freezes, clocks that drift, lost interfaces,
//! scripts that fail, changed priorities, sync groups and second paths, from a seed. After everything is mended
//! there is one master, the right one, within the RFC's bound, and the addresses are there alone.
//!
//! `LVS_SIM_SEEDS` and `LVS_SIM_SEED`: see [`testkit::for_each_seed`].

#![allow(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

mod node;
mod world;

use std::time::Duration;

use testkit::for_each_seed;
use vrrp::Priority;

use crate::node::Node;
use crate::world::{World, paths};

fn run(seed: u64) {
    let mut world = World::new(seed);
    world.start_all();
    for _ in 0..40 {
        let intervals = u32::try_from(world.random.below(6)).unwrap();
        world.pass(world.interval() * intervals + Duration::from_millis(1));
        if world.random.chance(50) {
            world.trouble();
        }
    }
    let already = world.masters();
    world.heal();
    // The longest down interval: three intervals, a skew of at most one (one second in version
    // 2), and the delays of the wire.
    let bound = world.interval() * 5 + Duration::from_secs(1);
    world.pass(bound);
    let masters = world.masters();
    for (segment, masters) in masters.iter().enumerate() {
        assert_eq!(masters.len(), 1, "segment {segment}: {masters:?}, before: {already:?}");
    }
    let grouped = world.nodes[0].is_grouped();
    if grouped {
        assert!(masters.iter().all(|one| *one == masters[0]), "a group is split: {masters:?}");
    }
    if world.nodes[0].specs[0].preempt {
        for (segment, masters) in masters.iter().enumerate() {
            // Of equals the one that was master stays.
            let rank = |node: &Node| node.specs[segment].priority;
            let best = world.nodes.iter().map(rank).max().unwrap();
            assert_eq!(rank(&world.nodes[masters[0]]), best, "the best director is master");
        }
    }
    // It stays.
    world.pass(world.interval() * 20);
    assert_eq!(world.masters(), masters);
    // All others follow it.
    for node in &world.nodes {
        for (segment, instance) in node.running.as_ref().unwrap().instances.iter().enumerate() {
            let known = instance.status().master.unwrap();
            let master = &world.nodes[masters[segment][0]];
            assert_eq!(known.address, master.addresses[segment]);
        }
    }
}

/// Of equals that are cut off from each other, the one with the higher address wins.
#[test]
fn of_equals_the_higher_address_wins_after_a_split() {
    let mut world = World::new(1);
    world.bad = false;
    for node in &mut world.nodes {
        for spec in &mut node.specs {
            spec.priority = Priority::DEFAULT;
            spec.group = None;
            spec.heartbeats.clear();
        }
    }
    for row in world.cut.iter_mut().flatten() {
        row.fill(true);
    }
    world.start_all();
    world.pass(world.interval() * 10);
    assert_eq!(world.masters()[0].len(), world.nodes.len());
    world.mend_cuts();
    world.pass(world.interval() * 2);
    assert_eq!(world.masters()[0], [world.nodes.len() - 1]);
}

/// Of equals the one that is master stays, whatever its address, when the others start.
#[test]
fn of_equals_the_one_that_is_master_stays() {
    for seed in 0..100 {
        let mut world = World::new(seed);
        world.bad = false;
        for node in &mut world.nodes {
            for spec in &mut node.specs {
                spec.priority = Priority::DEFAULT;
                spec.group = None;
            }
        }
        let first = world.random.below(world.nodes.len());
        world.start(first);
        world.pass(world.interval() * 10 + Duration::from_secs(2));
        let alone = world.masters();
        assert!(alone.iter().all(|masters| *masters == [first]), "seed {seed}: {alone:?}");
        world.start_all();
        for _ in 0..40 {
            world.pass(world.interval() / 2);
            assert_eq!(world.masters(), alone, "seed {seed}");
        }
    }
}

/// Directors with a second path between each two of them, on good lines, settled.
fn settled_with_paths(seed: u64) -> World {
    let mut world = World::new(seed);
    world.bad = false;
    let count = world.nodes.len();
    for (number, node) in world.nodes.iter_mut().enumerate() {
        for spec in &mut node.specs {
            spec.heartbeats = paths(number, count);
            spec.group = None;
        }
    }
    world.start_all();
    world.pass(world.interval() * 10 + Duration::from_secs(2));
    assert_eq!(world.masters()[0].len(), 1, "seed {seed}");
    world
}

/// A segment is cut between all of them, and nobody takes over, as the second path tells of the
/// master.
#[test]
fn a_cut_segment_with_a_second_path_makes_no_second_master() {
    for seed in 0..100 {
        let mut world = settled_with_paths(seed);
        for row in &mut world.cut[0] {
            row.fill(true);
        }
        for _ in 0..200 {
            world.pass(world.interval() / 4);
            assert_eq!(world.masters()[0].len(), 1, "seed {seed}");
        }
    }
}

/// Whoever loses its link says so over the second path, and is replaced at once.
#[test]
fn a_lost_link_with_a_second_path_is_no_matter_of_intervals() {
    for seed in 0..100 {
        let mut world = settled_with_paths(seed);
        let master = world.masters()[0][0];
        world.set_link(master, 0, false);
        // The skew in hundredths of a second, and the way of a packet.
        world.pass(Duration::from_millis(11) + world.interval() / 25);
        let masters = &world.masters()[0];
        assert!(!masters.is_empty() && !masters.contains(&master), "seed {seed}: {masters:?}");
        world.pass(world.interval() * 2);
        assert_eq!(world.masters()[0].len(), 1, "seed {seed}");
    }
}

#[test]
fn one_master_after_everything_is_mended() {
    for_each_seed(400, run);
}
