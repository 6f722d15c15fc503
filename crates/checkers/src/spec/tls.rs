//! TLS of a check.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// HTTPS settings.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Tls {
    /// Whether the certificate must be valid for the name and signed by a known authority.
    pub verify: bool,
    /// Name sent as SNI and expected in the certificate; the default is `host` without its port,
    /// or the address.
    pub server_name: Option<String>,
    /// PEM file of the authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
}
