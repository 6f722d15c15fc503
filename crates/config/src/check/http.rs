//! `http_get`.

use checkers::probe::is_request_target;
use checkers::{
    BasicAuth, Expectation, Header, HttpGet, HttpMethod, HttpRequest, HttpVersion, Kind, Secret,
    StatusRange, Tls,
};

use super::connect::{authority, connect};
use super::expect::{body, body_limit, content};
use super::tls::{TlsDraft, tls};
use super::{CheckDraft, draft};
use crate::error::Finding;
use crate::leaf;
use crate::reader::{Table, Value};
use crate::source::{At, Place};

const VERSIONS: [(&str, HttpVersion); 3] =
    [("1.0", HttpVersion::Http10), ("1.1", HttpVersion::Http11), ("2", HttpVersion::Http2)];

const METHODS: [(&str, HttpMethod); 5] = [
    ("GET", HttpMethod::Get),
    ("HEAD", HttpMethod::Head),
    ("POST", HttpMethod::Post),
    ("PUT", HttpMethod::Put),
    ("OPTIONS", HttpMethod::Options),
];

/// What each of `urls` has of its own, so that it cannot stand beside `urls`.
const OF_A_URL: [&str; 11] = [
    "path",
    "method",
    "body",
    "status",
    "contains",
    "contains_not",
    "regex",
    "regex_not",
    "md5",
    "sha256",
    "body_limit",
];

/// What the requests of a check have in common.
#[derive(Debug, Clone, Default)]
struct Common {
    host: Option<String>,
    headers: Vec<Header>,
}

pub(super) fn http_get(value: Value<'_>) -> Option<CheckDraft> {
    value.table("`http_get`", |t| {
        let (connect, source) = connect(t);
        let version = t.or("version", HttpVersion::default(), |value| value.choice(&VERSIONS));
        let https = t.optional("https", Value::bool);
        let tls = t.optional("tls", tls);
        let auth = t.optional("auth", auth);
        let common = common(t);
        let first = request(t, common.clone());
        let urls = t.optional("urls", |value| urls(value, &common));

        let version = version?;
        let tls = secured(t, https, tls, &version);
        let requests = match urls {
            None => vec![first?],
            Some(urls) => {
                refuse_beside_urls(t, urls.place);
                urls.value
            }
        };
        let credentials = |header: &Header| header.name.eq_ignore_ascii_case("authorization");
        if let Some(auth) = &auth
            && requests.iter().flat_map(|request| &request.headers).any(credentials)
        {
            let message = "`auth` beside a header `Authorization`";
            let finding = Finding::new(auth.place, message, "the same again");
            t.report.add(finding.help("remove one of the two"));
        }
        let http = HttpGet {
            connect,
            tls,
            version: version.value,
            auth: auth.map(|auth| auth.value),
            requests,
        };
        Some(draft(Kind::Http(http), t.place, source))
    })
}

/// The TLS settings, if TLS is used.
fn secured(
    t: &Table<'_>,
    https: Option<At<bool>>,
    tls: Option<At<TlsDraft>>,
    version: &At<HttpVersion>,
) -> Option<Tls> {
    let tls = match (https, tls) {
        (Some(https), Some(tls)) if !https.value => {
            let finding = Finding::new(tls.place, "`tls` without HTTPS", "has no effect");
            let help = "`tls` alone switches HTTPS on: remove `https = false`";
            t.report.add(finding.related(https.place, "HTTPS is off").help(help));
            return None;
        }
        (_, Some(tls)) => tls.value,
        (Some(https), None) if https.value => return Some(Tls::VERIFIED),
        (_, None) => return None,
    };
    let (is_2, word) = match version.value {
        HttpVersion::Http10 | HttpVersion::Http11 => (false, "1"),
        HttpVersion::Http2 => (true, "2"),
    };
    let other = |name: &String| (name == "h2") != is_2;
    if let (Some(place), Some(name)) = (tls.alpn, tls.settings.alpn.iter().find(|name| other(name)))
    {
        let message = format!("a server that chooses `{name}` does not speak HTTP/{word}");
        let help = "`version` chooses the protocol: remove `alpn`";
        let finding = Finding::new(place, message, "not the protocol of this check");
        t.report.add(finding.related(version.place, "of this version").help(help));
    }
    Some(tls.settings)
}

fn common(t: &mut Table<'_>) -> Common {
    let host = t.optional("host", authority);
    let headers = t.optional("headers", headers);
    Common {
        host: host.map(|host| host.value),
        headers: headers.map_or_else(Vec::new, |headers| headers.value),
    }
}

/// `auth`, of HTTP's basic authentication.
fn auth(value: Value<'_>) -> Option<BasicAuth> {
    value.table("`auth`", |t| {
        let user = t.required("user", |value| {
            let user = leaf::text(value)?;
            if !user.contains(':') {
                return Some(user);
            }
            let help = "the server takes what follows a colon for the password".to_owned();
            value.refuse("a user without a colon is needed", "has a colon", Some(help))
        });
        let password = t.required("password", leaf::text);
        Some(BasicAuth { user: user?.value, password: Secret::new(password?.value) })
    })
}

