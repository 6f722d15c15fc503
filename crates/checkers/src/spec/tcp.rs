//! `tcp_check`.

use super::{Connect, Pattern, Tls};

/// `tcp_check`: passes when the connection is made, TLS is set up if wanted, and the server then
/// sends what is expected, if something is.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TcpCheck {
    /// How the connection is made.
    pub connect: Connect,
    /// TLS settings; `None` is no TLS.
    pub tls: Option<Tls>,
    /// Sent as soon as the connection is made; may be empty.
    pub send: Vec<u8>,
    /// What the server has to send.
    pub expect: Option<Expect>,
}

/// What has to be in the first [`Expect::LIMIT`] bytes that a server sends.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Expect {
    /// These bytes are somewhere in it; never empty.
    Bytes(Vec<u8>),
    /// Some part of it matches.
    Matches(Pattern),
}

impl Expect {
    /// So many bytes are read at most: 16 KiB.
    pub const LIMIT: usize = 16 << 10;
}
