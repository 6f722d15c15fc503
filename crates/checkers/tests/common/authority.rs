//! Authorities, certificates, and servers that show them.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use checkers::Tls;
use checkers::probe::tls::provider;
use rcgen::{CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{RootCertStore, ServerConfig};
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsAcceptor;

use super::{read_head, server};

/// An authority, and the file by which a check trusts it.
pub(crate) struct Authority {
    pub(crate) issuer: CertifiedIssuer<'static, KeyPair>,
    pub(crate) file: NamedTempFile,
}

impl Authority {
    /// A certificate for these names, and its key, in one PEM file.
    pub(crate) fn certify(&self, names: &[&str]) -> NamedTempFile {
        let key = KeyPair::generate().unwrap();
        let certificate = params(names).signed_by(&key, &self.issuer).unwrap();
        pem_file(&(certificate.pem() + &key.serialize_pem()))
    }
}

pub(crate) fn pem_file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

pub(crate) fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let file = pem_file(&issuer.pem());
    Authority { issuer, file }
}

/// What trusts this authority alone.
pub(crate) fn trusting(authority: &Authority, name: Option<&str>) -> Tls {
    Tls {
        server_name: name.map(str::to_owned),
        ca_file: Some(authority.file.path().to_owned()),
        ..Tls::VERIFIED
    }
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    CertificateParams::new(names).unwrap()
}

/// A server's side of TLS with a certificate for these names. Clients have to show a certificate
/// of `clients`, if it is there.
pub(crate) fn server_config(
    names: &[&str],
    signer: Option<&Authority>,
    clients: Option<&Authority>,
    change: impl FnOnce(&mut CertificateParams),
) -> ServerConfig {
    let mut params = params(names);
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = match signer {
        Some(authority) => params.signed_by(&key, &authority.issuer).unwrap(),
        None => params.self_signed(&key).unwrap(),
    };
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.issuer.der().clone()).unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        }
    };
    // Unlike `with_single_cert` without a look at the certificate, which may be no good.
    let key = provider().key_provider.load_private_key(key).unwrap();
    let certified = CertifiedKey::new(vec![certificate.der().clone()], key);
    builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
}

/// An HTTPS server with a certificate for these names.
pub(crate) async fn https(
    names: &[&str],
    signer: Option<&Authority>,
    change: impl FnOnce(&mut CertificateParams),
) -> SocketAddr {
    https_with(server_config(names, signer, None, change)).await
}

/// An HTTPS server.
pub(crate) async fn https_with(config: ServerConfig) -> SocketAddr {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    server(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let head = read_head(&mut stream).await;
            // No length and no close_notify: as careless as servers are.
            let answer: &[u8] = match stream.get_ref().1.server_name() {
                Some("missing.example.org") => b"HTTP/1.1 404 Not Found\r\n\r\n",
                _ if head.contains("/short") => b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
                _ => b"HTTP/1.1 200 OK\r\n\r\nok",
            };
            let _ = stream.write_all(answer).await;
            let _ = stream.flush().await;
            let _ = stream.get_mut().0.shutdown().await;
        }
    })
    .await
}
