//! What the keys of the kinds of check mean.
#![allow(clippy::unwrap_used, reason = "a test, whose helpers may panic")]

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use checkers::{
    AgentCheck, Connect, DnsCheck, DnsTransport, FileCheck, FileValue, GrpcCheck, Kind, Matching,
    Pattern, PingCheck, Rcode, RecordType, SmtpCheck, SmtpEncryption, Tls, UdpCheck, UdpReply, Via,
};
use config::RealServer;

/// The kind that a check with this line has.
#[track_caller]
fn kind(line: &str) -> Kind {
    let text = format!(
        "[virtual_server.web]\n\
         address = \"192.0.2.10:80\"\n\
         [[virtual_server.web.real_servers]]\n\
         address = \"198.51.100.11:80\"\n\
         [[virtual_server.web.real_servers.checks]]\n\
         {line}\n"
    );
    let config = config::parse(Path::new("test.toml"), &text).unwrap();
    config.virtual_servers[0].real_servers[0].checks[0].kind.clone()
}

/// All keys of a connection, and what they mean.
const CONNECT: &str = r#"address = "203.0.113.1", port = 81, source = "203.0.113.2",
    interface = "eth1", mark = 7"#;

fn connect() -> Connect {
    Connect {
        address: Some("203.0.113.1".parse().unwrap()),
        port: Some(81),
        source: Some("203.0.113.2".parse().unwrap()),
        interface: Some("eth1".to_owned()),
        mark: Some(7),
        via: Via::Server,
    }
}

/// The ways of the checks of a real server.
fn paths(server: &RealServer) -> Vec<Option<(IpAddr, u32)>> {
    server.checks.iter().map(|check| check.kind.connect().unwrap().path()).collect()
}

#[test]
fn via_the_virtual_address() {
    let text = |others: &str| {
        format!(
            r#"
            [ipvs]
            path_marks = 256
            {others}
            [virtual_server.web]
            address = "192.0.2.10:80"
            checks = [
                {{ tcp_check = {{ via = "server" }} }},
                {{ tcp_check = {{ via = "vip", port = 81 }} }},
                {{ http_get = {{ via = "vip" }} }},
            ]
            real_servers = [{{ address = "198.51.100.1:80" }}, {{ address = "198.51.100.2:80" }}]
            "#
        )
    };
    let servers = |text: &str| {
        let config = config::parse(Path::new("test.toml"), text).unwrap();
        config.virtual_servers.into_iter().find(|v| v.name == "web").unwrap().real_servers
    };
    let alone = servers(&text(""));
    let vip: IpAddr = "192.0.2.10".parse().unwrap();
    let marks = alone.iter().map(|server| {
        let [None, Some((a, first)), Some((b, second))] = paths(server)[..] else {
            panic!("{:?}", paths(server))
        };
        assert_eq!((a, b), (vip, vip));
        assert_eq!(first, second, "one mark for each real server");
        assert!((256..256 + 0x1_0000).contains(&first), "{first}");
        first
    });
    let marks: Vec<u32> = marks.collect();
    assert_ne!(marks[0], marks[1]);
    assert_eq!(alone[0].checks[1].kind.connect().unwrap().port, Some(81));

    // What else there is changes no mark, unless it has the same one.
    let other = "[virtual_server.api]\naddress = \"192.0.2.11:80\"\n\
                 checks = [{ tcp_check = { via = \"vip\" } }]\n\
                 real_servers = [{ address = \"198.51.100.1:80\" }]\n";
    assert_eq!(servers(&text(other)), alone);
    let taken = format!(
        "[virtual_server.taken]\nfwmark = {}\nreal_servers = [{{ address = \"198.51.100.9\" }}]\n",
        marks[0]
    );
    assert_eq!(paths(&servers(&text(&taken))[0])[1], Some((vip, marks[0] + 1)));
}

