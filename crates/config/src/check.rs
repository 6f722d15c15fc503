//! The entries of `checks`.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use checkers::{
    Check, Connect, Header, HttpGet, Kind, MiscCheck, StatusRange, TcpCheck, Timing, Tls,
};

use crate::error::Finding;
use crate::leaf;
use crate::model::Script;
use crate::reader::{Report, Table, Value};
use crate::script::program;
use crate::source::{At, Place};

const KINDS: &str = "`tcp_check`, `http_get` or `misc_check`";

const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(86_400);

/// A check that is yet to be compared with its real server.
#[derive(Debug, Clone)]
pub(crate) struct CheckDraft {
    pub(crate) check: Check,
    /// The kind's table.
    place: Place,
    /// `source`, if it is written.
    source: Option<Place>,
}

/// Reads one entry of `checks`.
pub(crate) fn check(value: Value<'_>) -> Option<CheckDraft> {
    value.table("a check", |t| {
        let timing = timing(t);
        let tcp = t.optional("tcp_check", tcp_check);
        let http = t.optional("http_get", http_get);
        let misc = t.optional("misc_check", misc_check);
        let mut kinds = ["tcp_check", "http_get", "misc_check"]
            .into_iter()
            .filter_map(|key| Some((key, t.value(key)?.place)));
        match (kinds.next(), kinds.next()) {
            // A kind that is not known is an error already.
            (None, _) if t.unknown().next().is_some() => None,
            (None, _) => {
                let finding = Finding::new(t.place, "a check without a kind", "no kind");
                t.report.add(finding.help(format!("add one of {KINDS}")));
                None
            }
            (Some((first, first_place)), Some((second, place))) => {
                let message = format!("a check has one kind, not both `{first}` and `{second}`");
                let finding = Finding::new(place, message, "a second kind");
                let help = "write a further `[[...checks]]` entry: a server is up while all pass";
                t.report.add(finding.related(first_place, "the first").help(help));
                None
            }
            (Some(_), None) => {
                let At { value: mut draft, place } = tcp.or(http).or(misc)?;
                draft.place = place;
                draft.check.timing = timing?;
                Some(draft)
            }
        }
    })
}

fn timing(t: &mut Table<'_>) -> Option<Timing> {
    let default = Timing::default();
    let interval = t.or("interval", default.interval, leaf::duration(SHORTEST..=LONGEST));
    let timeout = t.optional("timeout", leaf::duration(SHORTEST..=LONGEST));
    let count = |value: Value<'_>| value.integer(1..=i64::from(u32::MAX), "");
    let rise = t.or("rise", default.rise, count);
    let fall = t.or("fall", default.fall, count);
    let percent = |value: Value<'_>| value.integer(0..=50, ", in per cent of the interval");
    let jitter_percent = t.or("jitter", default.jitter_percent, percent);

    let interval = interval?;
    if let Some(timeout) = timeout.filter(|timeout| timeout.value > interval.value) {
        let (long, short) = (timeout.value, interval.value);
        let (long, short) = (leaf::show_duration(long), leaf::show_duration(short));
        let message = format!("a timeout of {long} is longer than the interval of {short}");
        let finding = Finding::new(timeout.place, message, "longer than the interval");
        let help =
            "a run ends before the next one starts: shorten `timeout` or lengthen `interval`";
        t.report.add(finding.related(interval.place, "the interval").help(help));
    }
    Some(Timing {
        interval: interval.value,
        timeout: timeout
            .map_or_else(|| default.timeout.min(interval.value), |timeout| timeout.value),
        rise: rise?.value,
        fall: fall?.value,
        jitter_percent: jitter_percent?.value,
    })
}