fn urls(value: Value<'_>, common: &Common) -> Option<Vec<HttpRequest>> {
    if value.is_empty_array() {
        let help = "leave `urls` out for one request".to_owned();
        return value.refuse("`urls` is empty", "nothing to ask for", Some(help));
    }
    let urls = value.list(|value| {
        value.table("a URL", |t| {
            let own = self::common(t);
            let named = |header: &Header, name: &str| header.name.eq_ignore_ascii_case(name);
            let replaced =
                |header: &&Header| own.headers.iter().any(|own| named(own, &header.name));
            let mut headers: Vec<_> =
                common.headers.iter().filter(|header| !replaced(header)).cloned().collect();
            headers.extend(own.headers.iter().cloned());
            request(t, Common { host: own.host.or_else(|| common.host.clone()), headers })
        })
    })?;
    Some(urls.into_iter().map(|url| url.value).collect())
}

fn refuse_beside_urls(t: &mut Table<'_>, urls: Place) {
    for key in OF_A_URL {
        if let Some(value) = t.value(key) {
            let message = format!("`{key}` beside `urls`");
            let finding = Finding::new(value.place, message, "of which request?");
            let help = format!("write `{key}` into the entries of `urls`");
            t.report.add(finding.related(urls, "the requests").help(help));
        }
    }
}

/// The keys of one request, and of the answer to it.
fn request(t: &mut Table<'_>, common: Common) -> Option<HttpRequest> {
    let path = t.or("path", "/".to_owned(), path);
    let method = t.or("method", HttpMethod::default(), |value| value.choice(&METHODS));
    let body = t.optional("body", body);
    let default = vec![At { value: StatusRange::SUCCESS, place: t.place }];
    let status = t.or("status", default, statuses);
    let (content, content_place) = content(t);
    let body_limit = t.or("body_limit", HttpRequest::BODY_LIMIT, body_limit);

    let method = method?;
    if let (Some(body), HttpMethod::Get | HttpMethod::Head) = (&body, method.value) {
        let message = format!("a {} request has no body", method.value.as_str());
        let finding = Finding::new(body.place, message, "is not sent");
        t.report.add(finding.help("write `method = \"POST\"`, or remove `body`"));
    }
    if let (Some(place), HttpMethod::Head) = (content_place, method.value) {
        let finding = Finding::new(place, "the answer to HEAD has no body", "nothing to look at");
        t.report.add(finding.related(method.place, "the method").help("use GET"));
    }
    let (body_limit, status) = (body_limit?, status?);
    let bodiless = |range: &At<StatusRange>| {
        range.value.first == range.value.last && has_no_body(range.value.first)
    };
    if let (Some(place), true) = (content_place, status.value.iter().all(bodiless)) {
        let finding =
            Finding::new(place, "an answer of this status has no body", "nothing to look at");
        let help = "204 and 304 end with the head (RFC 9110 §6.4.1): remove this, or add a status";
        t.report.add(finding.related(status.place, "the status").help(help));
    }
    let longest = content.iter().filter_map(|expectation| match expectation {
        Expectation::Contains(text) => Some(text.len()),
        _ => None,
    });
    if let (Some(place), Some(longest)) = (content_place, longest.max())
        && u64::try_from(longest).is_ok_and(|longest| longest > body_limit.value.into())
    {
        let message = "the text to find is longer than what is read of a body";
        let finding = Finding::new(place, message, "never found");
        t.report.add(finding.related(body_limit.place, "read at most"));
    }
    Some(HttpRequest {
        method: method.value,
        path: path?.value,
        host: common.host,
        headers: common.headers,
        body: body.map(|body| body.value),
        status: status.value.into_iter().map(|range| range.value).collect(),
        content,
        body_limit: body_limit.value,
    })
}

fn has_no_body(status: u16) -> bool {
    status < 200 || status == 204 || status == 304
}

/// Path and query of a request, as RFC 9112 §3.2.1 has them on the wire.
fn path(value: Value<'_>) -> Option<String> {
    let path = value.string()?;
    let help = match path {
        _ if !path.starts_with('/') => "a path starts with `/`",
        _ if path.contains('#') => "a fragment is never sent: remove `#` and what follows",
        _ if !path.bytes().all(|b| b.is_ascii_graphic()) => "encode it, as in `%20` for a blank",
        _ if !is_request_target(path) => "encode it, as in `%3C` for `<`",
        _ => return Some(path.to_owned()),
    };
    value.refuse(format!("`{path}` is no path"), "cannot be requested", Some(help.to_owned()))
}

fn headers(value: Value<'_>) -> Option<Vec<Header>> {
    let mut seen: Vec<(String, Place)> = Vec::new();
    let headers = value.entries()?.into_iter().filter_map(|entry| {
        let name = entry.name.to_ascii_lowercase();
        if let Some((_, first)) = seen.iter().find(|(one, _)| *one == name) {
            let message = format!("`{}` twice among the headers", entry.name);
            let finding = Finding::new(entry.place, message, "the same header again");
            let help = "the case of the letters does not tell headers apart";
            value.report.add(finding.related(*first, "the first").help(help));
        }
        seen.push((name, entry.place));
        // RFC 9110 §5.1 and §5.6.2: a token.
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if entry.name.is_empty() || !entry.name.bytes().all(token) {
            let message = format!("`{}` is no header name", entry.name);
            let label = "expected letters, digits and `-`";
            value.report.add(Finding::new(entry.place, message, label));
        }
        if ["connection", "content-length", "transfer-encoding"]
            .contains(&&*entry.name.to_lowercase())
        {
            let message = format!("`{}` among the headers", entry.name);
            let finding = Finding::new(entry.place, message, "follows from the request");
            value.report.add(finding.help("remove it"));
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
        Some(Header { name: entry.name.to_owned(), value: Secret::new(text) })
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
