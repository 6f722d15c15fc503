//! `lvsctl list`: what `ipvsadm -L` prints, byte for byte.

mod connections;
mod names;
mod number;
mod order;
mod settings;
mod table;

#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use ipvs::{Client, Family, Protocol, ServiceKey, Table, TableService};

use self::connections::render_connections;
use self::names::Names;
use self::settings::{render_daemons, render_timeouts};
use self::table::{Columns, Options, render};

/// Where the kernel shows its connections.
const CONNECTIONS: &str = "/proc/net/ip_vs_conn";

/// Options with the names that they have in ipvsadm.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Addresses and ports in numbers, without asking the name service
    #[arg(short, long)]
    numeric: bool,
    /// Show the connections
    #[arg(
        short = 'c',
        long,
        conflicts_with_all = [
            "stats", "rate", "thresholds", "timeout", "daemon", "exact", "nosort",
            "tcp_service", "udp_service", "sctp_service", "fwmark_service",
        ],
    )]
    connection: bool,
    #[command(flatten)]
    what: What,
    /// Whole numbers instead of K, M, G and T
    #[arg(long)]
    exact: bool,
    /// The kernel's order
    #[arg(long)]
    nosort: bool,
    #[command(flatten)]
    service: OneService,
    /// The fwmark service is one for IPv6
    #[arg(short = '6', long, requires = "fwmark_service")]
    ipv6: bool,
}

/// At most one of these.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct What {
    /// Show the counters
    #[arg(long)]
    stats: bool,
    /// Show the counters' rates per second
    #[arg(long)]
    rate: bool,
    /// Show the connection limits
    #[arg(long)]
    thresholds: bool,
    /// Show the persistent connections
    #[arg(long)]
    persistent_conn: bool,
    /// Show the timeouts (tcp, tcpfin, udp)
    #[arg(long)]
    timeout: bool,
    /// Show the sync daemons
    #[arg(long)]
    daemon: bool,
}

/// At most one of these.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct OneService {
    /// Only this TCP service
    #[arg(short, long, value_name = "ADDRESS:PORT", value_parser = address)]
    tcp_service: Option<SocketAddr>,
    /// Only this UDP service
    #[arg(short, long, value_name = "ADDRESS:PORT", value_parser = address)]
    udp_service: Option<SocketAddr>,
    /// Only this SCTP service
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = address)]
    sctp_service: Option<SocketAddr>,
    /// Only the service of this firewall mark
    #[arg(short, long, value_name = "MARK", value_parser = clap::value_parser!(u32).range(1..))]
    fwmark_service: Option<u32>,
}

/// `192.0.2.10:80`; without a port the service of every port.
fn address(text: &str) -> Result<SocketAddr, String> {
    let bare = || text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 0));
    text.parse()
        .or_else(|_| bare())
        .map_err(|_| "write it as 192.0.2.10:80 or [2001:db8::10]:80".to_owned())
}

impl Arguments {
    fn key(&self) -> Option<ServiceKey> {
        let OneService { tcp_service, udp_service, sctp_service, fwmark_service } = self.service;
        let family = if self.ipv6 { Family::Inet6 } else { Family::Inet };
        tcp_service
            .map(|address| ServiceKey::address(Protocol::Tcp, address))
            .or_else(|| udp_service.map(|address| ServiceKey::address(Protocol::Udp, address)))
            .or_else(|| sctp_service.map(|address| ServiceKey::address(Protocol::Sctp, address)))
            .or_else(|| fwmark_service.map(|mark| ServiceKey::Fwmark { mark, family }))
    }

    fn columns(&self) -> Columns {
        match self.what {
            What { stats: true, .. } => Columns::Stats,
            What { rate: true, .. } => Columns::Rate,
            What { thresholds: true, .. } => Columns::Thresholds,
            What { persistent_conn: true, .. } => Columns::PersistentConnections,
            _ => Columns::Settings,
        }
    }
}

/// Lists.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let names = if arguments.numeric { Names::none() } else { Names::system() };
    let mut client = Client::open()?;
    let text = if arguments.connection {
        let table = std::fs::read_to_string(CONNECTIONS)
            .with_context(|| format!("reading {CONNECTIONS}"))?;
        render_connections(&table, arguments.what.persistent_conn, &names)
    } else if arguments.what.timeout {
        render_timeouts(client.timeouts()?)
    } else if arguments.what.daemon {
        render_daemons(&client.daemons()?)
    } else {
        let key = arguments.key();
        let options = Options {
            columns: arguments.columns(),
            exact: arguments.exact,
            unsorted: arguments.nosort,
            one_service: key.is_some(),
        };
        let table = match key {
            None => client.table()?,
            Some(key) => one_service(&mut client, &key)?,
        };
        render(&table, client.info()?, &options, &names)
    };
    crate::print(&text).map(|()| ExitCode::SUCCESS)
}

fn one_service(client: &mut Client, key: &ServiceKey) -> anyhow::Result<Table> {
    let Some(entry) = client.service(key)? else {
        anyhow::bail!("{key}: no such service in the kernel's table");
    };
    let destinations = client.destinations(key)?;
    Ok(Table { services: vec![TableService { entry, destinations }] })
}
