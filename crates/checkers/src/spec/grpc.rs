//! `grpc_check`.

use super::{Connect, Tls};

/// `grpc_check`: passes when `grpc.health.v1.Health/Check` answers SERVING.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GrpcCheck {
    /// How the connection is made.
    pub connect: Connect,
    /// TLS settings; `None` is HTTP/2 in plain text.
    pub tls: Option<Tls>,
    /// `:authority` of the request; the default is the address and port connected to.
    pub host: Option<String>,
    /// The service to ask for; empty: the server as a whole.
    pub service: String,
}
