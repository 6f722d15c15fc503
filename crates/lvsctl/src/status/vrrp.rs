//! The VRRP part of `lvsctl status`.

use api::{TrackedStatus, VrrpGroupStatus, VrrpStatus};

use super::{ago, row};
use crate::columns::columns;

pub(super) fn text(instances: &[VrrpStatus], groups: &[VrrpGroupStatus]) -> String {
    let mut rows =
        vec![row(["INSTANCE", "STATE", "SINCE", "PRIORITY", "MASTER", "ADDRESSES", "WHY"])];
    rows.extend(instances.iter().map(instance));
    let mut text = columns(2, &rows);
    for group in groups {
        text.push_str(&format!(
            "  group {}: {} for {}: {}\n",
            group.name,
            group.state.to_uppercase(),
            ago(&group.since),
            group.instances.join(", ")
        ));
    }
    for instance in instances {
        for line in details(instance) {
            text.push_str(&format!("  {}: {line}\n", instance.name));
        }
    }
    text
}

fn instance(instance: &VrrpStatus) -> Vec<String> {
    let master = match (&instance.master_address, instance.master_priority) {
        (Some(address), Some(priority)) => format!("{address} ({priority})"),
        (Some(address), None) => address.clone(),
        (None, _) => "-".to_owned(),
    };
    let addresses: Vec<String> = instance
        .addresses
        .iter()
        .map(|a| format!("{} {}", a.address, if a.held { "here" } else { "not here" }))
        .collect();
    vec![
        instance.name.clone(),
        instance.state.to_uppercase(),
        ago(&instance.since),
        instance.priority.to_string(),
        master,
        addresses.join(", "),
        instance.why.clone(),
    ]
}

/// What the table has no room for.
fn details(instance: &VrrpStatus) -> Vec<String> {
    let mut lines = Vec::new();
    if instance.priority_arithmetic.contains('=') {
        lines.push(format!("priority {}", instance.priority_arithmetic));
    }
    if !instance.tracked.is_empty() {
        let tracked: Vec<String> = instance.tracked.iter().map(tracked).collect();
        lines.push(format!("tracks {}", tracked.join(", ")));
    }
    lines.extend(
        instance
            .routing
            .iter()
            .map(|one| format!("{}: {}", one.what, if one.held { "here" } else { "not here" })),
    );
    lines.extend(instance.troubles.iter().map(|trouble| format!("TROUBLE: {trouble}")));
    let telling = |name: &str| name.starts_with("dropped") || name == "two masters";
    let counted = instance.counters.iter().filter(|c| c.value > 0 && telling(&c.name));
    let counted: Vec<String> = counted.map(|c| format!("{} {}", c.name, c.value)).collect();
    if !counted.is_empty() {
        lines.push(counted.join(", "));
    }
    lines
}

/// `script nginx (-20) exit status 1`.
fn tracked(tracked: &TrackedStatus) -> String {
    let meaning = match tracked.weight {
        0 => "or fault".to_owned(),
        weight => format!("{weight:+}"),
    };
    let condition = tracked.condition.as_deref().unwrap_or("no result yet");
    let condition = if tracked.is_fault { format!("FAULT: {condition}") } else { condition.into() };
    format!("{} ({meaning}) {condition}", tracked.thing)
}
