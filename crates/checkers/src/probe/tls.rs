//! TLS of probes: rustls with the ring provider, TLS 1.2 and 1.3.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Deadline, Stop, socket};
use crate::outcome::Cause;
use crate::spec::Tls;

/// The cryptography of every TLS connection, named explicitly: rustls' process-wide default is
/// never set and never relied on.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Shakes hands on `stream` with the server at `address`. `host` is the request's host name
/// without a port, if one was given.
pub(super) async fn connect(
    stream: TcpStream,
    address: SocketAddr,
    host: Option<&str>,
    tls: &Tls,
    configs: &Configs,
    deadline: &Deadline,
) -> Result<TlsStream<TcpStream>, Stop> {
    let name = server_name(address, host, tls)?;
    let config = deadline.within("reading the trusted authorities", configs.get(tls)).await;
    // A slow disk is no fault of the server.
    let config = config.unwrap_or_else(|_| {
        Err(Stop::Local("read the trusted authorities: not done within the timeout".into()))
    })?;
    let handshake = TlsConnector::from(config).connect(name.clone(), stream);
    deadline
        .within("shaking hands (TLS)", handshake)
        .await?
        .map_err(|error| stop(&error, &name.to_str()))
}

fn server_name(
    address: SocketAddr,
    host: Option<&str>,
    tls: &Tls,
) -> Result<ServerName<'static>, Stop> {
    let Some(name) = tls.server_name.as_deref().or(host) else { return Ok(address.ip().into()) };
    ServerName::try_from(name.to_owned())
        .map_err(|_| Stop::Local(format!("`{name}` is not a valid server name for TLS")))
}

/// Judges an error of the handshake, or of a read or write later on.
pub(super) fn stop(error: &io::Error, name: &str) -> Stop {
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

/// The error of rustls inside an error of the stream.
pub(super) fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

pub(super) fn describe(error: &rustls::Error, name: &str) -> (Cause, String) {
    let rustls::Error::InvalidCertificate(reason) = error else {
        return (Cause::Tls, format!("TLS: {error}"));
    };
    match reason {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            (Cause::NameMismatch, format!("TLS: the certificate is not for the name {name}"))
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            (Cause::CertificateExpired, "TLS: the certificate has expired".into())
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            (Cause::CertificateExpired, "TLS: the certificate is not valid yet".into())
        }
        CertificateError::UnknownIssuer | CertificateError::BadSignature => (
            Cause::CertificateUntrusted,
            "TLS: the certificate is not signed by a trusted authority".into(),
        ),
        _ => (Cause::Tls, format!("TLS: {error}")),
    }
}

/// Whom a check trusts. Checks that trust the same share a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Trust {
    Anyone,
    System,
    File(PathBuf),
}

impl From<&Tls> for Trust {
    fn from(tls: &Tls) -> Self {
        match &tls.ca_file {
            _ if !tls.verify => Self::Anyone,
            Some(file) => Self::File(file.clone()),
            None => Self::System,
        }
    }
}

type Slot = Arc<OnceCell<Arc<ClientConfig>>>;

/// The configurations built so far. Each is built by the first probe that needs it, on a thread
/// where reading a slow file delays no other probe.
#[derive(Debug, Default)]
pub(super) struct Configs(Mutex<HashMap<Trust, Slot>>);

impl Configs {
    pub(super) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    async fn get(&self, tls: &Tls) -> Result<Arc<ClientConfig>, Stop> {
        let trust = Trust::from(tls);
        let slot = {
            let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(slots.entry(trust.clone()).or_default())
        };
        let build = || async {
            tokio::task::spawn_blocking(move || build(&trust))
                .await
                .unwrap_or_else(|error| Err(format!("prepare TLS: {error}")))
        };
        slot.get_or_try_init(build).await.cloned().map_err(Stop::Local)
    }
}

fn build(trust: &Trust) -> Result<Arc<ClientConfig>, String> {
    let provider = provider();
    let verifier: Arc<dyn ServerCertVerifier> = match trust {
        Trust::Anyone => Arc::new(AcceptAny { provider: Arc::clone(&provider) }),
        Trust::System => webpki(system_roots()?, &provider)?,
        Trust::File(file) => webpki(file_roots(file)?, &provider)?,
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("prepare TLS: {error}"))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    // Every probe makes the whole handshake, as a new client would.
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn webpki(
    roots: RootCertStore,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, String> {
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|error| format!("prepare TLS: {error}"))
}

fn system_roots() -> Result<RootCertStore, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let errors: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
        return Err(format!(
            "read the system's trusted authorities: none found {} (install ca-certificates, or \
             set ca_file)",
            errors.join(", ")
        ));
    }
    Ok(roots)
}

fn file_roots(file: &Path) -> Result<RootCertStore, String> {
    let doing = |error: &dyn std::fmt::Display| format!("read ca_file {}: {error}", file.display());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| doing(&error))? {
        let certificate = certificate.map_err(|error| doing(&error))?;
        roots.add(certificate).map_err(|error| doing(&error))?;
    }
    if roots.is_empty() {
        return Err(doing(&"no certificate in it"));
    }
    Ok(roots)
}

/// `verify = false`: any certificate will do, even one too old for rustls to read, so the
/// signatures made with it are not looked at either.
#[derive(Debug)]
struct AcceptAny {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
