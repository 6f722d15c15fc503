//! What probes send to servers and what servers send back: bytes in, answers out. Pure, bounded,
//! and never in a panic whatever comes.

pub mod agent;
pub mod certificate;
pub mod content;
pub mod dns;
pub mod file;
pub mod grpc;
pub mod icmp;
pub mod smtp;
pub mod udp;

/// The first bytes of what a server sent, made safe to show.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    const SHOWN: usize = 80;
    let (shown, more) = match bytes.get(..SHOWN) {
        Some(shown) if shown.len() < bytes.len() => (shown, "..."),
        _ => (bytes, ""),
    };
    format!("\"{}{more}\"", shown.escape_ascii())
}
