//! `smtp_check` against servers written here.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "a test of sockets and time, whose helpers may panic"
)]

mod common;

use std::net::SocketAddr;
use std::sync::Arc;

use checkers::probe::tls::provider;
use checkers::{Cause, Kind, ProbeResult, SmtpCheck, SmtpEncryption, Tls};
use common::faults::{First, saying};
use common::{LONG, SHORT, failure, run, server};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

/// What a server answers to the commands in turn; the first is the greeting. It checks that each
/// command begins as given.
type Script = &'static [(&'static str, &'static str)];

async fn play(stream: impl AsyncRead + AsyncWrite + Unpin, script: Script) {
    let mut stream = BufReader::new(stream);
    for (command, answer) in script {
        if !command.is_empty() {
            let mut line = String::new();
            let _ = stream.read_line(&mut line).await;
            assert!(line.starts_with(command) && line.ends_with("\r\n"), "{line:?}");
        }
        let _ = stream.write_all(answer.as_bytes()).await;
        let _ = stream.flush().await;
    }
    // Keeps the connection open.
    let _ = stream.read_line(&mut String::new()).await;
}

async fn playing(script: Script) -> SocketAddr {
    server(move |stream| play(stream, script)).await
}

fn smtp(encryption: SmtpEncryption) -> Kind {
    Kind::Smtp(SmtpCheck { encryption, ..SmtpCheck::default() })
}

fn plain() -> Kind {
    smtp(SmtpEncryption::None)
}

fn unverified() -> Tls {
    Tls { verify: false, ..Tls::VERIFIED }
}

