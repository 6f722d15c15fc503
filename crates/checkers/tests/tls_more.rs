//! TLS beyond a valid certificate: clients that show one, expiry, ALPN, and files that change.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "a test of sockets, processes and time, whose helpers may panic"
)]

mod common;

use std::io::Write;
use std::time::{Duration, SystemTime};

use checkers::probe::tls::provider;
use checkers::probe::{self, Context};
use checkers::{Cause, ClientCertificate, HttpGet, Kind, ProbeResult, State, TcpCheck, Tls};
use common::authority::{authority, https, https_with, pem_file, server_config, trusting};
use common::{LONG, SHORT, failure, local, monitor, run};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

const DAY: Duration = Duration::from_secs(86_400);

fn check(tls: Tls) -> Kind {
    Kind::Http(HttpGet { tls: Some(tls), ..HttpGet::default() })
}

fn unverified() -> Tls {
    Tls { verify: false, ..Tls::VERIFIED }
}

fn showing(file: &std::path::Path) -> Tls {
    let (certificate_file, key_file) = (file.to_owned(), file.to_owned());
    Tls { client: Some(ClientCertificate { certificate_file, key_file }), ..unverified() }
}

#[tokio::test]
async fn a_server_that_wants_a_certificate_gets_it() {
    let (trusted, other) = (authority(), authority());
    let config = server_config(&["127.0.0.1"], None, Some(&trusted), |_| ());
    let address = https_with(config).await;
    let good = trusted.certify(&["lb1.example.org"]);
    let outcome = run(address, check(showing(good.path())), LONG).await;
    assert_eq!(outcome.result, ProbeResult::Passed);

    let bad = other.certify(&["lb1.example.org"]);
    for tls in [showing(bad.path()), unverified()] {
        let outcome = run(address, check(tls), LONG).await;
        failure(&outcome, Cause::Tls);
    }
}

#[tokio::test]
async fn a_certificate_of_the_client_that_cannot_be_used_is_local_trouble() {
    let address = https(&["127.0.0.1"], None, |_| ()).await;
    let text = local(&run(address, check(showing("/nonexistent.pem".as_ref())), LONG).await);
    assert!(text.starts_with("read certificate_file /nonexistent.pem: "), "{text}");

    let authority = authority();
    let text = local(&run(address, check(showing(authority.file.path())), LONG).await);
    let start = format!("read key_file {}: ", authority.file.path().display());
    assert!(text.starts_with(&start), "{text}");

    // The key of another certificate.
    let (one, other) = (authority.certify(&["a"]), authority.certify(&["b"]));
    let client = ClientCertificate {
        certificate_file: one.path().to_owned(),
        key_file: other.path().to_owned(),
    };
    let text =
        local(&run(address, check(Tls { client: Some(client), ..unverified() }), LONG).await);
    assert!(text.starts_with(&format!("use certificate_file {}", one.path().display())), "{text}");
}

#[tokio::test]
async fn a_certificate_near_its_end_is_noted_and_then_fails() {
    let in_five_days = (SystemTime::now() + 5 * DAY + DAY / 2).into();
    let address = https(&["127.0.0.1"], None, |params| params.not_after = in_five_days).await;
    let expiring = |warning: u32, failure: u32| Tls {
        expiry_warning: Some(DAY * warning),
        expiry_failure: Some(DAY * failure),
        ..unverified()
    };
    for kind in [
        check(expiring(14, 1)),
        Kind::Tcp(TcpCheck { tls: Some(expiring(14, 1)), ..TcpCheck::default() }),
    ] {
        let outcome = run(address, kind, LONG).await;
        assert_eq!(outcome.result, ProbeResult::Passed);
        let note = outcome.warning.unwrap();
        assert!(note.starts_with("TLS: the certificate expires in 5 days (2"), "{note}");
    }
    let outcome = run(address, check(expiring(4, 1)), LONG).await;
    assert_eq!((outcome.result, outcome.warning), (ProbeResult::Passed, None));
    let text =
        failure(&run(address, check(expiring(14, 7)), LONG).await, Cause::CertificateExpired);
    assert!(text.starts_with("TLS: the certificate expires in 5 days (2"), "{text}");
}

