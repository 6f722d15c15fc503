//! The real servers: one nginx behind thousands of addresses, and addresses behind which is nobody.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::process::Command;

use anyhow::{Context, Result};
use integration::addresses::{DIRECTORS, SERVERS};
use integration::process::Process;
use integration::wait::{FAR, wait_until};
use integration::{Host, Network};

/// The first address for which nginx answers; the network is a /16.
const LIVE: Ipv4Addr = Ipv4Addr::new(10, 80, 0, 1);
/// The first address for which nobody answers; the network is a /16.
const DEAD: Ipv4Addr = Ipv4Addr::new(10, 81, 0, 1);
/// Where nginx tells its counters.
const COUNTERS: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 8080);

/// A director without a program, and the farm that it reaches.
pub(crate) struct Farm {
    pub(crate) director: Host,
    pub(crate) servers: Host,
    _nginx: Process,
    _network: Network,
}

impl Farm {
    pub(crate) fn new() -> Result<Self> {
        let network = Network::new()?;
        let hosts = [("director", DIRECTORS[0]), ("farm", SERVERS[0])];
        let [director, servers] = network.add_hosts(hosts)?;
        for first in [LIVE, DEAD] {
            director.exec(&format!("ip route add {} via {}", network_of(first), SERVERS[0]))?;
        }
        servers.exec(&format!("ip route add local {} dev lo", network_of(LIVE)))?;
        // What is for the dead comes here too, and a host that does not forward drops it.
        servers.set_sysctl("net/ipv4/ip_forward", "0")?;
        for host in [&director, &servers] {
            host.set_sysctl("net/core/somaxconn", "65535")?;
            host.set_sysctl("net/ipv4/tcp_max_syn_backlog", "65535")?;
        }
        let nginx = start_nginx(&servers)?;
        Ok(Self { director, servers, _nginx: nginx, _network: network })
    }

    /// How many connections nginx has accepted so far, without those that ask for it.
    pub(crate) fn accepted(&self, asked: u64) -> Result<u64> {
        let text = self.servers.namespace().enter(|| {
            let mut stream = TcpStream::connect(COUNTERS).context("asking nginx")?;
            stream.write_all(b"GET /status HTTP/1.0\r\n\r\n")?;
            let mut text = String::new();
            stream.read_to_string(&mut text)?;
            Ok(text)
        })?;
        // The line after "server accepts handled requests".
        let counters = text.split("requests\n").nth(1).context("no counters of nginx")?;
        let accepted: u64 = counters
            .split_whitespace()
            .next()
            .and_then(|number| number.parse().ok())
            .with_context(|| format!("counters of nginx: {counters}"))?;
        Ok(accepted - asked)
    }
}

/// Address of a real server that answers.
pub(crate) fn live(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(LIVE.to_bits() + number)
}

/// Address of a real server that does not.
pub(crate) fn dead(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(DEAD.to_bits() + number)
}

fn start_nginx(host: &Host) -> Result<Process> {
    let file = host.folder().join("nginx.conf");
    let text = "daemon off;
user root;
worker_processes 2;
worker_rlimit_nofile 65536;
pid nginx.pid;
events { worker_connections 16384; }
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    server {
        listen 80 backlog=65535 reuseport;
        location / { return 200 \"healthy\\n\"; }
    }
    server {
        listen 127.0.0.1:8080;
        location = /status { stub_status; }
    }
}
";
    fs::write(&file, text).with_context(|| format!("writing {}", file.display()))?;
    let mut command = Command::new("nginx");
    command.args(["-p".as_ref(), host.folder().as_os_str()]);
    command.args(["-c".as_ref(), file.as_os_str()]);
    command.args(["-e".as_ref(), host.folder().join("nginx.log").as_os_str()]);
    let nginx = host.spawn("nginx", command)?;
    wait_until("nginx listening", FAR, || {
        host.namespace().enter(|| Ok(TcpStream::connect(COUNTERS).is_ok()))
    })
    .with_context(|| nginx.log())?;
    Ok(nginx)
}

/// The /16 of an address.
fn network_of(address: Ipv4Addr) -> String {
    let [a, b, ..] = address.octets();
    format!("{a}.{b}.0.0/16")
}
