//! TLS of a check.

use std::path::PathBuf;
use std::time::Duration;

/// TLS settings.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tls {
    /// Whether the certificate must be valid for the name and signed by a known authority.
    pub verify: bool,
    /// Name sent as SNI and expected in the certificate; the default is the host that the check
    /// asks for without its port, or the address.
    pub server_name: Option<String>,
    /// PEM file of the authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// The certificate that the check shows when the server asks for one.
    pub client: Option<ClientCertificate>,
    /// The server must choose one of these protocols (ALPN, RFC 7301); empty: whatever the kind of
    /// check speaks.
    pub alpn: Vec<String>,
    /// Told to the operator from this long before the certificate expires.
    pub expiry_warning: Option<Duration>,
    /// A failure from this long before the certificate expires, even without `verify`.
    pub expiry_failure: Option<Duration>,
}

impl Tls {
    /// The system's authorities decide.
    pub const VERIFIED: Self = Self {
        verify: true,
        server_name: None,
        ca_file: None,
        client: None,
        alpn: Vec::new(),
        expiry_warning: None,
        expiry_failure: None,
    };
}

impl Default for Tls {
    fn default() -> Self {
        Self::VERIFIED
    }
}

/// A certificate with its key, to show to servers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientCertificate {
    /// PEM file of the certificate, followed by those of intermediate authorities.
    pub certificate_file: PathBuf,
    /// PEM file of its key; may be the same file.
    pub key_file: PathBuf,
}
