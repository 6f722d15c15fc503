//! Two to five directors on one to three bad segments, with virtual time: random loss, delay,
//! duplicates, cuts, one-way cuts, crashes, stops, freezes, clocks that drift, lost interfaces,
//! scripts that fail, changed priorities, and sync groups, from a seed. After everything is mended
//! there is one master, the right one, within the RFC's bound, and the addresses are there alone.
//!
//! `LVS_SIM_SEEDS` sets how many seeds run (default 400), `LVS_SIM_SEED` runs one alone.

#![allow(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

mod node;
mod random;
mod world;

use std::time::Duration;

use vrrp::Priority;

use crate::node::Node;
use crate::world::World;

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
            // Of a group with equal priorities, one may be better here and another one there.
            let rank = |node: &Node| {
                let priority = node.specs[segment].priority;
                (priority, (!grouped).then_some(node.addresses[segment]))
            };
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

fn variable(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "a test reads its size")]
    let text = std::env::var(name);
    text.ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn one_master_after_everything_is_mended() {
    let seeds: Vec<u64> = match variable("LVS_SIM_SEED") {
        Some(seed) => vec![seed],
        None => (0..variable("LVS_SIM_SEEDS").unwrap_or(400)).collect(),
    };
    for seed in seeds {
        if let Err(panic) = std::panic::catch_unwind(|| run(seed)) {
            eprintln!("LVS_SIM_SEED={seed} fails");
            std::panic::resume_unwind(panic);
        }
    }
}