#[test]
fn dns_check() {
    assert_eq!(kind("dns_check = {}"), Kind::Dns(DnsCheck::default()));
    let line = format!(
        r#"dns_check = {{ {CONNECT}, transport = "tcp", name = "_ldap._tcp.example.com.",
           type = "SRV", recursion = false, answers = ["0 5 389 ldap.example.com", "x"],
           match = "any", min_answers = 2 }}"#
    );
    let dns = DnsCheck {
        connect: connect(),
        transport: DnsTransport::Tcp,
        name: "_ldap._tcp.example.com.".to_owned(),
        record_type: RecordType(33),
        recursion: false,
        rcode: Rcode(0),
        answers: vec!["0 5 389 ldap.example.com".to_owned(), "x".to_owned()],
        matching: Matching::Any,
        min_answers: 2,
    };
    assert_eq!(kind(&line), Kind::Dns(dns));
    let refused = DnsCheck { rcode: Rcode(5), ..DnsCheck::default() };
    assert_eq!(kind(r#"dns_check = { rcode = "REFUSED" }"#), Kind::Dns(refused));
}

#[test]
fn udp_check() {
    let udp = |send: &[u8], reply| {
        Kind::Udp(UdpCheck { connect: Connect::default(), send: send.to_vec(), reply })
    };
    assert_eq!(kind("udp_check = {}"), udp(b"", UdpReply::Optional));
    assert_eq!(kind("udp_check = { require_reply = false }"), udp(b"", UdpReply::Optional));
    assert_eq!(
        kind(r#"udp_check = { send = "ping\n", require_reply = true }"#),
        udp(b"ping\n", UdpReply::Required)
    );
    assert_eq!(
        kind(r#"udp_check = { send = "ping", expect = "pong", require_reply = true }"#),
        udp(b"ping", UdpReply::Bytes(b"pong".to_vec()))
    );
    assert_eq!(
        kind(r#"udp_check = { send = "ping", expect = { regex = "^p.ng$" } }"#),
        udp(b"ping", UdpReply::Matches(Pattern::new("^p.ng$").unwrap()))
    );
    let line = format!(
        r#"udp_check = {{ {CONNECT}, send = {{ hex = "00FF" }}, expect = {{ hex = "80 ??" }} }}"#
    );
    let check = UdpCheck {
        connect: connect(),
        send: vec![0, 255],
        reply: UdpReply::Hex("80 ??".parse().unwrap()),
    };
    assert_eq!(kind(&line), Kind::Udp(check));
}

#[test]
fn ping_check() {
    assert_eq!(kind("ping_check = {}"), Kind::Ping(PingCheck::default()));
    let line = r#"ping_check = { address = "2001:db8::1", source = "2001:db8::2", mark = 1,
        interface = "eth1", count = 5, spacing = "50ms", max_loss = "40%", max_latency = "20ms" }"#;
    let ping = PingCheck {
        connect: Connect {
            address: Some("2001:db8::1".parse().unwrap()),
            port: None,
            source: Some("2001:db8::2".parse().unwrap()),
            interface: Some("eth1".to_owned()),
            mark: Some(1),
            via: Via::Server,
        },
        count: 5,
        spacing: Duration::from_millis(50),
        max_loss: 40,
        max_latency: Some(Duration::from_millis(20)),
    };
    assert_eq!(kind(line), Kind::Ping(ping));
}

#[test]
fn a_ping_needs_no_port() {
    let text = r#"
        [virtual_server.marked]
        fwmark = 7
        real_servers = [{ address = "198.51.100.11", checks = [{ ping_check = {} }] }]
    "#;
    assert!(config::parse(Path::new("test.toml"), text).is_ok());
}

#[test]
fn smtp_check() {
    assert_eq!(kind("smtp_check = {}"), Kind::Smtp(SmtpCheck::default()));
    let line = format!(
        r#"smtp_check = {{ {CONNECT}, helo_name = "lb.example.com", encryption = "starttls" }}"#
    );
    let smtp = SmtpCheck {
        connect: connect(),
        helo_name: Some("lb.example.com".to_owned()),
        encryption: SmtpEncryption::StartTls(Tls::VERIFIED),
    };
    assert_eq!(kind(&line), Kind::Smtp(smtp));
    let smtps = SmtpCheck {
        encryption: SmtpEncryption::Smtps(Tls { verify: false, ..Tls::VERIFIED }),
        ..SmtpCheck::default()
    };
    let line = r#"smtp_check = { encryption = "smtps", tls = { verify = false } }"#;
    assert_eq!(kind(line), Kind::Smtp(smtps));
}

#[test]
fn file_check() {
    let file = |value| Kind::File(FileCheck { path: "/run/web1".into(), value });
    assert_eq!(kind(r#"file_check = { path = "/run/web1" }"#), file(FileValue::Weight));
    for (word, value) in [("percent", FileValue::Percent), ("verdict", FileValue::Verdict)] {
        let line = format!(r#"file_check = {{ path = "/run/web1", value = "{word}" }}"#);
        assert_eq!(kind(&line), file(value));
    }
}

#[test]
fn agent_check() {
    assert_eq!(kind("agent_check = {}"), Kind::Agent(AgentCheck::default()));
    let agent = AgentCheck { connect: connect(), send: b"web1\n".to_vec() };
    let line = format!(r#"agent_check = {{ {CONNECT}, send = "web1\n" }}"#);
    assert_eq!(kind(&line), Kind::Agent(agent));
}

#[test]
fn grpc_check() {
    assert_eq!(kind("grpc_check = {}"), Kind::Grpc(GrpcCheck::default()));
    let grpc = GrpcCheck {
        connect: connect(),
        tls: Some(Tls::VERIFIED),
        host: Some("www.example.com".to_owned()),
        service: "shop.Cart".to_owned(),
    };
    let line = format!(
        r#"grpc_check = {{ {CONNECT}, tls = {{}}, host = "www.example.com", service = "shop.Cart" }}"#
    );
    assert_eq!(kind(&line), Kind::Grpc(grpc));
}
