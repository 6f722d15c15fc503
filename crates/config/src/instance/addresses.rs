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

/// The addresses of an instance.
pub(super) struct Addresses {
    named: Vec<At<VirtualAddress>>,
    excluded: Vec<At<VirtualAddress>>,
}

impl Addresses {
    /// `device` is where addresses go that name no interface, `None` if it is refused.
    pub(super) fn read(
        t: &mut Table<'_>,
        device: Option<&str>,
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
        let (family, count) = (addresses.family(), addresses.in_packets().len());
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

    /// IPv4 if one of the addresses is; addresses of the other family are in no packet.
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
        self.of_named(|family| family == self.family())
    }

    pub(super) fn beyond(&self) -> Vec<VirtualAddress> {
        let mut beyond = self.of_named(|family| family != self.family());
        beyond.extend(self.excluded.iter().map(|at| at.value.clone()));
        beyond
    }

    fn of_named(&self, wanted: impl Fn(Family) -> bool) -> Vec<VirtualAddress> {
        let named = self.named.iter().map(|at| &at.value);
        named.filter(|own| wanted(Family::of(own.address))).cloned().collect()
    }
}

/// `"192.0.2.10/24"`, or a table with that under `address`.
fn virtual_address(value: Value<'_>, device: Option<&str>) -> Option<VirtualAddress> {
    let device = device.unwrap_or_default();
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
            check_label(label, &interface, address.as_ref(), t.report);
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
    address: Option<&At<(IpAddr, u8)>>,
    report: &Report,
) {
    let add = |message: String, text: &str| {
        report.add(Finding::new(label.place, message, text));
    };
    if label.value.len() > LONGEST_LABEL {
        let message = format!("the label `{}` has {} bytes", label.value, label.value.len());
        add(message, "expected at most 15 bytes");
    }
    if !label.value.starts_with(interface) {
        let message = format!("the label `{}` does not start with `{interface}`", label.value);
        add(message, "expected the interface's name, `:` and a word");
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
    if let Some(what) = leaf::not_a_host(address) {
        return refuse(format!("a virtual address cannot be {address}"), what);
    }
    let bits = ipvs::Family::of(address).bits();
    let Some(prefix) = prefix else { return Some((address, bits)) };
    match prefix.parse().ok().filter(|prefix| (1..=bits).contains(prefix)) {
        Some(prefix) => Some((address, prefix)),
        None => refuse(
            format!("`{prefix}` is no prefix length"),
            &format!("expected 1 to {bits} after the `/`"),
        ),
    }
}
