//! What new definitions change of the VRRP instances, in words.

use std::collections::{BTreeMap, BTreeSet};

use api::{PlannedAction, PlannedInstance};
use vrrp::{InstanceSpec, VirtualAddress};

/// The instances that differ, by name.
pub(crate) fn compare(old: &[InstanceSpec], new: &[InstanceSpec]) -> Vec<PlannedInstance> {
    let by_name = |specs: &[InstanceSpec]| -> BTreeMap<String, InstanceSpec> {
        specs.iter().map(|spec| (spec.name.clone(), spec.clone())).collect()
    };
    let (old, new) = (by_name(old), by_name(new));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let differing = names.into_iter().filter_map(|name| {
        let (action, words) = match (old.get(name), new.get(name)) {
            (None, Some(new)) => (PlannedAction::Add, described(new)),
            (Some(old), None) => {
                let words = format!("gives up {}", addresses(old.addresses.iter()));
                (PlannedAction::Remove, words)
            }
            (Some(old), Some(new)) if old != new => (PlannedAction::Change, difference(old, new)),
            (Some(_), Some(_)) | (None, None) => return None,
        };
        Some(PlannedInstance { name: name.clone(), action, words })
    });
    differing.collect()
}

fn described(spec: &InstanceSpec) -> String {
    format!(
        "VRID {} on {}, priority {}, {}",
        spec.vrid,
        spec.interface,
        spec.priority,
        addresses(spec.addresses.iter())
    )
}

fn difference(old: &InstanceSpec, new: &InstanceSpec) -> String {
    let mut words = Vec::new();
    let mut changed = |what: &str, old: String, new: String| {
        if old != new {
            words.push(format!("{what} {old} -> {new}"));
        }
    };
    changed("interface", old.interface.clone(), new.interface.clone());
    changed("VRID", old.vrid.to_string(), new.vrid.to_string());
    changed("priority", old.priority.to_string(), new.priority.to_string());
    let (before, after): (BTreeSet<_>, BTreeSet<_>) =
        (old.addresses.iter().collect(), new.addresses.iter().collect());
    if before != after {
        let gone = before.difference(&after).copied();
        let added = after.difference(&before).copied();
        words.push(format!("{} -> {}", addresses(gone), addresses(added)));
    }
    let gone = old.routing.without(&new.routing);
    let added = new.routing.without(&old.routing);
    words.extend(gone.words().map(|what| format!("no {what}")));
    words.extend(added.words());
    if words.is_empty() {
        words.push("other settings".to_owned());
    }
    words.join(", ")
}

fn addresses<'a>(all: impl Iterator<Item = &'a VirtualAddress>) -> String {
    let words: Vec<String> =
        all.map(|one| format!("{}/{} dev {}", one.address, one.prefix, one.interface)).collect();
    if words.is_empty() { "no addresses".to_owned() } else { words.join(", ") }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn instances(lines: &str) -> Vec<InstanceSpec> {
        config::parse(Path::new("test.toml"), lines).unwrap().vrrp_instances
    }

    fn instance(name: &str, rest: &str) -> String {
        format!("[vrrp_instance.{name}]\ninterface = \"eth0\"\n{rest}\n")
    }

    #[test]
    fn every_difference_has_words() {
        let same =
            instance("same", "virtual_router_id = 1\nvirtual_addresses = [\"192.0.2.1/24\"]");
        let gone =
            instance("gone", "virtual_router_id = 2\nvirtual_addresses = [\"192.0.2.2/24\"]");
        let old = instance(
            "moved",
            "virtual_router_id = 3\npriority = 150\nvirtual_addresses = [\"192.0.2.3/24\", \"192.0.2.4/24\"]",
        );
        let new = instance(
            "moved",
            "virtual_router_id = 3\npriority = 90\nvirtual_addresses = [\"192.0.2.3/24\", \"192.0.2.5/24\"]",
        );
        let timed = |lines: &str| {
            let id = "virtual_router_id = 4\nvirtual_addresses = [\"192.0.2.9/24\"]\n";
            instance("timed", &format!("{id}{lines}"))
        };
        let before = instances(&[same.clone(), gone, old, timed("")].concat());
        let after = instances(&[same, new, timed("preempt = false")].concat());
        let found: Vec<_> = compare(&before, &after)
            .into_iter()
            .map(|one| (one.name, one.action, one.words))
            .collect();
        let expect = |name: &str, action, words: &str| (name.to_owned(), action, words.to_owned());
        assert_eq!(
            found,
            [
                expect("gone", PlannedAction::Remove, "gives up 192.0.2.2/24 dev eth0"),
                expect(
                    "moved",
                    PlannedAction::Change,
                    "priority 150 -> 90, 192.0.2.4/24 dev eth0 -> 192.0.2.5/24 dev eth0"
                ),
                expect("timed", PlannedAction::Change, "other settings"),
            ]
        );
        assert!(compare(&after, &after).is_empty());
    }
}
