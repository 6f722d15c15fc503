//! The configurations of rustls, which many checks share.

use std::collections::HashMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::sync::OnceCell;

use super::provider;
use crate::probe::threads::{HUNG, Threads};
use crate::probe::{Deadline, Stop};
use crate::spec::{ClientCertificate, Tls};

/// What a configuration is made of. Checks for which this is the same share one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Sources {
    trust: Trust,
    client: Option<ClientCertificate>,
}

/// Whom a check trusts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Trust {
    Anyone,
    System,
    File(PathBuf),
}

impl From<&Tls> for Sources {
    fn from(tls: &Tls) -> Self {
        let trust = match &tls.ca_file {
            _ if !tls.verify => Trust::Anyone,
            Some(file) => Trust::File(file.clone()),
            None => Trust::System,
        };
        Self { trust, client: tls.client.clone() }
    }
}

type Slot = Arc<OnceCell<Arc<ClientConfig>>>;

/// The configurations built so far. Each is built by the first probe that needs it, on a thread
/// where reading a slow file delays no other probe.
#[derive(Debug, Default)]
pub(in crate::probe) struct Configs {
    slots: Mutex<HashMap<Sources, Slot>>,
    threads: Threads<Sources>,
}

impl Configs {
    /// Forgets all, so that files are read anew.
    pub(in crate::probe) fn clear(&self) {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(super) async fn get(
        &self,
        tls: &Tls,
        deadline: &Deadline,
    ) -> Result<Arc<ClientConfig>, Stop> {
        let sources = Sources::from(tls);
        let slot = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(slots.entry(sources.clone()).or_default())
        };
        let doing = "read the files of TLS";
        let build = || async {
            let key = sources.clone();
            let building = self.threads.run(&key, (doing, HUNG), deadline, move || build(&sources));
            building.await?.map_err(Stop::Local)
        };
        // Another probe may be building it.
        let config = deadline.within(doing, slot.get_or_try_init(build)).await;
        // A slow disk is no fault of the server.
        let late = |_| Stop::Local(format!("{doing}: not done within the timeout ({HUNG})"));
        config.map_err(late)?.cloned()
    }
}

fn build(sources: &Sources) -> Result<Arc<ClientConfig>, String> {
    let provider = provider();
    let verifier: Arc<dyn ServerCertVerifier> = match &sources.trust {
        Trust::Anyone => Arc::new(AcceptAny { provider: Arc::clone(&provider) }),
        Trust::System => webpki(system_roots()?, &provider)?,
        Trust::File(file) => webpki(file_roots(file)?, &provider)?,
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("prepare TLS: {error}"))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match &sources.client {
        None => builder.with_no_client_auth(),
        Some(client) => {
            let (file, chain) = (&client.certificate_file, certificates(client)?);
            builder.with_client_auth_cert(chain, key(client)?).map_err(|error| {
                let key_file = client.key_file.display();
                failed(
                    "use certificate_file",
                    file,
                    &format!("with the key of {key_file}: {error}"),
                )
            })?
        }
    };
    // Every probe makes the whole handshake, as a new client would.
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// `read ca_file /etc/ca.pem: no certificate in it`.
fn failed(doing: &str, file: &Path, error: &dyn Display) -> String {
    format!("{doing} {}: {error}", file.display())
}

fn certificates(client: &ClientCertificate) -> Result<Vec<CertificateDer<'static>>, String> {
    read_certificates("read certificate_file", &client.certificate_file)
}

fn key(client: &ClientCertificate) -> Result<PrivateKeyDer<'static>, String> {
    let file = &client.key_file;
    PrivateKeyDer::from_pem_file(file).map_err(|error| failed("read key_file", file, &error))
}

fn read_certificates(doing: &str, file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect)
        .map_err(|error| failed(doing, file, &error))?;
    if certificates.is_empty() {
        return Err(failed(doing, file, &"no certificate in it"));
    }
    Ok(certificates)
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
    let doing = "read ca_file";
    let mut roots = RootCertStore::empty();
    for certificate in read_certificates(doing, file)? {
        roots.add(certificate).map_err(|error| failed(doing, file, &error))?;
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
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verify_tls12_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
