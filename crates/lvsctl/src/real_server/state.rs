//! What a real server's set-up is and what is wrong with it. Pure.

use std::net::IpAddr;

use netif::{Address, Link};

/// A sysctl that keeps a host silent about the addresses on `lo`.
#[derive(Debug)]
pub(crate) struct ArpSetting {
    /// Its path below `/proc/sys`.
    pub(crate) key: &'static str,
    /// The value that `start` gives it and `stop` takes back.
    pub(crate) started: &'static str,
    /// All values that serve.
    sufficient: &'static [&'static str],
    /// What happens without it.
    otherwise: &'static str,
}

/// arp_ignore: 1 answers only for addresses of the interface a request comes in on, 2 is stricter;
/// with 3 and 8 this host would not answer as it should. arp_announce: only 2 never names a VIP as
/// the sender of a request (Documentation/networking/ip-sysctl.rst).
///
/// Of `all` and an interface's own setting the kernel takes the higher one, so `all` does it; `lo`
/// is set too as everybody expects it from the usual script.
pub(crate) const ARP_SETTINGS: [ArpSetting; 4] = [
    ignore("net/ipv4/conf/all/arp_ignore"),
    announce("net/ipv4/conf/all/arp_announce"),
    ignore("net/ipv4/conf/lo/arp_ignore"),
    announce("net/ipv4/conf/lo/arp_announce"),
];

const fn ignore(key: &'static str) -> ArpSetting {
    let otherwise = "this host answers ARP for the VIP in place of the director";
    ArpSetting { key, started: "1", sufficient: &["1", "2"], otherwise }
}

const fn announce(key: &'static str) -> ArpSetting {
    let otherwise = "this host's own ARP requests teach its neighbours that it has the VIP";
    ArpSetting { key, started: "2", sufficient: &["2"], otherwise }
}

impl ArpSetting {
    /// The name sysctl(8) has for it.
    pub(crate) fn name(&self) -> String {
        self.key.replace('/', ".")
    }

    pub(crate) fn suffices(&self, value: &str) -> bool {
        self.sufficient.contains(&value)
    }

    /// What a value that does not suffice means and how to mend it.
    pub(crate) fn fault(&self) -> String {
        let wanted = self.sufficient.join(" or ");
        let set = format!("{}={}", self.name(), self.started);
        format!("must be {wanted}, or {}: `sysctl -w {set}`", self.otherwise)
    }
}

