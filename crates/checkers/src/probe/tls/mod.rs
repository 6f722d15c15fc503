//! TLS of probes: rustls with the ring provider, TLS 1.2 and 1.3.

mod configs;
mod expiry;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{ServerName, UnixTime};
use rustls::{AlertDescription, CertificateError, InvalidMessage};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use x509_cert::der::DateTime;

pub(super) use self::configs::Configs;
use super::stream::Stream;
use super::{Deadline, Stop, socket};
use crate::outcome::Cause;
use crate::spec::Tls;

/// The cryptography of every TLS connection, named explicitly: rustls' process-wide default is
/// never set and never relied on.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// So many names of a certificate are shown when none is the expected one.
const NAMES: usize = 4;

/// Whether a server can be asked for by this name: a DNS name or an address, without a port.
pub fn is_server_name(name: &str) -> bool {
    ServerName::try_from(name).is_ok()
}

/// Whom a probe speaks TLS with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer<'a> {
    /// Where it connected to.
    pub(super) address: SocketAddr,
    /// The host that it asks for, without a port, if it names one.
    pub(super) host: Option<&'a str>,
    /// The protocols that it speaks (ALPN), unless the settings name others; may be empty.
    pub(super) protocols: &'a [&'a str],
}

/// A connection over TLS.
#[derive(Debug)]
pub(super) struct Secured {
    /// The connection.
    pub(super) stream: TlsStream<Stream>,
    /// That the certificate expires soon.
    pub(super) warning: Option<String>,
}

impl Secured {
    /// The protocol that the server chose (ALPN).
    pub(super) fn protocol(&self) -> Option<&[u8]> {
        self.stream.get_ref().1.alpn_protocol()
    }
}

/// Shakes hands on `stream` with the peer, and judges its certificate.
pub(super) async fn connect(
    stream: Stream,
    peer: Peer<'_>,
    tls: &Tls,
    configs: &Configs,
    deadline: &Deadline,
) -> Result<Secured, Stop> {
    let name = server_name(peer, tls)?;
    let config = configs.get(tls, deadline).await?;
    let offered: Vec<&str> = match tls.alpn.as_slice() {
        [] => peer.protocols.to_vec(),
        wanted => wanted.iter().map(String::as_str).collect(),
    };
    let connector = TlsConnector::from(config);
    let protocols = offered.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let handshake = connector.with_alpn(protocols).connect(name.clone(), stream);
    let stream = deadline
        .within("shaking hands (TLS)", handshake)
        .await?
        .map_err(|error| stop(&error, &name.to_str()))?;
    let session = stream.get_ref().1;
    if !tls.alpn.is_empty() && session.alpn_protocol().is_none() {
        let text = format!("TLS: the server chose none of the protocols {}", offered.join(", "));
        return Err(Stop::failed(Cause::Tls, text));
    }
    let warning = expiry::check(session.peer_certificates(), tls)?;
    Ok(Secured { stream, warning })
}

fn server_name(peer: Peer<'_>, tls: &Tls) -> Result<ServerName<'static>, Stop> {
    let Some(name) = tls.server_name.as_deref().or(peer.host) else {
        return Ok(peer.address.ip().into());
    };
    ServerName::try_from(name.to_owned())
        .map_err(|_| Stop::Local(format!("`{name}` is not a valid server name for TLS")))
}

/// Judges an error of the handshake.
fn stop(error: &io::Error, name: &str) -> Stop {
    match tls_error(error) {
        Some(error) => {
            let (cause, text) = describe(error, name);
            Stop::failed(cause, text)
        }
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            Stop::failed(Cause::Closed, "TLS: connection closed during the handshake")
        }
        None => socket::io_stop("TLS handshake", error),
    }
}

/// Judges an error of a read or write, over TLS or without.
pub(super) fn stream_stop(doing: &str, error: &io::Error) -> Stop {
    match tls_error(error) {
        Some(error) => Stop::failed(Cause::Tls, format!("TLS: {}", words(error))),
        None => socket::io_stop(doing, error),
    }
}

/// The error of rustls inside an error of the stream.
fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

