//! `dns_check`.

use super::Connect;

/// `dns_check`: passes when a query is answered as expected. keepalived: `DNS_CHECK`, which looks
/// at no answers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DnsCheck {
    /// How the socket is opened.
    pub connect: Connect,
    /// UDP, with TCP for what does not fit, or TCP.
    pub transport: DnsTransport,
    /// The name to ask for, `.` is the root. keepalived: `name`.
    pub name: String,
    /// The type to ask for. keepalived: `type`.
    pub record_type: RecordType,
    /// Whether the server is asked to find the answer elsewhere (RD, RFC 1035 §4.1.1).
    pub recursion: bool,
    /// The passing response code.
    pub rcode: Rcode,
    /// Records of that type that the answer has to have.
    pub answers: Vec<String>,
    /// How many of `answers` have to be there.
    pub matching: Matching,
    /// So many records of that type at least.
    pub min_answers: u16,
}

impl Default for DnsCheck {
    /// The root's SOA, asked over UDP: what keepalived asks for.
    fn default() -> Self {
        Self {
            connect: Connect::default(),
            transport: DnsTransport::Udp,
            name: ".".into(),
            record_type: RecordType(6),
            recursion: true,
            rcode: Rcode(0),
            answers: Vec::new(),
            matching: Matching::All,
            min_answers: 0,
        }
    }
}

/// How a query travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DnsTransport {
    /// In a datagram; a truncated answer is asked for again over TCP, as resolvers do.
    Udp,
    /// Over a connection.
    Tcp,
}

/// How many of several wanted things have to be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Matching {
    /// Each of them.
    All,
    /// One of them.
    Any,
}

/// A record type by its number (IANA: DNS parameters).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordType(pub u16);

impl RecordType {
    /// The types that can be asked for, by name.
    pub const ALL: [(&str, Self); 17] = [
        ("A", Self(1)),
        ("AAAA", Self(28)),
        ("CAA", Self(257)),
        ("CNAME", Self(5)),
        ("DNSKEY", Self(48)),
        ("DS", Self(43)),
        ("HTTPS", Self(65)),
        ("MX", Self(15)),
        ("NAPTR", Self(35)),
        ("NS", Self(2)),
        ("PTR", Self(12)),
        ("RRSIG", Self(46)),
        ("SOA", Self(6)),
        ("SRV", Self(33)),
        ("SVCB", Self(64)),
        ("TLSA", Self(52)),
        ("TXT", Self(16)),
    ];

    /// Whether the data of such records has one form in words, so that it can be expected. Keys,
    /// digests and parameters are written in several.
    pub fn has_words(self) -> bool {
        // A, NS, CNAME, SOA, PTR, MX, TXT, AAAA, SRV, CAA.
        [1, 2, 5, 6, 12, 15, 16, 28, 33, 257].contains(&self.0)
    }
}

/// A response code by its number (RFC 1035 §4.1.1, RFC 2136 §2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rcode(pub u8);

impl Rcode {
    /// The codes that can be expected, by name.
    pub const ALL: [(&str, Self); 6] = [
        ("NOERROR", Self(0)),
        ("FORMERR", Self(1)),
        ("SERVFAIL", Self(2)),
        ("NXDOMAIN", Self(3)),
        ("NOTIMP", Self(4)),
        ("REFUSED", Self(5)),
    ];
}