/// The prefix length of a single host.
pub(crate) fn host_prefix(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The interfaces and addresses of this host.
#[derive(Debug)]
pub(crate) struct State {
    lo: Link,
    others: Vec<Link>,
    addresses: Vec<Address>,
}

impl State {
    /// `None` if there is no `lo`.
    pub(crate) fn new(mut links: Vec<Link>, addresses: Vec<Address>) -> Option<Self> {
        let lo = links.iter().position(|link| link.name == super::LOOPBACK)?;
        Some(Self { lo: links.swap_remove(lo), others: links, addresses })
    }

    fn on_lo(&self) -> impl Iterator<Item = &Address> {
        self.addresses.iter().filter(|address| address.index == self.lo.index)
    }

    /// The VIPs on `lo`: all addresses with a host prefix except the loopback addresses.
    pub(crate) fn vips(&self) -> impl Iterator<Item = IpAddr> {
        self.on_lo()
            .filter(|a| a.prefix == host_prefix(a.address) && !a.address.is_loopback())
            .map(|a| a.address)
    }

    /// The first of `lo:0`, `lo:1`, ... that no address has. With a label ifconfig(8) shows the
    /// address too.
    pub(crate) fn free_label(&self) -> String {
        let taken = |label: &str| self.on_lo().any(|a| a.label.as_deref() == Some(label));
        (0_u32..)
            .map(|number| format!("{}:{number}", super::LOOPBACK))
            .find(|label| !taken(label))
            .unwrap_or_else(|| super::LOOPBACK.to_owned())
    }

    /// What is wrong with a VIP's place and how to mend it; `None` if it is right.
    pub(crate) fn fault(&self, vip: IpAddr) -> Option<String> {
        let wanted = host_prefix(vip);
        let elsewhere = self
            .others
            .iter()
            .find(|link| self.addresses.iter().any(|a| a.address == vip && a.index == link.index));
        if let Some(Link { name, .. }) = elsewhere {
            return Some(format!(
                "on {name}, where this host answers for it in place of the director: `ip address \
                 del {vip} dev {name}`, then `lvsctl real-server start {vip}`"
            ));
        }
        let prefixes: Vec<u8> =
            self.on_lo().filter(|a| a.address == vip).map(|a| a.prefix).collect();
        if let Some(prefix) = prefixes.iter().find(|&&prefix| prefix != wanted) {
            return Some(format!(
                "on lo as /{prefix}, which makes the whole network local: `ip address del \
                 {vip}/{prefix} dev lo`, then `lvsctl real-server start {vip}`"
            ));
        }
        if prefixes.is_empty() {
            return Some(format!("missing: `lvsctl real-server start {vip}`"));
        }
        (!self.lo.up).then(|| "on lo, which is down: `ip link set lo up`".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(index: u32, name: &str) -> Link {
        Link { index, name: name.to_owned(), mac: None, parent: None, up: true, running: true }
    }

    fn address(index: u32, address: &str, prefix: u8, label: Option<&str>) -> Address {
        let address = address.parse().unwrap();
        Address { index, address, prefix, label: label.map(str::to_owned), tentative: false }
    }

    fn state(addresses: Vec<Address>) -> State {
        State::new(vec![link(2, "eth0"), link(1, "lo")], addresses).unwrap()
    }

    fn fault(addresses: Vec<Address>, vip: &str) -> Option<String> {
        state(addresses).fault(vip.parse().unwrap())
    }

    #[test]
    fn vips_are_hosts_on_lo_but_not_loopback() {
        let state = state(vec![
            address(1, "127.0.0.1", 8, Some("lo")),
            address(1, "127.0.0.53", 32, Some("lo")),
            address(1, "::1", 128, None),
            address(1, "192.0.2.10", 32, Some("lo:0")),
            address(1, "2001:db8::10", 128, None),
            address(1, "198.51.100.1", 24, Some("lo")),
            address(2, "203.0.113.1", 32, Some("eth0")),
        ]);
        let vips: Vec<String> = state.vips().map(|vip| vip.to_string()).collect();
        assert_eq!(vips, ["192.0.2.10", "2001:db8::10"]);
    }

    #[test]
    fn the_first_free_label_is_taken() {
        assert_eq!(state(vec![]).free_label(), "lo:0");
        let taken = ["lo:0", "lo:2"].map(|label| address(1, "192.0.2.10", 32, Some(label)));
        assert_eq!(state(taken.into()).free_label(), "lo:1");
        assert_eq!(state(vec![address(2, "192.0.2.10", 32, Some("lo:0"))]).free_label(), "lo:0");
    }

    #[test]
    fn a_vip_belongs_on_lo_as_a_host() {
        assert_eq!(fault(vec![address(1, "192.0.2.10", 32, None)], "192.0.2.10"), None);
        assert_eq!(fault(vec![address(1, "2001:db8::10", 128, None)], "2001:db8::10"), None);
        for (addresses, beginning) in [
            (vec![], "missing"),
            (vec![address(1, "192.0.2.11", 32, None)], "missing"),
            (vec![address(1, "192.0.2.10", 24, None)], "on lo as /24"),
            (vec![address(2, "192.0.2.10", 32, None)], "on eth0"),
            (
                vec![address(1, "192.0.2.10", 32, None), address(2, "192.0.2.10", 24, None)],
                "on eth0",
            ),
        ] {
            let fault = fault(addresses, "192.0.2.10").unwrap();
            assert!(fault.starts_with(beginning), "{fault}");
        }
    }

    #[test]
    fn an_address_on_lo_that_is_down_is_unreachable() {
        let lo = Link { up: false, ..link(1, "lo") };
        let state = State::new(vec![lo], vec![address(1, "192.0.2.10", 32, None)]).unwrap();
        assert!(state.fault("192.0.2.10".parse().unwrap()).unwrap().contains("down"));
    }

    #[test]
    fn what_start_sets_suffices_and_the_default_does_not() {
        for setting in &ARP_SETTINGS {
            assert!(setting.suffices(setting.started));
            assert!(!setting.suffices("0"));
        }
        assert!(ARP_SETTINGS[0].suffices("2") && !ARP_SETTINGS[0].suffices("8"));
        assert!(!ARP_SETTINGS[1].suffices("1"));
        assert_eq!(
            ARP_SETTINGS[0].fault(),
            "must be 1 or 2, or this host answers ARP for the VIP in place of the director: \
             `sysctl -w net.ipv4.conf.all.arp_ignore=1`"
        );
    }
}
