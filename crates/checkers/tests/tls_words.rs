//! What an operator reads when TLS fails, by what is wrong with the server or its certificate.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "a test of sockets, whose helpers may panic"
)]

mod common;

use checkers::{Cause, Kind, TcpCheck, Tls};
use common::authority::{Authority, authority, https, trusting};
use common::faults::{First, saying};
use common::{LONG, failure, run};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, IsCa,
    date_time_ymd,
};

const NAME: &str = "www.example.org";

/// Makes a certificate worse.
type Change = fn(&mut CertificateParams);

fn check(tls: Tls) -> Kind {
    Kind::Tcp(TcpCheck { tls: Some(tls), ..TcpCheck::default() })
}

/// How a handshake fails with a certificate that is changed like this.
async fn shown(authority: &Authority, names: &[&str], change: Change, cause: Cause) -> String {
    let address = https(names, Some(authority), change).await;
    failure(&run(address, check(trusting(authority, Some(NAME))), LONG).await, cause)
}

#[tokio::test]
async fn certificates_that_are_no_good_are_told_apart() {
    let authority = authority();
    let future = |params: &mut CertificateParams| params.not_before = date_time_ymd(4000, 1, 1);
    let of_authority =
        |params: &mut CertificateParams| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let of_client = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    };
    let strange = |params: &mut CertificateParams| {
        // Of the arc for examples (2.999).
        let mut extension = CustomExtension::from_oid_content(&[2, 999, 1], b"\x05\0".to_vec());
        extension.set_criticality(true);
        params.custom_extensions = vec![extension];
    };
    let rows: [(Change, Cause, &str); 4] = [
        (
            future,
            Cause::CertificateExpired,
            "TLS: the certificate is not valid yet (4000-01-01T00:00:00Z)",
        ),
        (
            of_authority,
            Cause::CertificateUntrusted,
            "TLS: the server shows an authority's certificate (CA:TRUE) as its own; have one \
             issued for the server, or set verify = false",
        ),
        (of_client, Cause::Tls, "TLS: the certificate is not one for servers (extended key usage)"),
        (
            strange,
            Cause::Tls,
            "TLS: the certificate has a critical extension that is not understood here",
        ),
    ];
    for (change, cause, text) in rows {
        assert_eq!(shown(&authority, &[NAME], change, cause).await, text);
    }
}

#[tokio::test]
async fn the_names_of_the_certificate_are_shown() {
    let authority = authority();
    for (names, text) in [
        (&["mail.example.org"][..], ", but for mail.example.org"),
        (&["*.example.com", "198.51.100.11"], ", but for *.example.com, 198.51.100.11"),
        (&["a", "b", "c", "d", "e"], ", but for a, b, c, d, ..."),
        (&[], ""),
    ] {
        let found = shown(&authority, names, |_| (), Cause::NameMismatch).await;
        assert_eq!(found, format!("TLS: the certificate is not for the name {NAME}{text}"));
    }
}

/// Fatal alerts by their numbers (RFC 8446, 6), as the whole answer to the first message.
#[tokio::test]
async fn what_the_server_refuses_is_named() {
    /// A record with an alert.
    macro_rules! alert {
        ($number:literal) => {
            &[0x15, 3, 3, 0, 2, 2, $number]
        };
    }
    let rows: [(&'static [u8], &str); 8] = [
        (alert!(40), "no common version or cipher"),
        (alert!(70), "no common version of TLS"),
        (alert!(112), "it does not know the server_name"),
        (alert!(116), "it wants a client certificate (certificate_file)"),
        (alert!(48), "it does not accept the client certificate (UnknownCA)"),
        (alert!(45), "it does not accept the client certificate (CertificateExpired)"),
        (alert!(120), "it speaks none of the offered protocols (ALPN)"),
        (alert!(80), "alert InternalError"),
    ];
    for (alert, text) in rows {
        let address = saying(First::Client, alert).await;
        let tls = Tls { verify: false, ..Tls::VERIFIED };
        let found = failure(&run(address, check(tls), LONG).await, Cause::Tls);
        assert_eq!(found, format!("TLS: the server refuses: {text}"));
    }
}

#[tokio::test]
async fn a_server_that_speaks_something_else_is_named() {
    for words in [&b"220 mail.example.org ESMTP\r\n"[..], b"HTTP/1.1 400 Bad Request\r\n\r\n"] {
        let address = saying(First::Server, words).await;
        let tls = Tls { verify: false, ..Tls::VERIFIED };
        let found = failure(&run(address, check(tls), LONG).await, Cause::Tls);
        assert_eq!(found, "TLS: the server does not speak TLS on this port");
    }
}
