//! Keys of all checks that make a connection.

use checkers::Connect;

use crate::leaf;
use crate::reader::{Table, Value};
use crate::source::Place;

/// The keys of all kinds that go to a port. Also gives the place of `source`.
pub(super) fn connect(t: &mut Table<'_>) -> (Connect, Option<Place>) {
    keys(t, true)
}

/// The same without `port`.
pub(super) fn connect_to_host(t: &mut Table<'_>) -> (Connect, Option<Place>) {
    keys(t, false)
}

fn keys(t: &mut Table<'_>, with_port: bool) -> (Connect, Option<Place>) {
    let address = t.optional("address", leaf::address);
    let port = match with_port {
        true => t.optional("port", |value| value.integer(1..=65_535, "")),
        false => None,
    };
    let source = t.optional("source", leaf::address);
    let interface = t.optional("interface", leaf::interface);
    let mark = t.optional("mark", |value| value.integer(1..=i64::from(u32::MAX), ""));
    let connect = Connect {
        address: address.map(|address| address.value),
        port: port.map(|port| port.value),
        source: source.map(|source| source.value),
        interface: interface.map(|interface| interface.value),
        mark: mark.map(|mark| mark.value),
    };
    (connect, source.map(|source| source.place))
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
