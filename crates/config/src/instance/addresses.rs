//! `virtual_addresses` and `excluded_addresses`.

use std::net::IpAddr;

use vrrp::{Family, Scope, Version, VirtualAddress};

use crate::error::Finding;
use crate::leaf;
use crate::reader::{Report, Table, Value};
use crate::source::At;

/// The packet counts its addresses in one byte (RFC 9568 §5.2.5).
const MOST_IPV4: usize = 255;
/// What fits into 1500 bytes with 40 of IPv6 and 8 of VRRP: an advert is never fragmented.
const MOST_IPV6: usize = 90;
/// A label has 15 bytes (`IFNAMSIZ` less the closing NUL).
const LONGEST_LABEL: usize = 15;

pub(super) const SCOPES: [(&str, Scope); 4] = [
    ("global", Scope::Global),
    ("site", Scope::Site),
    ("link", Scope::Link),
    ("host", Scope::Host),
];

/// Where addresses go that name no interface.
#[derive(Clone, Copy)]
pub(super) struct Device<'a> {
    /// `None` if it is refused.
    pub(super) name: Option<&'a str>,
    /// It is the one with the virtual MAC.
    pub(super) is_vmac: bool,
}

/// The addresses of an instance.
pub(super) struct Addresses {
    named: Vec<At<VirtualAddress>>,
    excluded: Vec<At<VirtualAddress>>,
}

impl Addresses {
    pub(super) fn read(
        t: &mut Table<'_>,
        device: Device<'_>,
        version: Option<At<Version>>,
    ) -> Option<Self> {
        let named = t.required("virtual_addresses", |v| {
            if v.is_empty_array() {
                let label = "expected at least one address";
                return v.refuse("`virtual_addresses` is empty", label, None);
            }
            v.list(|v| virtual_address(v, device))
        });
        let excluded = t.optional("excluded_addresses", |v| v.list(|v| virtual_address(v, device)));
        let At { value: named, place } = named?;
        if named.is_empty() {
            return None;
        }
        let addresses = Self { named, excluded: excluded.map_or_else(Vec::new, |at| at.value) };
        let (family, count) = (addresses.family(), addresses.named.len());
        for other in &addresses.named {
            let address = other.value.address;
            if Family::of(address) != family {
                let message = format!("{address} among {family} addresses");
                let finding = Finding::new(other.place, message, "adverts carry one family");
                let help = "move it to `excluded_addresses`: it follows the master from there too";
                t.report.add(finding.help(help));
            }
        }
        let most = match family {
            Family::Ipv4 => MOST_IPV4,
            Family::Ipv6 => MOST_IPV6,
        };
        if count > most {
            let message = format!("{count} {family} addresses in one instance");
            let finding = Finding::new(place, message, format!("a packet holds {most}"));
            t.report.add(finding.help("move the others to `excluded_addresses`"));
        }
        if let Some(version) = version.filter(|version| version.value == Version::V2)
            && family == Family::Ipv6
        {
            let finding = Finding::new(version.place, "version 2 over IPv6", "knows IPv4 only");
            let label = "no IPv4 address among them";
            t.report.add(finding.related(place, label).help("write `version = 3`"));
        }
        Some(addresses)
    }

