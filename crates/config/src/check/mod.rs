//! The entries of `checks`.

mod agent;
mod connect;
mod dns;
mod expect;
mod file;
mod grpc;
mod http;
mod misc;
mod path;
mod ping;
mod smtp;
mod tcp;
mod timing;
mod tls;
mod udp;

use std::net::{IpAddr, SocketAddr};

pub(crate) use timing::timeout_fits;

use checkers::{Check, Kind, Timing};
use ipvs::Destination;

use self::connect::Places;

use crate::error::Finding;
use crate::reader::{Report, Value};
use crate::real_server::Inherited;
use crate::source::{At, Place};

/// Reads the table of one kind.
type Reader = fn(Value<'_>) -> Option<CheckDraft>;

/// The keys of the kinds, and who reads them.
const KINDS: [(&str, Reader); 10] = [
    ("tcp_check", tcp::tcp_check),
    ("http_get", http::http_get),
    ("misc_check", misc::misc_check),
    ("dns_check", dns::dns_check),
    ("udp_check", udp::udp_check),
    ("ping_check", ping::ping_check),
    ("smtp_check", smtp::smtp_check),
    ("file_check", file::file_check),
    ("agent_check", agent::agent_check),
    ("grpc_check", grpc::grpc_check),
];

/// A check that is yet to be compared with its real server.
#[derive(Debug, Clone)]
pub(crate) struct CheckDraft {
    pub(crate) check: Check,
    /// The kind's table.
    place: Place,
    places: Places,
}

/// Reads one entry of `checks`.
pub(crate) fn check(value: Value<'_>) -> Option<CheckDraft> {
    value.table("a check", |t| {
        let timing = timing::timing(t);
        let drafts = KINDS.map(|(key, read)| (key, t.optional(key, read)));
        let mut kinds = drafts.into_iter().filter_map(|(key, draft)| {
            let place = t.value(key)?.place;
            Some((key, place, draft))
        });
        match (kinds.next(), kinds.next()) {
            // A kind that is not known is an error already.
            (None, _) if t.unknown().next().is_some() => None,
            (None, _) => {
                let finding = Finding::new(t.place, "a check without a kind", "no kind");
                t.report.add(finding.help(format!("add one of {}", kinds_in_words())));
                None
            }
            (Some((first, first_place, _)), Some((second, place, _))) => {
                let message = format!("a check has one kind, not both `{first}` and `{second}`");
                let finding = Finding::new(place, message, "a second kind");
                let help = "write a further `[[...checks]]` entry: a server is up while all pass";
                t.report.add(finding.related(first_place, "the first").help(help));
                None
            }
            (Some((_, _, draft)), None) => {
                let At { value: mut draft, place } = draft?;
                draft.place = place;
                draft.check.timing = timing?;
                ping::in_time(&draft, t.report);
                Some(draft)
            }
        }
    })
}

/// "`a`, `b` or `c`".
fn kinds_in_words() -> String {
    let names = KINDS.map(|(key, _)| format!("`{key}`"));
    let [first @ .., last] = &names;
    format!("{} or {last}", first.join(", "))
}

fn draft(kind: Kind, place: Place, places: Places) -> CheckDraft {
    CheckDraft { check: Check { kind, timing: Timing::default() }, place, places }
}

impl CheckDraft {
    /// The check of `server` in the virtual server of that name, once it is sure that it can be
    /// done.
    pub(crate) fn resolve(
        &self,
        server: &At<SocketAddr>,
        virtual_server: &Inherited<'_>,
        destination: Option<&Destination>,
        report: &Report,
    ) -> Check {
        if let Some(connect) = self.check.kind.connect() {
            let destination = connect.destination(server.value);
            if destination.port() == 0 && self.check.kind.needs_port() {
                let message = format!("`{}` has no port to connect to", self.check.kind.name());
                let finding = Finding::new(self.place, message, "`port` is missing");
                let help = "add `port`, for the real server's port is 0";
                report.add(finding.related(server.place, "no port here").help(help));
            }
            let other_family = |source: IpAddr| source.is_ipv4() != destination.is_ipv4();
            if let (Some(source), Some(place)) = (connect.source, self.places.source)
                && other_family(source)
            {
                let message = format!("no connection from {source} to {}", destination.ip());
                let finding = Finding::new(place, message, "not of the same address family");
                report.add(finding.related(server.place, "the real server"));
            }
        }
        let mut check = self.check.clone();
        if let Kind::Misc(misc) = &mut check.kind {
            virtual_server.name.clone_into(&mut misc.virtual_server);
            misc.weight = destination.map_or(0, |destination| destination.weight.get());
        }
        if let (Some(place), Some(keys), Some(destination), Some(connect)) =
            (self.places.via, virtual_server.keys, destination, check.kind.connect_mut())
        {
            connect.address = path::virtual_address(place, keys, destination, report);
        }
        check
    }
}
