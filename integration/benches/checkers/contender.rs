//! Who checks: lvsd and keepalived, on the same definitions.

use std::fmt::{self, Write};
use std::fs;
use std::net::Ipv4Addr;
use std::process::Command;

use anyhow::{Context, Result};
use integration::{Host, Lvsd, Process, paths};

use crate::farm::live;

/// So many real servers per virtual server.
const PER_SERVICE: u32 = 500;

/// What is done to each real server, each second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Tcp,
    Http,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "TCP",
            Self::Http => "HTTP",
        })
    }
}

/// A program that checks.
pub(crate) enum Contender {
    Lvsd(Lvsd),
    Keepalived(#[expect(dead_code, reason = "it runs until this is dropped")] Process),
}

impl Contender {
    pub(crate) fn lvsd(director: &Host, kind: Kind, servers: u32) -> Result<Self> {
        let check = match kind {
            Kind::Tcp => "tcp_check = {}",
            Kind::Http => "http_get = { path = \"/healthz\", status = [200] }",
        };
        Ok(Self::Lvsd(Lvsd::start(director, &definitions(check, servers, live))?))
    }

    pub(crate) fn keepalived(director: &Host, kind: Kind, servers: u32) -> Result<Self> {
        let file = director.folder().join("keepalived.conf");
        fs::write(&file, configuration(kind, servers)).context("writing keepalived.conf")?;
        let path = |name: &str| director.folder().join(name);
        let mut command: Command = paths::tool("keepalived")?;
        // Its log goes to a file alone: without a syslog it would also go to the console, at whose
        // speed keepalived then checks.
        command.args(["-C", "-n", "-l", "-G", "-D", "-f"]).arg(&file);
        command.arg("-p").arg(path("pid")).arg("-c").arg(path("checkers.pid"));
        Ok(Self::Keepalived(director.spawn("keepalived", command)?))
    }
}

/// The addresses of the virtual servers.
fn service(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::new(192, 0, 2, 1).to_bits() + number)
}

/// lvsd's definitions: also a VRRP instance, whose adverts are to come in time.
pub(crate) fn definitions(check: &str, servers: u32, address: fn(u32) -> Ipv4Addr) -> String {
    let mut toml = format!(
        "[vrrp_instance.VI]\ninterface = \"eth0\"\nvirtual_router_id = 51\n\
         advert_interval = \"{}ms\"\nvirtual_addresses = [\"10.77.0.200/24\"]\n\n",
        crate::adverts::INTERVAL.as_millis()
    );
    for first in (0..servers).step_by(PER_SERVICE as usize) {
        let number = first / PER_SERVICE;
        // Writing to a string cannot fail.
        let _ = write!(
            toml,
            "[virtual_server.s{number}]\naddress = \"{}:80\"\nforward = \"dr\"\n\
             [[virtual_server.s{number}.checks]]\ninterval = \"1s\"\ntimeout = \"1s\"\n{check}\n",
            service(number)
        );
        for server in first..servers.min(first + PER_SERVICE) {
            let _ = write!(
                toml,
                "[[virtual_server.s{number}.real_servers]]\naddress = \"{}:80\"\n",
                address(server)
            );
        }
    }
    toml
}

/// The same for keepalived, without VRRP.
fn configuration(kind: Kind, servers: u32) -> String {
    let check = match kind {
        Kind::Tcp => "TCP_CHECK {\n connect_timeout 1\n retry 2\n delay_before_retry 1\n }",
        Kind::Http => {
            "HTTP_GET {\n url {\n path /healthz\n status_code 200\n }\n connect_timeout 1\n \
             retry 2\n delay_before_retry 1\n }"
        }
    };
    let mut text = String::from("global_defs {\n router_id bench\n}\n");
    for first in (0..servers).step_by(PER_SERVICE as usize) {
        let _ = write!(
            text,
            "virtual_server {} 80 {{\n delay_loop 1\n lb_algo wlc\n lb_kind DR\n protocol TCP\n",
            service(first / PER_SERVICE)
        );
        for server in first..servers.min(first + PER_SERVICE) {
            let _ = write!(text, "real_server {} 80 {{\n weight 1\n {check}\n}}\n", live(server));
        }
        text.push_str("}\n");
    }
    text
}
