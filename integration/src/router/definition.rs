//! One virtual router, as either program wants it written.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use crate::network::INTERFACE;

/// The password of version 2.
pub type Authentication = Option<&'static str>;

/// One virtual router on one host.
#[derive(Debug, Clone)]
pub struct Definition {
    /// Name of the instance.
    pub name: String,
    /// Virtual router identifier.
    pub vrid: u8,
    /// 2 or 3.
    pub version: u8,
    /// 1 to 254.
    pub priority: u8,
    /// Time between two adverts.
    pub interval: Duration,
    /// Whether it takes over from a worse master.
    pub preempt: bool,
    /// The password of version 2.
    pub authentication: Authentication,
    /// The other router, if adverts go to it alone, and the own address.
    pub unicast: Option<(IpAddr, IpAddr)>,
    /// Whether the address has the virtual router's own MAC.
    pub vmac: bool,
    /// The addresses, each with the prefix of its family's LAN.
    pub addresses: Vec<IpAddr>,
    /// Further lines of lvsd's table.
    pub lvsd_lines: String,
}

impl Definition {
    /// A version 3 router with adverts each 100 ms, without anything special.
    #[must_use]
    pub fn new(priority: u8, address: IpAddr) -> Self {
        Self {
            name: "VI_1".to_owned(),
            vrid: 51,
            version: 3,
            priority,
            interval: Duration::from_millis(100),
            preempt: true,
            authentication: None,
            unicast: None,
            vmac: false,
            addresses: vec![address],
            lvsd_lines: String::new(),
        }
    }

    /// lvsd's table of it.
    #[must_use]
    pub fn lvsd(&self) -> String {
        lvsd(std::slice::from_ref(self))
    }

    fn prefixed(&self) -> impl Iterator<Item = String> {
        self.addresses.iter().map(|address| match address {
            IpAddr::V4(_) => format!("{address}/24"),
            IpAddr::V6(_) => format!("{address}/64"),
        })
    }
}

/// lvsd's configuration.
pub(super) fn lvsd(instances: &[Definition]) -> String {
    let mut text = String::new();
    for one in instances {
        let addresses: Vec<_> = one.prefixed().map(|address| format!("\"{address}\"")).collect();
        let _ = write!(
            text,
            "[vrrp_instance.{}]\ninterface = \"{INTERFACE}\"\nvirtual_router_id = {}\n\
             version = {}\npriority = {}\nadvert_interval = \"{}ms\"\npreempt = {}\n\
             virtual_addresses = [{}]\n",
            one.name,
            one.vrid,
            one.version,
            one.priority,
            one.interval.as_millis(),
            one.preempt,
            addresses.join(", "),
        );
        if let Some(password) = one.authentication {
            let _ =
                writeln!(text, "authentication = {{ type = \"pass\", password = \"{password}\" }}");
        }
        if let Some((own, peer)) = one.unicast {
            let _ = writeln!(text, "source_address = \"{own}\"\nunicast_peers = [\"{peer}\"]");
        }
        if one.vmac {
            text.push_str("use_vmac = true\n");
        }
        text.push_str(&one.lvsd_lines);
        text.push('\n');
    }
    text
}

/// keepalived's configuration.
pub(super) fn keepalived(instances: &[Definition]) -> String {
    let mut text = String::from("global_defs {\n  router_id lab\n}\n");
    for one in instances {
        let _ = write!(
            text,
            "vrrp_instance {} {{\n  state BACKUP\n  interface {INTERFACE}\n  \
             virtual_router_id {}\n  version {}\n  priority {}\n  advert_int {}\n",
            one.name,
            one.vrid,
            one.version,
            one.priority,
            one.interval.as_secs_f64(),
        );
        if !one.preempt {
            text.push_str("  nopreempt\n");
        }
        if let Some(password) = one.authentication {
            let _ = writeln!(
                text,
                "  authentication {{\n    auth_type PASS\n    auth_pass {password}\n  }}"
            );
        }
        if let Some((own, peer)) = one.unicast {
            let _ = writeln!(text, "  unicast_src_ip {own}\n  unicast_peer {{\n    {peer}\n  }}");
        }
        if one.vmac {
            text.push_str("  use_vmac\n");
        }
        text.push_str("  virtual_ipaddress {\n");
        for address in one.prefixed() {
            let _ = writeln!(text, "    {address}");
        }
        text.push_str("  }\n}\n");
    }
    text
}
