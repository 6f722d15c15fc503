//! The request of an `http_get`.

use std::net::{IpAddr, SocketAddr};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Uri, Version};

use crate::probe::Stop;
use crate::spec::{BasicAuth, HttpGet, HttpMethod, HttpRequest, HttpVersion};

/// The request to the server at `address`. What cannot be sent is a fault of the configuration,
/// not of the server.
pub(super) fn build(
    address: SocketAddr,
    check: &HttpGet,
    wanted: &HttpRequest,
) -> Result<Request<Full<Bytes>>, Stop> {
    let default = || authority(address, check.tls.is_some());
    let host = wanted.host.clone().unwrap_or_else(default);
    let uri = match check.version {
        HttpVersion::Http10 | HttpVersion::Http11 => wanted.path.clone(),
        HttpVersion::Http2 => {
            let scheme = if check.tls.is_some() { "https" } else { "http" };
            format!("{scheme}://{host}{}", wanted.path)
        }
    };
    let body = wanted.body.clone().map_or_else(Bytes::new, Bytes::from);
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method(wanted.method);
    *request.uri_mut() = uri.parse::<Uri>().map_err(|_| unsendable("path", &wanted.path))?;
    *request.headers_mut() = headers(&host, check, wanted)?;
    *request.version_mut() = match check.version {
        HttpVersion::Http10 => Version::HTTP_10,
        HttpVersion::Http11 => Version::HTTP_11,
        HttpVersion::Http2 => Version::HTTP_2,
    };
    Ok(request)
}

/// Whether a request can ask for this path and query.
pub fn is_request_target(path: &str) -> bool {
    path.parse::<Uri>().is_ok_and(|uri| uri.authority().is_none())
}

fn unsendable(what: &str, text: &str) -> Stop {
    Stop::Local(format!("{what} `{text}` cannot be sent"))
}

fn method(method: HttpMethod) -> Method {
    match method {
        HttpMethod::Get => Method::GET,
        HttpMethod::Head => Method::HEAD,
        HttpMethod::Post => Method::POST,
        HttpMethod::Put => Method::PUT,
        HttpMethod::Options => Method::OPTIONS,
    }
}

fn headers(host: &str, check: &HttpGet, wanted: &HttpRequest) -> Result<HeaderMap, Stop> {
    let mut headers = HeaderMap::new();
    // HTTP/2 has neither (RFC 9113, 8.2.2 and 8.3.1).
    let has_host_and_connection = check.version != HttpVersion::Http2;
    if has_host_and_connection {
        let host = HeaderValue::from_str(host).map_err(|_| unsendable("host", host))?;
        headers.insert(header::HOST, host);
    }
    headers.insert(header::USER_AGENT, HeaderValue::from_static("lvsd"));
    headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
    if has_host_and_connection {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if let Some(auth) = &check.auth {
        headers.insert(header::AUTHORIZATION, basic(auth)?);
    }
    let mut own = HeaderMap::new();
    for header in &wanted.headers {
        let name = HeaderName::from_bytes(header.name.as_bytes())
            .map_err(|_| unsendable("header", &header.name))?;
        let value = HeaderValue::from_str(header.value.reveal())
            .map_err(|_| unsendable("the value of header", &header.name))?;
        own.append(name, value);
    }
    // `extend` replaces what is there and keeps repetitions of what comes.
    headers.extend(own);
    Ok(headers)
}

/// RFC 7617, section 2.
fn basic(auth: &BasicAuth) -> Result<HeaderValue, Stop> {
    let words = STANDARD.encode(format!("{}:{}", auth.user, auth.password.reveal()));
    let mut value = HeaderValue::from_str(&format!("Basic {words}"))
        .map_err(|_| unsendable("user", &auth.user))?;
    value.set_sensitive(true);
    Ok(value)
}

/// `Host` for an address, without the scheme's own port as all clients write it (RFC 9110, 4.2.3
/// and 7.2).
pub(super) fn authority(address: SocketAddr, tls: bool) -> String {
    let ip = match address.ip() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    let default = if tls { 443 } else { 80 };
    if address.port() == default { ip } else { format!("{ip}:{}", address.port()) }
}

/// The name in a `Host` value.
pub(in crate::probe) fn without_port(host: &str) -> &str {
    if let Some((ip, _)) = host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return ip;
    }
    host.split_once(':').map_or(host, |(name, _)| name)
}
