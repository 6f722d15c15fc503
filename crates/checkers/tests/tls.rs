//! `http_get` over TLS: which certificates pass.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "a test of sockets, processes and time, whose helpers may panic"
)]

mod common;

use checkers::{Cause, HttpGet, HttpRequest, Kind, ProbeResult, Tls};
use common::authority::{authority, https, pem_file, trusting};
use common::{LONG, failure, http, local, run};
use rcgen::date_time_ymd;

fn check(tls: Tls) -> Kind {
    Kind::Http(HttpGet { tls: Some(tls), ..http(HttpRequest::default()) })
}

fn unverified() -> Tls {
    Tls { verify: false, ..Tls::VERIFIED }
}

#[tokio::test]
async fn a_certificate_for_the_name_by_a_trusted_authority_passes() {
    let authority = authority();
    let address = https(&["www.example.org", "127.0.0.1"], Some(&authority), |_| ()).await;
    // By SNI name, by the address, and by the Host value without its port.
    let host = Some("www.example.org:8443".into());
    let by_host = HttpGet {
        tls: Some(trusting(&authority, None)),
        ..http(HttpRequest { host, ..HttpRequest::default() })
    };
    for kind in [
        check(trusting(&authority, Some("www.example.org"))),
        check(trusting(&authority, None)),
        Kind::Http(by_host),
    ] {
        assert_eq!(run(address, kind, LONG).await.result, ProbeResult::Passed);
    }
}

#[tokio::test]
async fn the_server_name_is_sent_to_the_server() {
    let authority = authority();
    let address = https(&["missing.example.org"], Some(&authority), |_| ()).await;
    let outcome =
        run(address, check(trusting(&authority, Some("missing.example.org"))), LONG).await;
    failure(&outcome, Cause::Status(404));
}

#[tokio::test]
async fn wrong_certificates_fail_each_with_its_reason() {
    let authority = authority();
    let www = Some("www.example.org");

    let other_name = https(&["mail.example.org"], Some(&authority), |_| ()).await;
    let outcome = run(other_name, check(trusting(&authority, www)), LONG).await;
    assert_eq!(
        failure(&outcome, Cause::NameMismatch),
        "TLS: the certificate is not for the name www.example.org, but for mail.example.org"
    );

    let expired = https(&["www.example.org"], Some(&authority), |params| {
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 1);
    })
    .await;
    let outcome = run(expired, check(trusting(&authority, www)), LONG).await;
    assert_eq!(
        failure(&outcome, Cause::CertificateExpired),
        "TLS: the certificate has expired (2020-01-01T00:00:00Z)"
    );

    let future = https(&["www.example.org"], Some(&authority), |params| {
        params.not_before = date_time_ymd(4000, 1, 1);
    })
    .await;
    let outcome = run(future, check(trusting(&authority, www)), LONG).await;
    assert_eq!(
        failure(&outcome, Cause::CertificateExpired),
        "TLS: the certificate is not valid yet (4000-01-01T00:00:00Z)"
    );

    let self_signed = https(&["www.example.org"], None, |_| ()).await;
    let outcome = run(self_signed, check(trusting(&authority, www)), LONG).await;
    assert_eq!(
        failure(&outcome, Cause::CertificateUntrusted),
        "TLS: the certificate is not signed by a trusted authority"
    );

    for address in [other_name, expired, future, self_signed] {
        let outcome = run(address, check(unverified()), LONG).await;
        assert_eq!(outcome.result, ProbeResult::Passed, "verify = false accepts it");
    }
}

#[tokio::test]
async fn an_answer_cut_short_fails_over_tls_too() {
    let address = https(&["www.example.org"], None, |_| ()).await;
    let short = HttpRequest { path: "/short".into(), ..HttpRequest::default() };
    let check = HttpGet { tls: Some(unverified()), requests: vec![short], ..HttpGet::default() };
    failure(&run(address, Kind::Http(check), LONG).await, Cause::Closed);
}

#[tokio::test]
async fn without_a_file_the_systems_authorities_decide() {
    let address = https(&["127.0.0.1"], None, |_| ()).await;
    let system = Tls::VERIFIED;
    let outcome = run(address, check(system), LONG).await;
    if std::path::Path::new("/etc/ssl/certs/ca-certificates.crt").exists() {
        failure(&outcome, Cause::CertificateUntrusted);
    } else {
        let text = local(&outcome);
        assert!(text.contains("install ca-certificates"), "{text}");
    }
}

#[tokio::test]
async fn unreadable_authorities_are_local_trouble() {
    let address = https(&["www.example.org"], None, |_| ()).await;
    let with =
        |path: &std::path::Path| check(Tls { ca_file: Some(path.to_owned()), ..Tls::VERIFIED });
    let text = local(&run(address, with("/nonexistent/ca.pem".as_ref()), LONG).await);
    assert!(text.starts_with("read ca_file /nonexistent/ca.pem: "), "{text}");

    let empty = pem_file("no certificate\n");
    let text = local(&run(address, with(empty.path()), LONG).await);
    assert!(text.ends_with("no certificate in it"), "{text}");

    let bad_name = Tls { server_name: Some("-".into()), ..unverified() };
    let text = local(&run(address, check(bad_name), LONG).await);
    assert_eq!(text, "`-` is not a valid server name for TLS");
}
