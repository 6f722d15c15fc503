//! `http_get` and `tcp_check` with every key.
#![allow(clippy::unwrap_used, reason = "a test, whose helpers may panic")]

use std::path::Path;
use std::time::Duration;

use checkers::{
    BasicAuth, ClientCertificate, Digest, Expect, Expectation, Header, HttpGet, HttpMethod,
    HttpRequest, HttpVersion, Kind, Pattern, Secret, StatusRange, TcpCheck, Tls,
};

/// The one check of this text.
fn kind(check: &str) -> Kind {
    let text = format!(
        "[virtual_server.web]\naddress = \"192.0.2.10:80\"\n\
         real_servers = [{{ address = \"198.51.100.11:80\" }}]\n\
         [[virtual_server.web.checks]]\n{check}"
    );
    let config = config::parse(Path::new("check.toml"), text);
    let config = config.unwrap_or_else(|errors| panic!("{errors}"));
    config.virtual_servers[0].real_servers[0].checks[0].kind.clone()
}

fn header(name: &str, value: &str) -> Header {
    Header { name: name.to_owned(), value: Secret::new(value) }
}

fn pattern(text: &str) -> Pattern {
    Pattern::new(text).unwrap()
}

#[test]
fn an_http_request_with_every_key() {
    let found = kind(
        r#"
        [virtual_server.web.checks.http_get]
        version = "1.0"
        method = "POST"
        body = "ping"
        status = [200]
        contains = "ready"
        contains_not = ["error", "fatal"]
        regex = ['^\d+$', 'x']
        regex_not = 'y'
        md5 = "D41D8CD98F00B204E9800998ECF8427E"
        sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        body_limit = 4096
        auth = { user = "lvs", password = "1234" }
        "#,
    );
    // Of nothing, as `md5sum` and `sha256sum` print them.
    let md5 = [
        0xd4, 0x1d, 0x8c, 0xd9, 0x8f, 0x00, 0xb2, 0x04, 0xe9, 0x80, 0x09, 0x98, 0xec, 0xf8, 0x42,
        0x7e,
    ];
    let sha256 = [
        0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9,
        0x24, 0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52,
        0xb8, 0x55,
    ];
    let request = HttpRequest {
        method: HttpMethod::Post,
        body: Some("ping".to_owned()),
        status: vec![StatusRange { first: 200, last: 200 }],
        content: vec![
            Expectation::Contains("ready".to_owned()),
            Expectation::ContainsNot("error".to_owned()),
            Expectation::ContainsNot("fatal".to_owned()),
            Expectation::Matches(pattern(r"^\d+$")),
            Expectation::Matches(pattern("x")),
            Expectation::MatchesNot(pattern("y")),
            Expectation::Digest(Digest::Md5(md5)),
            Expectation::Digest(Digest::Sha256(sha256)),
        ],
        body_limit: 4096,
        ..HttpRequest::default()
    };
    let wanted = HttpGet {
        version: HttpVersion::Http10,
        auth: Some(BasicAuth { user: "lvs".to_owned(), password: Secret::new("1234") }),
        requests: vec![request],
        ..HttpGet::default()
    };
    assert_eq!(found, Kind::Http(wanted));
    assert!(!format!("{found:?}").contains("1234"));
}

#[test]
fn urls_have_what_the_check_says_unless_they_say_it() {
    let found = kind(
        r#"
        [virtual_server.web.checks.http_get]
        host = "www.example.org"
        headers = { X-A = "1", X-B = "2" }
        urls = [
            {},
            { path = "/b", host = "b.example.org", headers = { x-b = "3", X-C = "4" }, method = "HEAD" },
        ]
        "#,
    );
    let first = HttpRequest {
        host: Some("www.example.org".to_owned()),
        headers: vec![header("X-A", "1"), header("X-B", "2")],
        ..HttpRequest::default()
    };
    let second = HttpRequest {
        method: HttpMethod::Head,
        path: "/b".to_owned(),
        host: Some("b.example.org".to_owned()),
        headers: vec![header("X-A", "1"), header("x-b", "3"), header("X-C", "4")],
        ..HttpRequest::default()
    };
    let wanted = HttpGet { requests: vec![first, second], ..HttpGet::default() };
    assert_eq!(found, Kind::Http(wanted));
}

#[test]
fn a_tcp_check_with_every_key() {
    let found = kind(
        r#"
        [virtual_server.web.checks.tcp_check]
        send = "PING\r\n"
        expect = { regex = '^\+PONG' }
        [virtual_server.web.checks.tcp_check.tls]
        server_name = "www.example.org"
        ca_file = "/etc/lvsd/ca.pem"
        certificate_file = "/etc/lvsd/lb.pem"
        key_file = "/etc/lvsd/lb.key"
        alpn = ["imap"]
        expiry_warning = "14d"
        expiry_failure = "1d"
        "#,
    );
    let tls = Tls {
        verify: true,
        server_name: Some("www.example.org".to_owned()),
        ca_file: Some("/etc/lvsd/ca.pem".into()),
        client: Some(ClientCertificate {
            certificate_file: "/etc/lvsd/lb.pem".into(),
            key_file: "/etc/lvsd/lb.key".into(),
        }),
        alpn: vec!["imap".to_owned()],
        expiry_warning: Some(Duration::from_secs(14 * 86_400)),
        expiry_failure: Some(Duration::from_secs(86_400)),
    };
    let wanted = TcpCheck {
        tls: Some(tls),
        send: b"PING\r\n".to_vec(),
        expect: Some(Expect::Matches(pattern(r"^\+PONG"))),
        ..TcpCheck::default()
    };
    assert_eq!(found, Kind::Tcp(wanted));
}

#[test]
fn bytes_may_be_written_in_hexadecimal() {
    let found = kind("tcp_check = { send = { hex = '00 fF0a' }, expect = { hex = '7f' } }\n");
    let wanted = TcpCheck {
        send: vec![0, 255, 10],
        expect: Some(Expect::Bytes(vec![0x7f])),
        ..TcpCheck::default()
    };
    assert_eq!(found, Kind::Tcp(wanted));
    let found = kind("tcp_check = { expect = '220' }\n");
    let wanted = TcpCheck { expect: Some(Expect::Bytes(b"220".to_vec())), ..TcpCheck::default() };
    assert_eq!(found, Kind::Tcp(wanted));
}

#[test]
fn one_file_may_hold_certificate_and_key() {
    let found = kind("tcp_check = { tls = { certificate_file = '/lb.pem' } }\n");
    let Kind::Tcp(TcpCheck { tls: Some(tls), .. }) = found else { panic!("{found:?}") };
    let client = tls.client.unwrap();
    assert_eq!(client.certificate_file, client.key_file);
}

#[test]
fn hosts_that_can_be_asked_for() {
    for host in [
        "localhost",
        "a_b.example.org:8080",
        "192.0.2.1:80",
        "192.0.2.1",
        "[2001:db8::1]:443",
        "[::1]",
    ] {
        let Kind::Http(found) = kind(&format!("http_get = {{ host = \"{host}\", tls = {{}} }}"))
        else {
            panic!("{host}")
        };
        assert_eq!(found.requests[0].host.as_deref(), Some(host));
    }
    for name in ["www.example.org", "192.0.2.1", "2001:db8::1"] {
        let text = format!("tcp_check = {{ tls = {{ server_name = \"{name}\" }} }}");
        let Kind::Tcp(TcpCheck { tls: Some(tls), .. }) = kind(&text) else { panic!("{name}") };
        assert_eq!(tls.server_name.as_deref(), Some(name));
    }
}
