//! `http_get`.

use checkers::{Header, HttpGet, Kind, StatusRange};

use super::connect::{connect, host};
use super::tls::{VERIFIED, tls};
use super::{CheckDraft, draft};
use crate::error::Finding;
use crate::reader::Value;
use crate::source::At;

pub(super) fn http_get(value: Value<'_>) -> Option<CheckDraft> {
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
