//! What is checked, how, and how often. Plain data that compares, so that the same check of the
//! same server is one monitor, whoever asks for it.

mod agent;
mod connect;
mod content;
mod dns;
mod file;
mod grpc;
mod hex;
mod http;
mod misc;
mod pattern;
mod ping;
mod secret;
mod smtp;
mod tcp;
mod timing;
mod tls;
mod udp;

use std::net::SocketAddr;
use std::sync::Arc;

pub use agent::AgentCheck;
pub use connect::{Connect, Via};
pub use content::{Digest, Expectation};
pub use dns::{DnsCheck, DnsTransport, Matching, Rcode, RecordType};
pub use file::{FileCheck, FileValue};
pub use grpc::GrpcCheck;
pub use hex::{HexPattern, HexPatternError};
pub use http::{BasicAuth, Header, HttpGet, HttpMethod, HttpRequest, HttpVersion, StatusRange};
pub use misc::MiscCheck;
pub use pattern::{Pattern, PatternError};
pub use ping::PingCheck;
pub use secret::Secret;
pub use smtp::{SmtpCheck, SmtpEncryption};
pub use tcp::{Expect, TcpCheck};
pub use timing::{Damping, Initial, Timing};
pub use tls::{ClientCertificate, Tls};
pub use udp::{UdpCheck, UdpReply};

/// One check of one real server. Equal monitors are the same monitor: they run once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Monitor {
    /// The real server.
    pub target: SocketAddr,
    /// The check. Many servers share one.
    pub check: Arc<Check>,
}

/// A check: what is done, and the rules by which results become a verdict.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Check {
    /// What is done.
    pub kind: Kind,
    /// When it is done and how its results count.
    pub timing: Timing,
}

/// The kinds of check.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A TCP connection is made, and perhaps answers. keepalived: `TCP_CHECK`.
    Tcp(TcpCheck),
    /// HTTP requests are answered as expected. keepalived: `HTTP_GET`, `SSL_GET`.
    Http(HttpGet),
    /// A program exits with status 0. keepalived: `MISC_CHECK`.
    Misc(MiscCheck),
    /// A DNS query is answered as expected. keepalived: `DNS_CHECK`.
    Dns(DnsCheck),
    /// A datagram is not refused, or answered as expected. keepalived: `UDP_CHECK`.
    Udp(UdpCheck),
    /// ICMP echo requests are answered. keepalived: `PING_CHECK`.
    Ping(PingCheck),
    /// A mail server greets. keepalived: `SMTP_CHECK`.
    Smtp(SmtpCheck),
    /// A number in a file of this machine. keepalived: `FILE_CHECK`.
    File(FileCheck),
    /// An agent on the server says how it is. HAProxy: `agent-check`.
    Agent(AgentCheck),
    /// A gRPC server says that it is serving.
    Grpc(GrpcCheck),
}

impl Kind {
    /// Whether what it finds may be a weight.
    pub fn advises(&self) -> bool {
        match self {
            Self::File(_) | Self::Agent(_) => true,
            Self::Misc(check) => check.dynamic_weight,
            _ => false,
        }
    }

    /// Its TLS, if it has any.
    pub fn tls(&self) -> Option<&Tls> {
        match self {
            Self::Tcp(check) => check.tls.as_ref(),
            Self::Http(check) => check.tls.as_ref(),
            Self::Grpc(check) => check.tls.as_ref(),
            Self::Smtp(check) => match &check.encryption {
                SmtpEncryption::StartTls(tls) | SmtpEncryption::Smtps(tls) => Some(tls),
                SmtpEncryption::None => None,
            },
            _ => None,
        }
    }

    /// How its connection is made, if it makes one.
    pub fn connect(&self) -> Option<&Connect> {
        match self {
            Self::Tcp(check) => Some(&check.connect),
            Self::Http(check) => Some(&check.connect),
            Self::Dns(check) => Some(&check.connect),
            Self::Udp(check) => Some(&check.connect),
            Self::Ping(check) => Some(&check.connect),
            Self::Smtp(check) => Some(&check.connect),
            Self::Agent(check) => Some(&check.connect),
            Self::Grpc(check) => Some(&check.connect),
            Self::Misc(_) | Self::File(_) => None,
        }
    }

    /// The same, to change it.
    pub fn connect_mut(&mut self) -> Option<&mut Connect> {
        match self {
            Self::Tcp(check) => Some(&mut check.connect),
            Self::Http(check) => Some(&mut check.connect),
            Self::Dns(check) => Some(&mut check.connect),
            Self::Udp(check) => Some(&mut check.connect),
            Self::Ping(check) => Some(&mut check.connect),
            Self::Smtp(check) => Some(&mut check.connect),
            Self::Agent(check) => Some(&mut check.connect),
            Self::Grpc(check) => Some(&mut check.connect),
            Self::Misc(_) | Self::File(_) => None,
        }
    }

    /// Whether it needs a port to connect to.
    pub fn needs_port(&self) -> bool {
        !matches!(self, Self::Misc(_) | Self::File(_) | Self::Ping(_))
    }

    /// Name of the kind as the configuration writes it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Tcp(_) => "tcp_check",
            Self::Http(_) => "http_get",
            Self::Misc(_) => "misc_check",
            Self::Dns(_) => "dns_check",
            Self::Udp(_) => "udp_check",
            Self::Ping(_) => "ping_check",
            Self::Smtp(_) => "smtp_check",
            Self::File(_) => "file_check",
            Self::Agent(_) => "agent_check",
            Self::Grpc(_) => "grpc_check",
        }
    }
}
