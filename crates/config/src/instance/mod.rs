//! `[vrrp_instance.NAME]`.

mod addresses;
mod heartbeats;
mod routing;
mod transport;
mod vmac;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use vrrp::{
    Announce, Authentication, Centiseconds, Family, InstanceSpec, OnSilentMaster, Priority,
    Version, VirtualAddress, Vrid,
};

use self::addresses::{Addresses, Device};
use self::transport::Transport;
use self::vmac::vmac;

use crate::error::Finding;
use crate::leaf;
use crate::model::Notify;
use crate::notify;
use crate::reader::{Entry, Report, Table, Value};
use crate::source::{At, Place};
use crate::sync_group::InstanceDraft;
use crate::track::{Known, check_owner, track};
use crate::unique::Unique;

const HOUR: Duration = Duration::from_secs(3600);

/// What no two instances share.
#[derive(Default)]
struct Seen {
    vrids: Unique<(String, Vrid, Option<Family>)>,
    vmacs: Unique<String>,
    routing: routing::Seen,
    /// Link-local addresses belong to their interface.
    addresses: Unique<(IpAddr, Option<String>)>,
}

/// Reads all instances, and the `notify` of each.
pub(crate) fn instances(
    entries: &[Entry<'_>],
    known: &Known<'_>,
) -> (Vec<InstanceDraft>, BTreeMap<String, Notify>) {
    let mut seen = Seen::default();
    let mut all = BTreeMap::new();
    let drafts = entries.iter().filter_map(|entry| {
        let (draft, notify) = instance(entry, &mut seen, known)?;
        all.extend(notify.map(|notify| (entry.name.to_owned(), notify)));
        Some(draft)
    });
    (drafts.collect(), all)
}

impl Seen {
    fn add_vrid(
        &mut self,
        interface: &str,
        vrid: At<Vrid>,
        family: Option<Family>,
        report: &Report,
    ) {
        let At { value: vrid, place } = vrid;
        self.vrids.add((interface.to_owned(), vrid, family), place, report, || {
            format!("two instances with virtual router identifier {vrid} on {interface}")
        });
    }

    fn add_vmac(&mut self, vmac: &At<String>, report: &Report) {
        let message = || {
            format!("two instances whose virtual MAC is on `{}`: name `vmac_interface`", vmac.value)
        };
        self.vmacs.add(vmac.value.clone(), vmac.place, report, message);
    }

    fn add_address(&mut self, address: &At<VirtualAddress>, report: &Report) {
        let At { value: VirtualAddress { address, interface, .. }, place } = address;
        let local = matches!(address, IpAddr::V6(address) if address.is_unicast_link_local());
        let key = (*address, local.then(|| interface.clone()));
        self.addresses
            .add(key, *place, report, || format!("the virtual address {address} is there twice"));
    }
}

fn instance(
    entry: &Entry<'_>,
    seen: &mut Seen,
    known: &Known<'_>,
) -> Option<(InstanceDraft, Option<Notify>)> {
    entry.value.table("a VRRP instance", |t| {
        let interface = t.required("interface", leaf::interface);
        let vrid = t.required("virtual_router_id", |v| Vrid::new(v.integer(1..=255, "")?));
        let priority = t.or("priority", Priority::DEFAULT, priority);
        let version = t.or("version", Version::V3, version);
        let advert_interval = advert_interval(t, version);
        let (preempt, preempt_delay) = preemption(t, priority);
        let start_delay =
            t.or("start_delay", Duration::ZERO, leaf::duration(Duration::ZERO..=HOUR));
        let authentication = authentication(t, version);
        let device = interface.as_ref().map(|interface| interface.value.as_str());
        let vmac = vmac(t, interface.as_ref(), vrid);
        let place = vmac.as_ref().map(|vmac| vmac.value.as_str()).or(device);
        let place = Device { name: place, is_vmac: vmac.is_some() };
        let addresses = Addresses::read(t, place, version);
        let family = addresses.as_ref().map(Addresses::family);
        let accept = accept(t, priority);
        let routing = routing::read(t, addresses.as_ref(), accept, &mut seen.routing);
        let transport = Transport::read(t, family, version);
        let announce = t.or("announce", Announce::default(), announce);
        let heartbeats = heartbeats::read(t, interface.as_ref(), family);
        let on_silent_master = t.or("on_silent_master", OnSilentMaster::default(), |v| {
            v.choice(&[("takeover", OnSilentMaster::TakeOver), ("hold", OnSilentMaster::Hold)])
        });
        let tracks = t.optional("track", |v| track(v, known));
        let tracks = tracks.map_or_else(Vec::new, |tracks| tracks.value);
        let notify = t.optional("notify", notify::of_instance).map(|notify| notify.value);

        if let (Some(device), Some(vrid)) = (device, vrid) {
            seen.add_vrid(device, vrid, family, t.report);
        }
        if let Some(vmac) = &vmac {
            seen.add_vmac(vmac, t.report);
        }
        let addresses = addresses?;
        for address in addresses.all() {
            seen.add_address(address, t.report);
        }
        let transport = transport?;
        let priority = priority?;
        if priority.value == Priority::OWNER {
            check_owner(&tracks, priority.place, t.report);
        }
        let spec = InstanceSpec {
            name: entry.name.to_owned(),
            interface: interface?.value,
            vrid: vrid?.value,
            priority: priority.value,
            version: version?.value,
            advert_interval: advert_interval?,
            preempt: preempt?,
            preempt_delay: preempt_delay?,
            start_delay: start_delay?.value,
            source: transport.source,
            unicast_peers: transport.peers,
            min_ttl: transport.min_ttl,
            checksum: transport.checksum,
            authentication: authentication.map(|at| at.value),
            addresses: addresses.in_packets(),
            excluded_addresses: addresses.excluded(),
            routing,
            accept: accept?.value,
            vmac: vmac.map(|vmac| vmac.value),
            announce: announce?.value,
            heartbeats,
            on_silent_master: on_silent_master?.value,
            track: tracks.iter().map(|track| track.value.clone()).collect(),
            group: None,
        };
        Some((InstanceDraft { spec, priority: priority.place, tracks }, notify))
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

/// `accept`.
fn accept(t: &mut Table<'_>, priority: Option<At<Priority>>) -> Option<At<bool>> {
    let accept = t.or("accept", true, Value::bool)?;
    if let Some(priority) = priority.filter(|at| at.value == Priority::OWNER && !accept.value) {
        let message = "`accept = false` with priority 255";
        let finding = Finding::new(accept.place, message, "has no effect");
        let help = "255 says that this host owns the addresses, and an owner takes in what is sent \
                    to them; a director has 1 to 254";
        t.report.add(finding.related(priority.place, "the owner").help(help));
    }
    Some(accept)
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