fn acceptor() -> TlsAcceptor {
    let certified = rcgen::generate_simple_self_signed(vec!["mx.example.com".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der()));
    let config = rustls::ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// A server that answers STARTTLS, and then plays `script` over TLS.
async fn starting_tls(before: Script, after: Script) -> SocketAddr {
    let acceptor = acceptor();
    server(move |mut stream: TcpStream| {
        let acceptor = acceptor.clone();
        async move {
            for (command, answer) in before {
                if !command.is_empty() {
                    // Not buffered: what follows is TLS.
                    let mut line = Vec::new();
                    while !line.ends_with(b"\n") {
                        line.push(tokio::io::AsyncReadExt::read_u8(&mut stream).await.unwrap());
                    }
                    assert!(line.starts_with(command.as_bytes()), "{line:?}");
                }
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
            let Ok(stream) = acceptor.accept(stream).await else { return };
            play(stream, after).await;
        }
    })
    .await
}

#[tokio::test]
async fn a_greeting_of_several_lines_and_ehlo_pass() {
    let address = playing(&[
        ("", "220-mx.example.com ESMTP\r\n220-no spam\r\n220 please\r\n"),
        ("EHLO [127.0.0.1]\r\n", "250-mx.example.com\r\n250-SIZE 1000\r\n250 HELP\r\n"),
        ("QUIT\r\n", "221 bye\r\n"),
    ])
    .await;
    assert_eq!(run(address, plain(), LONG).await.result, ProbeResult::Passed);
}

#[tokio::test]
async fn who_knows_no_ehlo_is_greeted_with_helo() {
    let address = playing(&[
        ("", "220 old\r\n"),
        ("EHLO lb.example.com\r\n", "502 what?\r\n"),
        ("HELO lb.example.com\r\n", "250 old\r\n"),
        ("QUIT\r\n", "221 bye\r\n"),
    ])
    .await;
    let helo_name = Some("lb.example.com".to_owned());
    let kind = Kind::Smtp(SmtpCheck { helo_name, ..SmtpCheck::default() });
    assert_eq!(run(address, kind, LONG).await.result, ProbeResult::Passed);
}

#[tokio::test]
async fn a_server_may_leave_without_a_word() {
    let address = server(|stream: TcpStream| async move {
        let mut stream = BufReader::new(stream);
        for answer in ["220 a\r\n", "250 b\r\n"] {
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.read_line(&mut String::new()).await.unwrap();
        }
    })
    .await;
    assert_eq!(run(address, plain(), LONG).await.result, ProbeResult::Passed);
}

#[tokio::test]
async fn refusals_are_named_with_their_step() {
    for (script, code, text) in [
        (&[("", "554 no service\r\n")][..], 554, "greeting: 554 no service (expected 220)"),
        (&[("", "421-busy\r\n421 later\r\n")], 421, "greeting: 421 busy (expected 220)"),
        (
            &[("", "220 a\r\n"), ("EHLO", "451 not now\r\n")],
            451,
            "EHLO: 451 not now (expected 250)",
        ),
        (
            &[("", "220 a\r\n"), ("EHLO", "500 a\r\n"), ("HELO", "550 b\r\n")],
            550,
            "HELO: 550 b (expected 250)",
        ),
    ] {
        let address = playing(script).await;
        let outcome = run(address, plain(), LONG).await;
        assert_eq!(failure(&outcome, Cause::Status(code)), text);
    }
}

#[tokio::test]
async fn tls_is_spoken_after_starttls_or_at_once() {
    const HELLO: Script = &[("EHLO", "250 mx.example.com\r\n"), ("QUIT", "221 bye\r\n")];
    const BEFORE: Script = &[
        ("", "220 mx.example.com\r\n"),
        ("EHLO", "250-mx.example.com\r\n250-STARTTLS\r\n250 HELP\r\n"),
        ("STARTTLS\r\n", "220 go ahead\r\n"),
    ];
    let address = starting_tls(BEFORE, HELLO).await;
    let kind = smtp(SmtpEncryption::StartTls(unverified()));
    assert_eq!(run(address, kind, LONG).await.result, ProbeResult::Passed);
    let outcome = run(address, smtp(SmtpEncryption::StartTls(Tls::VERIFIED)), LONG).await;
    assert!(
        matches!(&outcome.result, ProbeResult::Failed(_) | ProbeResult::Local(_)),
        "{outcome:?}"
    );

    const WHOLE: Script =
        &[("", "220 mx.example.com\r\n"), ("EHLO", "250 a\r\n"), ("QUIT", "221 bye\r\n")];
    let address = starting_tls(&[], WHOLE).await;
    let kind = smtp(SmtpEncryption::Smtps(unverified()));
    assert_eq!(run(address, kind, LONG).await.result, ProbeResult::Passed);
}

#[tokio::test]
async fn starttls_has_to_be_offered_and_clean() {
    let kind = || smtp(SmtpEncryption::StartTls(unverified()));
    let address = playing(&[("", "220 a\r\n"), ("EHLO", "250-a\r\n250 HELP\r\n")]).await;
    let outcome = run(address, kind(), LONG).await;
    assert_eq!(failure(&outcome, Cause::Tls), "the server does not offer STARTTLS");

    let address = playing(&[
        ("", "220 a\r\n"),
        ("EHLO", "250-a\r\n250 STARTTLS\r\n"),
        ("STARTTLS", "220 go\r\n250 injected\r\n"),
    ])
    .await;
    let outcome = run(address, kind(), LONG).await;
    let text = failure(&outcome, Cause::Protocol);
    assert_eq!(text, "STARTTLS: the server goes on in plain text");
}

#[tokio::test]
async fn other_protocols_and_silence_later_on_are_named() {
    let address = saying(First::Server, b"SSH-2.0-OpenSSH_9.2\r\n").await;
    let text = failure(&run(address, plain(), LONG).await, Cause::Protocol);
    assert_eq!(text, "greeting: a line without a reply code: \"SSH-2.0-OpenSSH_9.2\\r\\n\"");

    let address = saying(First::Server, b"220 a\r\n").await;
    let text = failure(&run(address, plain(), SHORT).await, Cause::TimedOut);
    assert_eq!(text, "timed out after 300ms while waiting for the reply (EHLO)");
}