fn describe(error: &rustls::Error, name: &str) -> (Cause, String) {
    let reason = match error {
        rustls::Error::InvalidCertificate(reason) => reason,
        error => return (Cause::Tls, format!("TLS: {}", words(error))),
    };
    match reason {
        CertificateError::NotValidForName => (Cause::NameMismatch, other_name(name, &[])),
        CertificateError::NotValidForNameContext { presented, .. } => {
            (Cause::NameMismatch, other_name(name, presented))
        }
        CertificateError::Expired => {
            (Cause::CertificateExpired, "TLS: the certificate has expired".into())
        }
        CertificateError::ExpiredContext { not_after, .. } => (
            Cause::CertificateExpired,
            format!("TLS: the certificate has expired{}", at(*not_after)),
        ),
        CertificateError::NotValidYet => {
            (Cause::CertificateExpired, "TLS: the certificate is not valid yet".into())
        }
        CertificateError::NotValidYetContext { not_before, .. } => (
            Cause::CertificateExpired,
            format!("TLS: the certificate is not valid yet{}", at(*not_before)),
        ),
        CertificateError::UnknownIssuer | CertificateError::BadSignature => (
            Cause::CertificateUntrusted,
            "TLS: the certificate is not signed by a trusted authority".into(),
        ),
        CertificateError::BadEncoding => {
            (Cause::Tls, "TLS: the certificate is damaged (bad encoding)".into())
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            (Cause::Tls, "TLS: the certificate is not one for servers (extended key usage)".into())
        }
        // What webpki alone knows comes wrapped.
        CertificateError::Other(other) => match other.to_string().as_str() {
            "CaUsedAsEndEntity" => (
                Cause::CertificateUntrusted,
                "TLS: the server shows an authority's certificate (CA:TRUE) as its own; have one \
                 issued for the server, or set verify = false"
                    .into(),
            ),
            "UnsupportedCriticalExtension" => (
                Cause::Tls,
                "TLS: the certificate has a critical extension that is not understood here".into(),
            ),
            _ => (Cause::Tls, format!("TLS: {error}")),
        },
        _ => (Cause::Tls, format!("TLS: {error}")),
    }
}

/// `presented`: the names in the certificate, as webpki writes them: `DnsName("www.example.org")`.
fn other_name(expected: &str, presented: &[String]) -> String {
    let bare = |name: &String| {
        let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
        inner.unwrap_or(name).trim_matches('"').to_owned()
    };
    let names: Vec<_> = presented.iter().take(NAMES).map(bare).collect();
    let more = if presented.len() > NAMES { ", ..." } else { "" };
    let others = match names.as_slice() {
        [] => String::new(),
        names => format!(", but for {}{more}", names.join(", ")),
    };
    format!("TLS: the certificate is not for the name {expected}{others}")
}

/// ` (2026-12-24T18:00:00Z)`.
fn at(time: UnixTime) -> String {
    let time = DateTime::from_unix_duration(Duration::from_secs(time.as_secs()));
    time.map(|time| format!(" ({time})")).unwrap_or_default()
}

/// Other errors of the handshake, in the words of who runs the server.
fn words(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidMessage(
            InvalidMessage::InvalidContentType
            | InvalidMessage::UnknownProtocolVersion
            | InvalidMessage::MessageTooLarge
            | InvalidMessage::InvalidEmptyPayload,
        ) => "the server does not speak TLS on this port".to_owned(),
        rustls::Error::InvalidMessage(
            InvalidMessage::HandshakePayloadTooLarge | InvalidMessage::CertificatePayloadTooLarge,
        ) => "the server's handshake has no end".to_owned(),
        rustls::Error::InvalidMessage(reason) => {
            format!("the server sends an invalid message ({reason:?})")
        }
        rustls::Error::PeerIncompatible(reason) => {
            format!("no common version or cipher with the server ({reason:?})")
        }
        rustls::Error::NoCertificatesPresented => "the server shows no certificate".to_owned(),
        rustls::Error::NoApplicationProtocol => {
            "the server speaks none of the offered protocols (ALPN)".to_owned()
        }
        rustls::Error::AlertReceived(alert) => {
            format!("the server refuses: {}", alert_words(*alert))
        }
        error => error.to_string(),
    }
}

/// Alerts that the server's configuration causes (RFC 8446 §6.2).
fn alert_words(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::HandshakeFailure => "no common version or cipher".to_owned(),
        AlertDescription::ProtocolVersion => "no common version of TLS".to_owned(),
        AlertDescription::UnrecognisedName => "it does not know the server_name".to_owned(),
        AlertDescription::CertificateRequired => {
            "it wants a client certificate (certificate_file)".to_owned()
        }
        AlertDescription::BadCertificate
        | AlertDescription::UnknownCA
        | AlertDescription::CertificateUnknown
        | AlertDescription::CertificateExpired
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked => {
            format!("it does not accept the client certificate ({alert:?})")
        }
        AlertDescription::NoApplicationProtocol => {
            "it speaks none of the offered protocols (ALPN)".to_owned()
        }
        alert => format!("alert {alert:?}"),
    }
}
