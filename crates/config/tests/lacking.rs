//! What a configuration names and this host does not have.

use std::fs;
use std::path::Path;

fn lacking(text: &str) -> Vec<String> {
    config::parse(Path::new("lacking.toml"), text).expect("it is valid").lacking()
}

#[test]
fn each_thing_is_told_once_with_its_owner() {
    let directory = tempfile::tempdir().unwrap();
    let plain = directory.path().join("plain");
    fs::write(&plain, "").unwrap();
    let text = format!(
        r#"
        [ipvs]
        sync_daemon = {{ interface = "lvsd-none0", role = "backup" }}

        [virtual_server.web]
        address = "192.0.2.10:443"
        quorum_up = ["/nonexistent/up"]
        quorum_down = {{ command = ["/bin/sh"], user = "lvsd-nobody-has-this-name" }}
        real_servers = [{{ address = "198.51.100.1:443" }}, {{ address = "198.51.100.2:443" }}]

        [[virtual_server.web.checks]]
        misc_check = {{ command = ["{plain}"], group = "lvsd-no-group", directory = "/nonexistent" }}
        [[virtual_server.web.checks]]
        http_get = {{ tls = {{ ca_file = "/nonexistent/ca.pem" }}, interface = "lvsd-none1" }}
        [[virtual_server.web.checks]]
        smtp_check = {{ encryption = "smtps", tls = {{ ca_file = "{plain}", certificate_file = "/nonexistent/c.pem", key_file = "/nonexistent/k.pem" }} }}

        [track_script.t]
        command = ["/nonexistent/t"]
        interval = "1s"

        [vrrp_instance.VI]
        interface = "lvsd-none2"
        virtual_router_id = 51
        virtual_addresses = ["192.0.2.10/24", {{ address = "192.0.2.11/24", interface = "lvsd-none3" }}]
        track = {{ interfaces = ["lvsd-none4"] }}
        notify = {{ master = ["/nonexistent/master"] }}
        "#,
        plain = plain.display()
    );
    let none = "No such file or directory (os error 2)";
    assert_eq!(
        lacking(&text),
        [
            &format!("virtual server web: misc_check: {} cannot be executed", plain.display()),
            "virtual server web: misc_check: no group `lvsd-no-group`",
            &format!("virtual server web: misc_check: /nonexistent: {none}"),
            &format!("virtual server web: http_get: /nonexistent/ca.pem: {none}"),
            "virtual server web: http_get: no interface `lvsd-none1`",
            &format!("virtual server web: smtp_check: /nonexistent/c.pem: {none}"),
            &format!("virtual server web: smtp_check: /nonexistent/k.pem: {none}"),
            &format!("virtual server web: quorum_up: /nonexistent/up: {none}"),
            "virtual server web: quorum_down: no user `lvsd-nobody-has-this-name`",
            "vrrp_instance VI: no interface `lvsd-none2`",
            "vrrp_instance VI: no interface `lvsd-none3`",
            "vrrp_instance VI: no interface `lvsd-none4`",
            &format!("track_script t: /nonexistent/t: {none}"),
            &format!("vrrp_instance VI: notify: /nonexistent/master: {none}"),
            "sync_daemon: no interface `lvsd-none0`",
        ]
    );
}

#[test]
fn a_host_that_has_everything_lacks_nothing() {
    let text = r#"
        [virtual_server.web]
        address = "192.0.2.10:80"
        checks = [{ misc_check = { command = ["/bin/sh"], user = "root", directory = "/" } }]
        real_servers = [{ address = "198.51.100.1:80" }]

        [vrrp_instance.VI]
        interface = "lo"
        virtual_router_id = 51
        virtual_addresses = ["192.0.2.10/24"]
    "#;
    assert!(lacking(text).is_empty());
}
