//! `http_get`.

use std::fmt;

use super::{Connect, Expectation, Secret, Tls};

/// `http_get`: passes when every request is answered as it expects. Redirects are answers, never
/// followed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HttpGet {
    /// How the connections are made.
    pub connect: Connect,
    /// HTTPS settings; `None` is plain HTTP.
    pub tls: Option<Tls>,
    /// Which HTTP is spoken. keepalived: `http_protocol`.
    pub version: HttpVersion,
    /// Who asks, to a server that wants to know (RFC 7617).
    pub auth: Option<BasicAuth>,
    /// The requests, one after another, each over a connection of its own; never empty.
    pub requests: Vec<HttpRequest>,
}

impl Default for HttpGet {
    /// One [`HttpRequest::default`] in HTTP/1.1, without TLS.
    fn default() -> Self {
        Self {
            connect: Connect::default(),
            tls: None,
            version: HttpVersion::default(),
            auth: None,
            requests: vec![HttpRequest::default()],
        }
    }
}

/// A version of HTTP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HttpVersion {
    /// RFC 1945.
    Http10,
    /// RFC 9112.
    #[default]
    Http11,
    /// RFC 9113: asked for by ALPN over TLS, and without asking otherwise ("prior knowledge").
    Http2,
}

/// A user and a password for HTTP's basic authentication.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BasicAuth {
    /// User, without a colon.
    pub user: String,
    /// Password.
    pub password: Secret,
}

/// One request, and the answer that it expects. keepalived: `url`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HttpRequest {
    /// The method.
    pub method: HttpMethod,
    /// Path and query, starting with `/`.
    pub path: String,
    /// `Host`; the default is the address and port connected to. keepalived: `virtualhost`.
    pub host: Option<String>,
    /// Additional headers.
    pub headers: Vec<Header>,
    /// Body of the request.
    pub body: Option<String>,
    /// Passing statuses; never empty. keepalived: `status_code`.
    pub status: Vec<StatusRange>,
    /// What the body of the answer has to be like.
    pub content: Vec<Expectation>,
    /// So many bytes of the answer's body are read at most; at least 1.
    pub body_limit: u32,
}

impl HttpRequest {
    /// The default of `body_limit`: 1 MiB.
    pub const BODY_LIMIT: u32 = 1 << 20;
}

impl Default for HttpRequest {
    /// `GET /`, answered with a status from 200 to 299.
    fn default() -> Self {
        Self {
            method: HttpMethod::default(),
            path: "/".into(),
            host: None,
            headers: Vec::new(),
            body: None,
            status: vec![StatusRange::SUCCESS],
            content: Vec::new(),
            body_limit: Self::BODY_LIMIT,
        }
    }
}

/// A method of a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HttpMethod {
    /// GET.
    #[default]
    Get,
    /// HEAD: the answer has no body.
    Head,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// OPTIONS.
    Options,
}

impl HttpMethod {
    /// As it is on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Options => "OPTIONS",
        }
    }
}

/// A request header. Its value may be a secret, so `Debug` does not show it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Header {
    /// Name; valid as an HTTP token.
    pub name: String,
    /// Value; visible ASCII and blanks.
    pub value: Secret,
}

/// An inclusive range of HTTP statuses, 100 to 599.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatusRange {
    /// First passing status.
    pub first: u16,
    /// Last passing status.
    pub last: u16,
}

impl StatusRange {
    /// 200 to 299.
    pub const SUCCESS: Self = Self { first: 200, last: 299 };

    /// Whether `status` is in the range.
    pub fn contains(self, status: u16) -> bool {
        (self.first..=self.last).contains(&status)
    }
}

impl fmt::Display for StatusRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}
