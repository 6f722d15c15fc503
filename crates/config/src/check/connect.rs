//! Keys of all checks that make a connection.

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
