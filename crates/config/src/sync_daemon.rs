//! `[ipvs.sync_daemon]`.

use std::net::IpAddr;

use vrrp::InstanceSpec;

use crate::error::Finding;
use crate::leaf;
use crate::model::{SyncDaemon, SyncRole};
use crate::names;
use crate::reader::{Entry, Value};

/// What an IPv4 packet of 65535 bytes leaves after its own and the UDP header.
const LONGEST_MESSAGE: i64 = 65_507;

/// The kernel leaves as much room with IPv6, and shortens what is longer without a word.
const LONGEST_MESSAGE_IPV6: u16 = 65_487;

/// The VRRP instances that a sync daemon may follow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Instances<'a> {
    /// Those that are written.
    pub(crate) written: &'a [Entry<'a>],
    /// Those of them that are right.
    pub(crate) read: &'a [InstanceSpec],
}

/// Reads `sync_daemon`.
pub(crate) fn sync_daemon(value: Value<'_>, instances: Instances<'_>) -> Option<SyncDaemon> {
    value.table("`sync_daemon`", |t| {
        let interface = t.required("interface", leaf::interface);
        let id = t.optional("id", |v| v.integer(0..=255, ""));
        let follows = t.optional("follows", |v| instance(v, instances));
        let roles =
            [("master", SyncRole::Master), ("backup", SyncRole::Backup), ("both", SyncRole::Both)];
        let role = t.optional("role", |v| v.choice(&roles));
        let group = t.optional("group", multicast_group);
        let port = t.optional("port", |v| v.integer(1..=65_535, ""));
        let ttl = t.optional("ttl", |v| v.integer(1..=255, ""));
        let max_length = t.optional("max_length", |v| v.integer(1..=LONGEST_MESSAGE, " bytes"));

        if let (Some(group), Some(length)) = (&group, &max_length)
            && group.value.is_ipv6()
            && length.value > LONGEST_MESSAGE_IPV6
        {
            let message = format!("`max_length` of {} bytes with an IPv6 group", length.value);
            let label = format!("expected at most {LONGEST_MESSAGE_IPV6}");
            t.report
                .add(Finding::new(length.place, message, label).related(group.place, "the group"));
        }

        match (t.value("follows"), t.value("role")) {
            (None, None) if t.unknown().next().is_none() => {
                let finding =
                    Finding::new(t.place, "a sync daemon without a role", "sends or receives?");
                let help = "write `follows = \"NAME\"` for the role of that VRRP instance, or \
                            `role = \"both\"`, or the role on this director";
                t.report.add(finding.help(help));
            }
            (Some(follows), Some(role)) => {
                let message = "a sync daemon has `follows` or `role`, not both";
                let finding = Finding::new(role.place, message, "the second one");
                t.report.add(finding.related(follows.place, "the first one"));
            }
            _ => {}
        }
        // keepalived has the same default.
        let vrid = || {
            let name = &follows.as_ref()?.value;
            let instance = instances.read.iter().find(|instance| instance.name == *name)?;
            Some(instance.vrid.get())
        };
        Some(SyncDaemon {
            interface: interface?.value,
            sync_id: id.map(|id| id.value).or_else(vrid).unwrap_or(0),
            follows: follows.map(|follows| follows.value),
            role: role.map(|role| role.value),
            group: group.map(|group| group.value),
            port: port.map(|port| port.value),
            ttl: ttl.map(|ttl| ttl.value),
            max_length: max_length.map(|length| length.value),
        })
    })
}

/// The name of a VRRP instance that is there.
fn instance(value: Value<'_>, instances: Instances<'_>) -> Option<String> {
    let name = value.string()?;
    let known: Vec<&str> = instances.written.iter().map(|entry| entry.name).collect();
    if known.contains(&name) {
        return Some(name.to_owned());
    }
    let help = match names::nearest(name, &known) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "there is no VRRP instance: write `role`".to_owned(),
        None => names::one_of("one of", &known),
    };
    value.refuse(format!("there is no VRRP instance `{name}`"), "not known here", Some(help))
}

fn multicast_group(value: Value<'_>) -> Option<IpAddr> {
    let address = leaf::address(value)?;
    if address.is_multicast() {
        return Some(address);
    }
    let help = "the kernel's default is 224.0.0.81".to_owned();
    value.refuse(
        format!("{address} is no multicast group"),
        "expected 224.0.0.0/4 or ff00::/8",
        Some(help),
    )
}