/// The keys that `tcp_check` and `http_get` share. Also gives the place of `source`.
fn connect(t: &mut Table<'_>) -> (Connect, Option<Place>) {
    let address = t.optional("address", leaf::address);
    let port = t.optional("port", |value| value.integer(1..=65_535, ""));
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

fn draft(kind: Kind, place: Place, source: Option<Place>) -> CheckDraft {
    CheckDraft { check: Check { kind, timing: Timing::default() }, place, source }
}

fn tcp_check(value: Value<'_>) -> Option<CheckDraft> {
    value.table("`tcp_check`", |t| {
        let (connect, source) = connect(t);
        Some(draft(Kind::Tcp(TcpCheck { connect }), t.place, source))
    })
}

fn http_get(value: Value<'_>) -> Option<CheckDraft> {
    value.table("`http_get`", |t| {
        let (connect, source) = connect(t);
        let path = t.or("path", "/".to_owned(), path);
        let host = t.optional("host", host);
        let headers = t.optional("headers", headers);
        let default = vec![At { value: StatusRange::SUCCESS, place: t.place }];
        let status = t.or("status", default, statuses);
        let https = t.optional("https", Value::bool);
        let tls = t.optional("tls", tls);

        let tls = match (https, tls) {
            (Some(https), Some(tls)) if !https.value => {
                let finding = Finding::new(tls.place, "`tls` without HTTPS", "has no effect");
                let help = "`tls` alone switches HTTPS on: remove `https = false`";
                t.report.add(finding.related(https.place, "HTTPS is off").help(help));
                None
            }
            (_, Some(tls)) => Some(tls.value),
            (Some(https), None) if https.value => Some(VERIFIED),
            (_, None) => None,
        };
        let http = HttpGet {
            connect,
            tls,
            path: path?.value,
            host: host.map(|host| host.value),
            headers: headers.map_or_else(Vec::new, |headers| headers.value),
            status: status?.value.into_iter().map(|range| range.value).collect(),
        };
        Some(draft(Kind::Http(http), t.place, source))
    })
}

const VERIFIED: Tls = Tls { verify: true, server_name: None, ca_file: None };

fn tls(value: Value<'_>) -> Option<Tls> {
    value.table("`tls`", |t| {
        let verify = t.or("verify", VERIFIED.verify, Value::bool);
        let server_name = t.optional("server_name", host);
        let ca_file = t.optional("ca_file", leaf::absolute_path);
        let verify = verify?;
        if let Some(ca_file) = ca_file.as_ref().filter(|_| !verify.value) {
            let finding =
                Finding::new(ca_file.place, "`ca_file` without `verify`", "has no effect");
            let help = "remove `ca_file`, or remove `verify = false`";
            t.report.add(finding.related(verify.place, "nothing is verified").help(help));
        }
        Some(Tls {
            verify: verify.value,
            server_name: server_name.map(|name| name.value),
            ca_file: ca_file.map(|file| file.value),
        })
    })
}

/// Path and query of a request, as RFC 9112 §3.2.1 has them on the wire.
fn path(value: Value<'_>) -> Option<String> {
    let path = value.string()?;
    let help = match path {
        _ if !path.starts_with('/') => "a path starts with `/`",
        _ if path.contains('#') => "a fragment is never sent: remove `#` and what follows",
        _ if !path.bytes().all(|b| b.is_ascii_graphic()) => "encode it, as in `%20` for a blank",
        _ => return Some(path.to_owned()),
    };
    value.refuse(format!("`{path}` is no path"), "cannot be requested", Some(help.to_owned()))
}

/// A host name or address, with a port or without.
fn host(value: Value<'_>) -> Option<String> {
    let host = value.string()?;
    let valid = |b: u8| b.is_ascii_alphanumeric() || b"-_.:[]%".contains(&b);
    if !host.is_empty() && host.bytes().all(valid) {
        return Some(host.to_owned());
    }
    let help = host.contains("//").then(|| "write the host alone, without `http://`".to_owned());
    value.refuse(format!("`{}` is no host", value.key), "expected a host name or address", help)
}

fn headers(value: Value<'_>) -> Option<Vec<Header>> {
    let headers = value.entries()?.into_iter().filter_map(|entry| {
        // RFC 9110 §5.1 and §5.6.2: a token.
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if entry.name.is_empty() || !entry.name.bytes().all(token) {
            let message = format!("`{}` is no header name", entry.name);
            let label = "expected letters, digits and `-`";
            value.report.add(Finding::new(entry.place, message, label));
        }
        if entry.name.eq_ignore_ascii_case("host") {
            let finding = Finding::new(entry.place, "`Host` among the headers", "not here");
            value.report.add(finding.help("write `host = \"...\"` beside `headers`"));
        }
        let text = entry.value.string()?;
        if !text.bytes().all(|b| b.is_ascii_graphic() || b == b' ') {
            let message = format!("the value of `{}` cannot be sent", entry.name);
            return entry.value.refuse(message, "expected visible ASCII and blanks", None);
        }
        Some(Header { name: entry.name.to_owned(), value: text.to_owned() })
    });
    Some(headers.collect())
}

fn statuses(value: Value<'_>) -> Option<Vec<At<StatusRange>>> {
    if value.is_empty_array() {
        let help = "leave `status` out for 200 to 299".to_owned();
        return value.refuse("`status` is empty", "no answer could pass", Some(help));
    }
    value.list(status)
}

/// `200`, `"200"` or `"200-299"`.
fn status(value: Value<'_>) -> Option<StatusRange> {
    if value.is_integer() {
        let status = value.integer(100..=599, "")?;
        return Some(StatusRange { first: status, last: status });
    }
    let Some(text) = value.as_str() else {
        return value.wrong_type("a status such as 200 or \"200-299\"", None);
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| text.parse().ok().filter(|status| (100..=599).contains(status));
    match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => Some(StatusRange { first, last }),
        (Some(first), Some(last)) => {
            let help = Some(format!("write \"{last}-{first}\""));
            value.refuse(format!("`{text}` is an empty range"), "no answer could pass", help)
        }
        _ => value.refuse(
            format!("`{text}` is no status"),
            "expected 100 to 599, or a range such as \"200-299\"",
            None,
        ),
    }
}

fn misc_check(value: Value<'_>) -> Option<CheckDraft> {
    value.table("`misc_check`", |t| {
        let Script { command, user } = program(t)?;
        Some(draft(Kind::Misc(MiscCheck { command, user }), t.place, None))
    })
}

impl CheckDraft {
    /// The check, once it is sure that it can be done for `server`.
    pub(crate) fn resolve(&self, server: &At<SocketAddr>, report: &Report) -> Check {
        let connect = match &self.check.kind {
            Kind::Tcp(tcp) => Some(&tcp.connect),
            Kind::Http(http) => Some(&http.connect),
            Kind::Misc(_) => None,
        };
        if let Some(connect) = connect {
            let destination = connect.destination(server.value);
            if destination.port() == 0 {
                let message = format!("`{}` has no port to connect to", self.check.kind.name());
                let finding = Finding::new(self.place, message, "`port` is missing");
                let help = "add `port`, for the real server's port is 0";
                report.add(finding.related(server.place, "no port here").help(help));
            }
            let other_family = |source: IpAddr| source.is_ipv4() != destination.is_ipv4();
            if let (Some(source), Some(place)) = (connect.source, self.source)
                && other_family(source)
            {
                let message = format!("no connection from {source} to {}", destination.ip());
                let finding = Finding::new(place, message, "not of the same address family");
                report.add(finding.related(server.place, "the real server"));
            }
        }
        self.check.clone()
    }
}
