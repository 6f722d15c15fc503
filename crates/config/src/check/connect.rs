//! Keys of all checks that make a connection.

use std::net::Ipv6Addr;

use checkers::probe::tls::is_server_name;
use checkers::{Connect, Via};

use crate::error::Finding;
use crate::leaf;
use crate::reader::{Table, Value};
use crate::source::{At, Place};

/// Where keys are written that are compared with the real server later.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Places {
    /// `source`, if it is written.
    pub(super) source: Option<Place>,
    /// `via = "vip"`, if it is written.
    pub(super) via: Option<Place>,
}

/// The keys of all kinds that go to a port.
pub(super) fn connect(t: &mut Table<'_>) -> (Connect, Places) {
    let (mut connect, mut places) = connect_to_host(t);
    connect.port = t.optional("port", |v| v.integer(1..=65_535, "")).map(|port| port.value);
    let ways = [("server", Via::Server), ("vip", Via::VirtualAddress)];
    let via = t.optional("via", |v| v.choice(&ways));
    if let Some(At { value: Via::VirtualAddress, place }) = via {
        connect.via = Via::VirtualAddress;
        places.via = Some(place);
        for key in ["address", "interface", "mark"] {
            let Some(at) = t.value(key).map(|value| value.place) else { continue };
            let message = format!("`{key}` beside `via = \"vip\"`");
            let finding = Finding::new(at, message, "is given by the way");
            let help = format!("remove `{key}`, or `via`");
            t.report.add(finding.related(place, "to the virtual address").help(help));
        }
    }
    (connect, places)
}

/// The same without `port` and `via`: IPVS sends no ICMP on by its mark.
pub(super) fn connect_to_host(t: &mut Table<'_>) -> (Connect, Places) {
    let address = t.optional("address", leaf::address);
    let source = t.optional("source", leaf::address);
    let interface = t.optional("interface", leaf::interface);
    let mark = t.optional("mark", |value| value.integer(1..=i64::from(u32::MAX), ""));
    let connect = Connect {
        address: address.map(|address| address.value),
        source: source.map(|source| source.value),
        interface: interface.map(|interface| interface.value),
        mark: mark.map(|mark| mark.value),
        ..Connect::default()
    };
    (connect, Places { source: source.map(|source| source.place), via: None })
}

/// A host name or address, with a port or without.
pub(super) fn host(value: Value<'_>) -> Option<String> {
    let host = value.string()?;
    let valid = |b: u8| b.is_ascii_alphanumeric() || b"-_.:[]%".contains(&b);
    if !host.is_empty() && host.bytes().all(valid) {
        return Some(host.to_owned());
    }
    let help = host.contains("//").then(|| "write the host alone, without `http://`".to_owned());
    value.refuse(format!("`{}` is no host", value.key), "expected a host name or address", help)
}

/// The same, as a request has it: an IPv6 address in brackets, and a name that TLS can ask for.
pub(super) fn authority(value: Value<'_>) -> Option<String> {
    let host = host(value)?;
    if is_authority(&host) {
        return Some(host);
    }
    let help = host.parse::<Ipv6Addr>().ok().map(|address| format!("write \"[{address}]\""));
    let label = "expected a host name or address, with a port or without";
    value.refuse(format!("`{host}` cannot be asked for"), label, help)
}

fn is_authority(host: &str) -> bool {
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let (is_name, port) = match bracketed {
        Some((address, "")) => (address.parse::<Ipv6Addr>().is_ok(), "0"),
        Some((address, rest)) => {
            (address.parse::<Ipv6Addr>().is_ok(), rest.strip_prefix(':').unwrap_or_default())
        }
        None => {
            let (name, port) = host.split_once(':').unwrap_or((host, "0"));
            (is_server_name(name), port)
        }
    };
    is_name && port.parse::<u16>().is_ok()
}

/// A host name or address, without a port.
pub(super) fn server_name(value: Value<'_>) -> Option<String> {
    let name = host(value)?;
    if is_server_name(&name) {
        return Some(name);
    }
    let label = "expected a host name or address, without a port and brackets";
    value.refuse(format!("`{name}` is no server name"), label, None)
}