    /// Of the adverts: IPv4 if one of the addresses is.
    pub(super) fn family(&self) -> Family {
        if self.named.iter().any(|at| at.value.address.is_ipv4()) {
            Family::Ipv4
        } else {
            Family::Ipv6
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &At<VirtualAddress>> {
        self.named.iter().chain(&self.excluded)
    }

    pub(super) fn in_packets(&self) -> Vec<VirtualAddress> {
        self.named.iter().map(|at| at.value.clone()).collect()
    }

    pub(super) fn excluded(&self) -> Vec<VirtualAddress> {
        self.excluded.iter().map(|at| at.value.clone()).collect()
    }
}

/// `"192.0.2.10/24"`, or a table with that under `address`.
fn virtual_address(value: Value<'_>, device: Device<'_>) -> Option<VirtualAddress> {
    let Device { name, is_vmac } = device;
    let device = name.unwrap_or_default();
    if !value.is_table() {
        let (address, prefix) = address_with_prefix(value)?;
        return Some(VirtualAddress::new(address, prefix, device));
    }
    value.table("a virtual address", |t| {
        let address = t.required("address", address_with_prefix);
        let interface = t.or("interface", device.to_owned(), leaf::interface);
        let label = t.optional("label", leaf::text);
        let scope = t.optional("scope", |v| v.choice(&SCOPES));

        let interface = interface?.value;
        if let Some(label) = &label {
            let is_vmac = is_vmac && interface == device;
            check_label(label, &interface, is_vmac, address.as_ref(), t.report);
        }
        let (address, prefix) = address?.value;
        if let Some(scope) = scope.filter(|_| address.is_ipv6()) {
            let message = format!("a scope for {address}");
            let label = "the kernel knows that of an IPv6 address";
            t.report.add(Finding::new(scope.place, message, label));
        }
        let (label, scope) = (label.map(|label| label.value), scope.map(|scope| scope.value));
        Some(VirtualAddress { label, scope, ..VirtualAddress::new(address, prefix, &interface) })
    })
}

fn check_label(
    label: &At<String>,
    interface: &str,
    is_vmac: bool,
    address: Option<&At<(IpAddr, u8)>>,
    report: &Report,
) {
    let finding = |message: String, text: &str| Finding::new(label.place, message, text);
    let add = |message, text| report.add(finding(message, text));
    if label.value.len() > LONGEST_LABEL {
        let message = format!("the label `{}` has {} bytes", label.value, label.value.len());
        add(message, "expected at most 15 bytes");
    }
    if !label.value.starts_with(interface) {
        let message = format!("the label `{}` does not start with `{interface}`", label.value);
        let finding = finding(message, "expected the interface's name, `:` and a word");
        report.add(match is_vmac {
            true => finding.help(format!("with `use_vmac` the address is on `{interface}`")),
            false => finding,
        });
    }
    if let Some(At { value: (IpAddr::V6(address), _), .. }) = address {
        add(format!("a label for {address}"), "IPv6 addresses have no labels");
    }
}

/// Address and prefix length; without one, the address alone (/32, /128).
fn address_with_prefix(value: Value<'_>) -> Option<(IpAddr, u8)> {
    let Some(text) = value.as_str() else {
        return value.wrong_type("an address such as \"192.0.2.10/24\"", None);
    };
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let refuse = |message: String, label: &str| value.refuse(message, label, None);
    let expected = "expected an address such as \"192.0.2.10/24\"";
    let Ok(address) = address.parse::<IpAddr>() else {
        return refuse(format!("`{text}` is no address"), expected);
    };
    if let Some(what) = leaf::not_a_host(address).or_else(|| not_on_a_link(address)) {
        return refuse(format!("a virtual address cannot be {address}"), what);
    }
    let bits = ipvs::Family::of(address).bits();
    let Some(prefix) = prefix else { return Some((address, bits)) };
    let Some(prefix) = prefix.parse().ok().filter(|prefix| (1..=bits).contains(prefix)) else {
        return refuse(
            format!("`{prefix}` is no prefix length"),
            &format!("expected 1 to {bits} after the `/`"),
        );
    };
    match not_in_its_network(address, prefix) {
        Some(what) => refuse(format!("a virtual address cannot be {address}/{prefix}"), what),
        None => Some((address, prefix)),
    }
}

/// Why other hosts cannot reach an address that is right by itself, if they cannot.
fn not_on_a_link(address: IpAddr) -> Option<&'static str> {
    match address {
        _ if address.is_loopback() => Some("a loopback address"),
        // RFC 1122 §3.2.1.3.
        IpAddr::V4(address) if address.octets()[0] == 0 => Some("no address of a host"),
        IpAddr::V6(address) if address.to_ipv4_mapped().is_some() => {
            Some("an IPv4 address in the form of IPv6")
        }
        _ => None,
    }
}

/// What of its own network the address is, if it is not a host there. A network of 31 bits has two
/// hosts (RFC 3021); IPv6 has no broadcast.
fn not_in_its_network(address: IpAddr, prefix: u8) -> Option<&'static str> {
    let IpAddr::V4(address) = address else { return None };
    let host = u32::MAX.checked_shr(prefix.into()).unwrap_or_default();
    match address.to_bits() & host {
        _ if prefix > 30 => None,
        0 => Some("the address of the network itself"),
        bits if bits == host => Some("the broadcast address of its network"),
        _ => None,
    }
}
