//! How the adverts travel: from which address, to whom, and in which shape.

use std::net::IpAddr;

use vrrp::packet::TTL;
use vrrp::{Checksum, Family, Version};

use crate::error::Finding;
use crate::leaf;
use crate::reader::{Report, Table, Value};
use crate::source::At;
use crate::unique::Unique;

pub(super) struct Transport {
    pub(super) source: Option<IpAddr>,
    pub(super) peers: Vec<IpAddr>,
    pub(super) min_ttl: u8,
    pub(super) checksum: Checksum,
}

impl Transport {
    /// `family` is that of the virtual addresses, `None` if they are refused.
    pub(super) fn read(
        t: &mut Table<'_>,
        family: Option<Family>,
        version: Option<At<Version>>,
    ) -> Option<Self> {
        let source = t.optional("source_address", |v| host(v, family));
        let peers = t.optional("unicast_peers", |v| v.list(|v| host(v, family)));
        let peers = peers.map_or_else(Vec::new, |peers| peers.value);
        let min_ttl = t.optional("unicast_min_ttl", |v| v.integer(1..=255, ""));
        let checksum = t.optional("checksum", |v| {
            v.choice(&[("pseudo_header", Checksum::PseudoHeader), ("plain", Checksum::Plain)])
        });
        check_peers(source, &peers, t.report);
        if let Some(min_ttl) = min_ttl.filter(|_| peers.is_empty()) {
            let message = "`unicast_min_ttl` without `unicast_peers`";
            let finding = Finding::new(min_ttl.place, message, "has no effect");
            t.report.add(finding.help("a multicast packet always has TTL 255"));
        }
        if let Some(checksum) = checksum {
            let other = match (version.map(|version| version.value), family) {
                (Some(Version::V2), _) => Some("version 2"),
                (_, Some(Family::Ipv6)) => Some("IPv6"),
                _ => None,
            };
            if let Some(other) = other {
                let message = format!("`checksum` with {other}");
                let finding = Finding::new(checksum.place, message, "has no effect");
                t.report.add(finding.help("only version 3 over IPv4 has two ways to compute it"));
            }
        }
        // keepalived sends unicast over IPv6 with the host's own hop limit.
        let default = if family == Some(Family::Ipv6) && !peers.is_empty() { 1 } else { TTL };
        Some(Self {
            source: source.map(|source| source.value),
            peers: peers.into_iter().map(|peer| peer.value).collect(),
            min_ttl: min_ttl.map_or(default, |min_ttl| min_ttl.value),
            checksum: checksum.map_or_else(Checksum::default, |checksum| checksum.value),
        })
    }
}

/// The address of a director.
pub(super) fn host(value: Value<'_>, family: Option<Family>) -> Option<IpAddr> {
    let address = leaf::address(value)?;
    if let Some(what) = leaf::not_a_host(address) {
        return value.refuse(format!("a director cannot be at {address}"), what, None);
    }
    match family.filter(|&family| family != Family::of(address)) {
        None => Some(address),
        Some(family) => {
            let help = format!("adverts travel over the family of `virtual_addresses`: {family}");
            let label = format!("expected {family}");
            value.refuse(format!("{address} is no {family} address"), label, Some(help))
        }
    }
}

fn check_peers(source: Option<At<IpAddr>>, peers: &[At<IpAddr>], report: &Report) {
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
