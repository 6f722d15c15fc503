//! The checks that the table is about.

use checkers::{
    AgentCheck, DnsCheck, DnsTransport, Expect, Expectation, GrpcCheck, HttpGet, HttpRequest,
    HttpVersion, Kind, RecordType, SmtpCheck, SmtpEncryption, TcpCheck, Tls, UdpCheck, UdpReply,
};

use crate::common::authority::trusting;
use crate::common::{http, tcp};
use crate::servers::{Lab, NAME};

/// A kind of check with the options that change what is said between it and the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    /// Only connects.
    Tcp,
    /// Sends `PING`, expects `+PONG`.
    TcpExpect,
    /// Only connects and shakes hands: faults strike within the handshake.
    TcpTls,
    Http,
    Https,
    Http2,
    Https2,
    Smtp,
    /// Faults strike within the handshake.
    SmtpStartTls,
    /// TLS from the first byte on: faults strike behind the handshake.
    Smtps,
    DnsUdp,
    DnsTcp,
    Udp,
    Agent,
    Grpc,
    GrpcTls,
    Ping,
}

use Subject::*;

/// So much of a body is read.
const BODY_LIMIT: u32 = 32 << 10;

impl Subject {
    pub(crate) const ALL: [Self; 17] = [
        Tcp,
        TcpExpect,
        TcpTls,
        Http,
        Https,
        Http2,
        Https2,
        Smtp,
        SmtpStartTls,
        Smtps,
        DnsUdp,
        DnsTcp,
        Udp,
        Agent,
        Grpc,
        GrpcTls,
        Ping,
    ];

    /// As the configuration writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Tcp => "tcp_check",
            TcpExpect => "tcp_check expect",
            TcpTls => "tcp_check tls",
            Http => "http_get",
            Https => "http_get https",
            Http2 => "http_get version 2",
            Https2 => "http_get https version 2",
            Smtp => "smtp_check",
            SmtpStartTls => "smtp_check starttls",
            Smtps => "smtp_check tls",
            DnsUdp => "dns_check",
            DnsTcp => "dns_check transport tcp",
            Udp => "udp_check",
            Agent => "agent_check",
            Grpc => "grpc_check",
            GrpcTls => "grpc_check tls",
            Ping => "ping_check",
        }
    }

    /// Whether it speaks TLS.
    pub(crate) fn has_tls(self) -> bool {
        matches!(self, TcpTls | Https | Https2 | SmtpStartTls | Smtps | GrpcTls)
    }

    /// Whether it speaks over UDP.
    pub(crate) fn has_datagrams(self) -> bool {
        matches!(self, DnsUdp | Udp)
    }

    /// The most bytes that a server of it has to be let say: those of the content that is looked
    /// at, as the reference of the configuration has them, and 256 KiB for everything around it.
    pub(crate) fn limit(self) -> usize {
        (256 << 10)
            + match self {
                TcpExpect => 16 << 10,
                Http | Https | Http2 | Https2 => 2 * BODY_LIMIT as usize,
                Smtp | SmtpStartTls | Smtps => 64 * 2048,
                DnsTcp => 64 << 10,
                Agent => 1 << 10,
                Grpc | GrpcTls => 4 << 10,
                // One datagram or a thousand, none longer than 1500 bytes; no content.
                DnsUdp => 1000 * 1500,
                Udp | Tcp | TcpTls | Ping => 0,
            }
    }

    pub(crate) fn check(self, lab: &Lab) -> Kind {
        let tls = || -> Tls { trusting(&lab.authority, Some(NAME)) };
        let maybe_tls = || self.has_tls().then(tls);
        match self {
            Tcp => tcp(checkers::Connect::default()),
            TcpTls => Kind::Tcp(TcpCheck { tls: maybe_tls(), ..TcpCheck::default() }),
            TcpExpect => Kind::Tcp(TcpCheck {
                send: b"PING\r\n".to_vec(),
                expect: Some(Expect::Bytes(b"+PONG\r\n".to_vec())),
                ..TcpCheck::default()
            }),
            Http | Https | Http2 | Https2 => {
                let version = match self {
                    Http | Https => HttpVersion::Http11,
                    _ => HttpVersion::Http2,
                };
                let content = vec![Expectation::Contains("fine".into())];
                let request =
                    HttpRequest { content, body_limit: BODY_LIMIT, ..HttpRequest::default() };
                Kind::Http(HttpGet { version, tls: maybe_tls(), ..http(request) })
            }
            Smtp | SmtpStartTls | Smtps => {
                let encryption = match self {
                    Smtp => SmtpEncryption::None,
                    Smtps => SmtpEncryption::Smtps(tls()),
                    _ => SmtpEncryption::StartTls(tls()),
                };
                Kind::Smtp(SmtpCheck { encryption, ..SmtpCheck::default() })
            }
            DnsUdp | DnsTcp => Kind::Dns(DnsCheck {
                name: "www.example.com".into(),
                record_type: RecordType(1),
                transport: if self == DnsUdp { DnsTransport::Udp } else { DnsTransport::Tcp },
                ..DnsCheck::default()
            }),
            Udp => Kind::Udp(UdpCheck {
                connect: checkers::Connect::default(),
                send: b"ping".to_vec(),
                reply: UdpReply::Bytes(b"pong".to_vec()),
            }),
            Agent => Kind::Agent(AgentCheck::default()),
            Grpc | GrpcTls => Kind::Grpc(GrpcCheck { tls: maybe_tls(), ..GrpcCheck::default() }),
            Ping => Kind::Ping(checkers::PingCheck::default()),
        }
    }
}
