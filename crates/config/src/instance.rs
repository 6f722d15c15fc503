//! `[vrrp_instance.NAME]`.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use vrrp::{
    Announce, Authentication, Centiseconds, InstanceSpec, Priority, Version, VirtualAddress, Vrid,
};

use crate::error::Finding;
use crate::leaf;
use crate::reader::{Entry, Report, Table, Value};
use crate::source::{At, Place};
use crate::unique::Unique;

/// The packet counts its addresses in one byte (RFC 9568 §5.2.5).
const MOST_ADDRESSES: usize = 255;
/// A label has 15 bytes (`IFNAMSIZ` less the closing NUL).
const LONGEST_LABEL: usize = 15;
const HOUR: Duration = Duration::from_secs(3600);

/// What no two instances share.
#[derive(Default)]
struct Seen {
    vrids: Unique<(String, Vrid)>,
    /// Link-local addresses belong to their interface.
    addresses: Unique<(IpAddr, Option<String>)>,
}

/// Reads all instances.
pub(crate) fn instances(entries: &[Entry<'_>]) -> Vec<InstanceSpec> {
    let mut seen = Seen::default();
    entries.iter().filter_map(|entry| instance(entry, &mut seen)).collect()
}

impl Seen {
    fn add_vrid(&mut self, interface: &str, vrid: At<Vrid>, report: &Report) {
        let At { value: vrid, place } = vrid;
        self.vrids.add((interface.to_owned(), vrid), place, report, || {
            format!("two instances with virtual router identifier {vrid} on {interface}")
        });
    }

    fn add_address(&mut self, address: &At<VirtualAddress>, report: &Report) {
        let At { value: VirtualAddress { address, interface, .. }, place } = address;
        let local = matches!(address, IpAddr::V6(address) if address.is_unicast_link_local());
        let key = (*address, local.then(|| interface.clone()));
        self.addresses
            .add(key, *place, report, || format!("the virtual address {address} is there twice"));
    }
}

fn instance(entry: &Entry<'_>, seen: &mut Seen) -> Option<InstanceSpec> {
    entry.value.table("a VRRP instance", |t| {
        let interface = t.required("interface", leaf::interface);
        let vrid = t.required("virtual_router_id", |v| Vrid::new(v.integer(1..=255, "")?));
        let priority = t.or("priority", Priority::DEFAULT, priority);
        let version = t.or("version", Version::V3, version);
        let advert_interval = advert_interval(t, version);
        let (preempt, preempt_delay) = preemption(t, priority);
        let source = t.optional("source_address", ipv4_host);
        let peers = t.optional("unicast_peers", |v| v.list(ipv4_host));
        let peers = peers.map_or_else(Vec::new, |peers| peers.value);
        let authentication = authentication(t, version);
        let device = interface.as_ref().map(|interface| interface.value.as_str());
        let addresses = t.required("virtual_addresses", |v| virtual_addresses(v, device));
        let announce = t.or("announce", Announce::default(), announce);

        check_peers(source, &peers, t.report);
        if let (Some(device), Some(vrid)) = (device, vrid) {
            seen.add_vrid(device, vrid, t.report);
        }
        let addresses = addresses?.value;
        for address in &addresses {
            seen.add_address(address, t.report);
        }
        Some(InstanceSpec {
            name: entry.name.to_owned(),
            interface: interface?.value,
            vrid: vrid?.value,
            priority: priority?.value,
            version: version?.value,
            advert_interval: advert_interval?,
            preempt: preempt?,
            preempt_delay: preempt_delay?,
            source: source.map(|source| source.value),
            unicast_peers: peers.into_iter().map(|peer| peer.value).collect(),
            authentication: authentication.map(|at| at.value),
            addresses: addresses.into_iter().map(|address| address.value).collect(),
            announce: announce?.value,
            track: Vec::new(),
            group: None,
        })
    })
}

fn priority(value: Value<'_>) -> Option<Priority> {
    Priority::new(value.integer(1..=255, " (255 is the owner of the addresses)")?)
}

fn version(value: Value<'_>) -> Option<Version> {
    match value.integer(2..=3, "")? {
        2_u8 => Some(Version::V2),
        _ => Some(Version::V3),
    }
}

/// `advert_interval`, in the unit and the range of the version.
fn advert_interval(t: &mut Table<'_>, version: Option<At<Version>>) -> Option<Centiseconds> {
    let whole = leaf::duration(Duration::ZERO..=HOUR);
    let default = Centiseconds::SECOND.duration();
    let interval = t.or("advert_interval", default, whole)?;
    let version = version?;
    let (name, unit, longest) = match version.value {
        Version::V2 => (2, Centiseconds::SECOND, Centiseconds::MAX_V2),
        Version::V3 => (3, Centiseconds::new(1), Centiseconds::MAX_V3),
    };
    let (unit, longest) = (unit.duration(), longest.duration());
    let fits = (unit..=longest).contains(&interval.value)
        && interval.value.as_millis().is_multiple_of(unit.as_millis());
    if !fits {
        let (unit, longest) = (leaf::show_duration(unit), leaf::show_duration(longest));
        let message = format!("version {name} cannot have this `advert_interval`");
        let label = format!("expected {unit} to {longest} in steps of {unit}");
        t.report.add(Finding::new(interval.place, message, label));
        return None;
    }
    u16::try_from(interval.value.as_millis() / 10).ok().map(Centiseconds::new)
}

/// `preempt` and `preempt_delay`.
fn preemption(
    t: &mut Table<'_>,
    priority: Option<At<Priority>>,
) -> (Option<bool>, Option<Duration>) {
    let preempt = t.or("preempt", true, Value::bool);
    let delay = t.or("preempt_delay", Duration::ZERO, leaf::duration(Duration::ZERO..=HOUR));
    let waits = delay.filter(|delay| delay.value != Duration::ZERO);
    let refuse = |place, message: &str, (other, label): (Place, &str), help: &str| {
        let finding = Finding::new(place, message, "has no effect");
        t.report.add(finding.related(other, label).help(help));
    };
    if let (Some(preempt), Some(delay)) = (preempt.filter(|on| !on.value), waits) {
        let message = "`preempt_delay` without preemption";
        let help = "remove `preempt_delay`, or remove `preempt = false`";
        refuse(delay.place, message, (preempt.place, "no preemption"), help);
    }
    if let Some(priority) = priority.filter(|priority| priority.value == Priority::OWNER) {
        let owner = (priority.place, "the owner");
        let help = "255 says that this host owns the addresses and takes them at once; a \
                    director has 1 to 254";
        if let Some(preempt) = preempt.filter(|on| !on.value) {
            refuse(preempt.place, "`preempt = false` with priority 255", owner, help);
        }
        if let Some(delay) = waits {
            refuse(delay.place, "`preempt_delay` with priority 255", owner, help);
        }
    }
    (preempt.map(|at| at.value), delay.map(|at| at.value))
}

/// `authentication`, which only version 2 has.
fn authentication(t: &mut Table<'_>, version: Option<At<Version>>) -> Option<At<Authentication>> {
    let written = t.value("authentication").map(|value| value.place);
    if let (Some(place), Some(version)) = (written, version)
        && version.value == Version::V3
    {
        let finding = Finding::new(place, "`authentication` with version 3", "has no effect");
        let help = "RFC 9568 has no authentication: remove it, or write `version = 2`";
        let label = if version.place == t.place { "version 3, the default" } else { "version 3" };
        t.report.add(finding.related(version.place, label).help(help));
    }
    t.optional("authentication", |v| {
        v.table("`authentication`", |t| {
            let kind = t.required("type", |v| match v.string()? {
                "pass" => Some(()),
                "ah" => {
                    let help = "RFC 3768 removed it; write `type = \"pass\"`".to_owned();
                    v.refuse("`type` cannot be `ah`", "not supported", Some(help))
                }
                _ => v.choice(&[("pass", ())]),
            });
            let password = t.required("password", password);
            kind?;
            Some(Authentication::Pass(password?.value))
        })
    })
}

/// Up to eight bytes. No error shows them.
fn password(value: Value<'_>) -> Option<[u8; 8]> {
    let text = value.string()?;
    if text.is_empty() {
        return value.refuse("the password is empty", "expected 1 to 8 bytes", None);
    }
    let mut password = [0; 8];
    let Some(used) = password.get_mut(..text.len()) else {
        let message = format!("the password has {} bytes", text.len());
        let help = "a packet holds 8 bytes; keepalived uses the first 8 of a longer password";
        return value.refuse(message, "expected 1 to 8 bytes", Some(help.to_owned()));
    };
    used.copy_from_slice(text.as_bytes());
    Some(password)
}

/// The address of a director.
fn ipv4_host(value: Value<'_>) -> Option<Ipv4Addr> {
    let refuse = |message: String, label: &str| value.refuse(message, label, None);
    match leaf::address(value)? {
        IpAddr::V6(address) => refuse(format!("{address} is no IPv4 address"), "expected IPv4"),
        IpAddr::V4(address) => match leaf::not_a_host(address.into()) {
            Some(what) => refuse(format!("a director cannot be at {address}"), what),
            None => Some(address),
        },
    }
}

fn check_peers(source: Option<At<Ipv4Addr>>, peers: &[At<Ipv4Addr>], report: &Report) {
    let mut seen = Unique::default();
    for peer in peers {
        if let Some(source) = source.filter(|source| source.value == peer.value) {
            let message = format!("the peer {} is this director itself", peer.value);
            let finding = Finding::new(peer.place, message, "equal to `source_address`");
            let help = "`unicast_peers` are the other directors";
            report.add(finding.related(source.place, "this director").help(help));
        }
        let message = || format!("the peer {} is there twice", peer.value);
        seen.add(peer.value, peer.place, report, message);
    }
}

/// `virtual_addresses`; `device` is the instance's interface, `None` if it is refused.
fn virtual_addresses(value: Value<'_>, device: Option<&str>) -> Option<Vec<At<VirtualAddress>>> {
    if value.is_empty_array() {
        let label = "expected at least one address";
        return value.refuse("`virtual_addresses` is empty", label, None);
    }
    let addresses = value.list(|v| virtual_address(v, device))?;
    let ipv4 = addresses.iter().filter(|address| address.value.address.is_ipv4()).count();
    if ipv4 == 0 && !addresses.is_empty() {
        let help = "VRRP over IPv6 is not there yet; IPv6 addresses can accompany an IPv4 one";
        let label = "expected at least one IPv4 address";
        return value.refuse("no IPv4 address in the instance", label, Some(help.to_owned()));
    }
    if ipv4 > MOST_ADDRESSES {
        let message = format!("{ipv4} IPv4 addresses in one instance");
        let label = format!("a packet holds {MOST_ADDRESSES}");
        return value.refuse(message, label, None);
    }
    Some(addresses)
}

/// `"192.0.2.10/24"`, or a table with that under `address`.
fn virtual_address(value: Value<'_>, device: Option<&str>) -> Option<VirtualAddress> {
    let device = device.unwrap_or_default();
    if !value.is_table() {
        let (address, prefix) = address_with_prefix(value)?;
        return Some(VirtualAddress { address, prefix, interface: device.to_owned(), label: None });
    }
    value.table("a virtual address", |t| {
        let address = t.required("address", address_with_prefix);
        let interface = t.or("interface", device.to_owned(), leaf::interface);
        let label = t.optional("label", leaf::text);

        let interface = interface?.value;
        if let Some(label) = &label {
            check_label(label, &interface, address.as_ref(), t.report);
        }
        let (address, prefix) = address?.value;
        let label = label.map(|label| label.value);
        Some(VirtualAddress { address, prefix, interface, label })
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

fn announce(value: Value<'_>) -> Option<Announce> {
    value.table("`announce`", |t| {
        let default = Announce::default();
        let day = Duration::ZERO..=24 * HOUR;
        let repeat = t.or("repeat", default.repeat, |v| v.integer(1..=255, " packets"));
        let delay = t.or("delay", default.delay, leaf::duration(day.clone()));
        let refresh = t.or("refresh", default.refresh, leaf::duration(day));
        Some(Announce { repeat: repeat?.value, delay: delay?.value, refresh: refresh?.value })
    })
}
