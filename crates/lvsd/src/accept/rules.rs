//! The table of nftables, as `nft -f` reads it (nft(8)). Pure.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::IpAddr;

use config::Config;
use ipvs::ServiceKey;
use vrrp::{InstanceSpec, Priority, VirtualAddress};

/// The name of the table, which is lvsd's alone.
pub(super) const TABLE: &str = "inet lvsd";

/// IPVS takes its packets out of this hook at 98 and 99 (`NF_IP_PRI_NAT_SRC` - 2 and - 1), the
/// connections that a service's helper expects among them: what comes this far is none of them, but
/// for what it forwards to this host itself.
const PRIORITY: u8 = 200;

/// What the table shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rules {
    /// Names of the instances with `accept = false`.
    pub(super) instances: BTreeSet<String>,
    /// What nft is told.
    pub(super) script: String,
}

/// Replaces the table, or makes it, in one step: at no moment is there none.
fn begin() -> String {
    format!("{}table {TABLE} {{\n", remove())
}

/// Removes the table; fine if there is none.
pub(super) fn remove() -> String {
    format!("table {TABLE}\ndelete table {TABLE}\n")
}

impl Rules {
    /// The table for these definitions; `None` where nothing is to be dropped.
    ///
    /// It stands whatever the role: a backup has no such address. One that is a real server too has
    /// them on `lo`, for the ports of the services, which are let in.
    pub(super) fn of(config: &Config) -> Option<Self> {
        let refuses = |one: &&InstanceSpec| !one.accept && one.priority != Priority::OWNER;
        let instances: Vec<&InstanceSpec> = config.vrrp_instances.iter().filter(refuses).collect();
        if instances.is_empty() {
            return None;
        }
        let addresses: Vec<&VirtualAddress> =
            instances.iter().flat_map(|one| one.all_addresses()).collect();
        let services = config.virtual_servers.iter().flat_map(|server| &server.keys);

        let mut script = begin();
        let _ = writeln!(script, "  chain input {{");
        let _ = writeln!(script, "    type filter hook input priority {PRIORITY}; policy accept;");
        // What this host sends to itself.
        line(&mut script, "iifname \"lo\" accept");
        // RFC 9568 §6.4.3 (650): these are answered whatever the mode.
        line(&mut script, "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept");
        for rule in let_in(services, &addresses) {
            line(&mut script, &format!("{rule} accept"));
        }
        for rule in dropped(&addresses) {
            line(&mut script, &format!("{rule} counter drop"));
        }
        script.push_str("  }\n}\n");
        let instances = instances.iter().map(|one| one.name.clone()).collect();
        Some(Self { instances, script })
    }
}

fn line(script: &mut String, rule: &str) {
    let _ = writeln!(script, "    {rule}");
}

/// What a virtual service has. IPVS leaves it to this host where a real server or sorry server is
/// this host, and a backup that is a real server gets it from the master.
fn let_in<'a>(
    services: impl Iterator<Item = &'a ServiceKey>,
    addresses: &[&VirtualAddress],
) -> Vec<String> {
    let (mut ports, mut ports6) = (BTreeSet::new(), BTreeSet::new());
    let (mut marks, mut rules) = (BTreeSet::new(), Vec::new());
    for service in services {
        match service {
            ServiceKey::Fwmark { mark, .. } => {
                marks.insert(mark.to_string());
            }
            ServiceKey::Address { protocol, address } => {
                let (ip, port, protocol) = (address.ip(), address.port(), protocol.number());
                if !addresses.iter().any(|own| own.address == ip) {
                    continue;
                }
                if port == 0 {
                    rules.push(format!("{} daddr {ip} meta l4proto {protocol}", family(ip)));
                } else {
                    let ports = if ip.is_ipv4() { &mut ports } else { &mut ports6 };
                    ports.insert(format!("{ip} . {protocol} . {port}"));
                }
            }
        }
    }
    for (family, ports) in [("ip", ports), ("ip6", ports6)] {
        if !ports.is_empty() {
            rules.push(format!("{family} daddr . meta l4proto . th dport {}", set(&ports)));
        }
    }
    if !marks.is_empty() {
        rules.push(format!("meta mark {}", set(&marks)));
    }
    rules
}

/// Another interface may have the same link-local address.
fn dropped(addresses: &[&VirtualAddress]) -> Vec<String> {
    let (mut four, mut six) = (BTreeSet::new(), BTreeSet::new());
    let mut rules = Vec::new();
    for VirtualAddress { address, interface, .. } in addresses {
        match address {
            IpAddr::V4(address) => drop(four.insert(address.to_string())),
            IpAddr::V6(address) if address.is_unicast_link_local() => {
                rules.push(format!("iifname \"{interface}\" ip6 daddr {address}"));
            }
            IpAddr::V6(address) => drop(six.insert(address.to_string())),
        }
    }
    for (family, addresses) in [("ip", four), ("ip6", six)] {
        if !addresses.is_empty() {
            rules.push(format!("{family} daddr {}", set(&addresses)));
        }
    }
    rules
}

fn family(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "ip" } else { "ip6" }
}

fn set(elements: &BTreeSet<String>) -> String {
    let elements: Vec<&str> = elements.iter().map(String::as_str).collect();
    format!("{{ {} }}", elements.join(", "))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn rules(text: &str) -> Option<Rules> {
        Rules::of(&config::parse(Path::new("test.toml"), text).unwrap())
    }

    const INSTANCES: &str = r#"
[vrrp_instance.silent]
interface = "eth0"
virtual_router_id = 51
accept = false
virtual_addresses = ["192.0.2.10/24", "192.0.2.9/24"]
excluded_addresses = ["2001:db8::10/64", "fe80::10/64"]

[vrrp_instance.open]
interface = "eth0"
virtual_router_id = 52
virtual_addresses = ["192.0.2.11/24"]
"#;

    #[test]
    fn by_default_there_is_no_table() {
        assert_eq!(rules(""), None);
        assert_eq!(rules(&INSTANCES.replace("accept = false", "accept = true")), None);
    }

    /// Read by hand against nft(8); the integration tests let nft and the kernel read it.
    #[test]
    fn what_is_for_no_service_is_dropped() {
        let services = r#"
[virtual_server.web]
addresses = ["192.0.2.10:80", "192.0.2.11:80", "[2001:db8::10]:443"]
real_servers = []

[virtual_server.all]
address = "192.0.2.9:0"
protocol = "udp"
persistence = { timeout = "5m" }
real_servers = []

[virtual_server.marked]
fwmark = 7
real_servers = []
"#;
        let rules = rules(&format!("{INSTANCES}{services}")).unwrap();
        assert_eq!(rules.instances, BTreeSet::from(["silent".to_owned()]));
        assert_eq!(
            rules.script,
            r#"table inet lvsd
delete table inet lvsd
table inet lvsd {
  chain input {
    type filter hook input priority 200; policy accept;
    iifname "lo" accept
    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
    ip daddr 192.0.2.9 meta l4proto 17 accept
    ip daddr . meta l4proto . th dport { 192.0.2.10 . 6 . 80 } accept
    ip6 daddr . meta l4proto . th dport { 2001:db8::10 . 6 . 443 } accept
    meta mark { 7 } accept
    iifname "eth0" ip6 daddr fe80::10 counter drop
    ip daddr { 192.0.2.10, 192.0.2.9 } counter drop
    ip6 daddr { 2001:db8::10 } counter drop
  }
}
"#
        );
    }
}