/// What expires first is told, but only the server's own certificate takes it down.
#[tokio::test]
async fn a_certificate_of_the_chain_near_its_end_warns_and_does_not_fail() {
    let in_three_days = (SystemTime::now() + 3 * DAY + DAY / 2).into();
    let key = KeyPair::generate().unwrap();
    let mut between = CertificateParams::new(Vec::new()).unwrap();
    between.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    between.distinguished_name.push(DnType::CommonName, "between");
    between.not_after = in_three_days;
    let between = CertifiedIssuer::self_signed(between, key).unwrap();
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec!["127.0.0.1".into()]).unwrap();
    let own = own.signed_by(&key, &between).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let chain = vec![own.der().clone(), between.der().clone()];
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let tls = Tls { expiry_warning: Some(DAY * 14), expiry_failure: Some(DAY * 7), ..unverified() };
    let outcome = run(https_with(config).await, check(tls), LONG).await;
    assert_eq!(outcome.result, ProbeResult::Passed);
    let warning = outcome.warning.unwrap();
    assert!(warning.starts_with("TLS: certificate 2 of the chain (CN=between"), "{warning}");
    assert!(warning.contains(") expires in 3 days (2"), "{warning}");
}

#[tokio::test]
async fn the_server_has_to_choose_one_of_the_protocols() {
    let mut config = server_config(&["127.0.0.1"], None, None, |_| ());
    config.alpn_protocols = vec![b"imap".to_vec(), b"http/1.1".to_vec()];
    let (speaking, mute) = (https_with(config).await, https(&["127.0.0.1"], None, |_| ()).await);
    let asking = |protocol: &str| {
        let tls = Tls { alpn: vec![protocol.to_owned()], ..unverified() };
        Kind::Tcp(TcpCheck { tls: Some(tls), ..TcpCheck::default() })
    };
    assert_eq!(run(speaking, asking("imap"), LONG).await.result, ProbeResult::Passed);
    failure(&run(speaking, asking("pop3"), LONG).await, Cause::Tls);
    let text = failure(&run(mute, asking("imap"), LONG).await, Cause::Tls);
    assert_eq!(text, "TLS: the server chose none of the protocols imap");
}

#[tokio::test]
async fn files_are_read_once_and_anew_after_a_refresh() {
    let (old, new) = (authority(), authority());
    let address = https(&["127.0.0.1"], Some(&old), |_| ()).await;
    let mut file = pem_file(&old.issuer.pem());
    let tls = Tls { ca_file: Some(file.path().to_owned()), ..trusting(&old, None) };
    let monitor = monitor(address, check(tls), LONG);
    let context = Context::new();
    let run = || probe::run(&monitor, State::Unknown, &context);
    assert_eq!(run().await.result, ProbeResult::Passed);

    file.as_file().set_len(0).unwrap();
    std::io::Seek::rewind(&mut file).unwrap();
    file.write_all(new.issuer.pem().as_bytes()).unwrap();
    assert_eq!(run().await.result, ProbeResult::Passed);
    context.refresh();
    failure(&run().await, Cause::CertificateUntrusted);
}

/// Lets whoever waits for a named pipe come back: a runtime waits for its threads.
struct Release(std::path::PathBuf);

impl Drop for Release {
    fn drop(&mut self) {
        // To read and write: it does not wait itself (fifo(7)).
        drop(std::fs::OpenOptions::new().read(true).write(true).open(&self.0).unwrap());
    }
}

/// A named pipe that nobody writes to: to open it takes for ever, as on a dead file server.
#[tokio::test]
async fn a_file_that_hangs_takes_one_thread() {
    let address = https(&["127.0.0.1"], None, |_| ()).await;
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("ca.pem");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let tls = Tls { ca_file: Some(pipe.clone()), ..Tls::VERIFIED };
    let _release = Release(pipe);
    let context = Context::new();
    let (monitor, other) =
        (monitor(address, check(tls.clone()), SHORT), monitor(address, check(tls), LONG));
    let first = local(&probe::run(&monitor, State::Unknown, &context).await);
    let hint = "(does its file system hang?)";
    assert_eq!(first, format!("read the files of TLS: not done within the timeout {hint}"));
    for monitor in [&monitor, &other] {
        context.refresh();
        let again = local(&probe::run(monitor, State::Unknown, &context).await);
        let text = format!("read the files of TLS: the last time has not come back yet {hint}");
        assert_eq!(again, text);
    }
}
