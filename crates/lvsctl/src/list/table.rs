//! Services and destinations as ipvsadm lists them.

use std::net::SocketAddr;

use ipvs::{
    Destination, DestinationEntry, DestinationKey, Family, Forward, Info, Persistence, Protocol,
    Service, ServiceFlags, ServiceKey, Stats, Table, TableService,
};

use super::names::{Names, cut};
use super::number::counter;
use super::order;

/// Which columns are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Columns {
    /// Forwarding, weight and connections.
    #[default]
    Settings,
    /// Counters; `--stats`.
    Stats,
    /// Counters per second; `--rate`.
    Rate,
    /// Connection limits; `--thresholds`.
    Thresholds,
    /// Persistence templates; `--persistent-conn`.
    PersistentConnections,
}

/// How a table is shown.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Options {
    /// Which columns.
    pub(crate) columns: Columns,
    /// Whole numbers instead of K, M, G and T; `--exact`.
    pub(crate) exact: bool,
    /// The kernel's order instead of ipvsadm's; `--nosort`.
    pub(crate) unsorted: bool,
    /// The listing of one service, which ipvsadm starts without the line on the version.
    pub(crate) one_service: bool,
}

/// The longest name of an IPv4 service, protocol included, and of an IPv4 destination: their
/// columns. IPv6 takes the room that it needs.
const SERVICE_WIDTH: usize = 33;
const DESTINATION_WIDTH: usize = 28;

/// The table as `ipvsadm -L` prints it.
pub(crate) fn render(table: &Table, info: Info, options: &Options, names: &Names) -> String {
    let mut text = String::new();
    if !options.one_service {
        let [_, major, minor, patch] = info.version.to_be_bytes();
        let size = info.connection_table_size;
        text += &format!("IP Virtual Server version {major}.{minor}.{patch} (size={size})\n");
    }
    text += title(options.columns);
    let services = match options.unsorted {
        true => table.services.iter().collect(),
        false => order::services(&table.services),
    };
    for service in services {
        render_service(&mut text, service, options, names);
    }
    text
}

fn title(columns: Columns) -> &'static str {
    match columns {
        Columns::Settings => {
            "Prot LocalAddress:Port Scheduler Flags\n  \
             -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n"
        }
        Columns::Stats => {
            "Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes\n  \
             -> RemoteAddress:Port\n"
        }
        Columns::Rate => {
            "Prot LocalAddress:Port                 CPS    InPPS   OutPPS    InBPS   OutBPS\n  \
             -> RemoteAddress:Port\n"
        }
        Columns::Thresholds => {
            "Prot LocalAddress:Port            Uthreshold Lthreshold ActiveConn InActConn \n  \
             -> RemoteAddress:Port\n"
        }
        Columns::PersistentConnections => {
            "Prot LocalAddress:Port            Weight    PersistConn ActiveConn InActConn \n  \
             -> RemoteAddress:Port\n"
        }
    }
}

fn render_service(text: &mut String, service: &TableService, options: &Options, names: &Names) {
    let entry = &service.entry;
    let name = service_name(&entry.service.key, names);
    *text += &match counters(&entry.stats, options) {
        Some(counters) => format!("{name:<SERVICE_WIDTH$}{counters}\n"),
        None => format!("{name} {}\n", settings(&entry.service)),
    };
    let destinations = match options.unsorted {
        true => service.destinations.iter().collect(),
        false => order::destinations(&service.destinations),
    };
    for destination in destinations {
        let DestinationKey { address, port } = destination.destination.key;
        // The ports of a fwmark service belong to no protocol.
        let protocol = match entry.service.key {
            ServiceKey::Address { protocol, .. } => Some(protocol),
            ServiceKey::Fwmark { .. } => None,
        };
        let name = names.endpoint(SocketAddr::new(address, port), protocol);
        let name = if address.is_ipv4() { cut(&name, DESTINATION_WIDTH) } else { name };
        *text += &render_destination(destination, &name, options);
    }
}

fn service_name(key: &ServiceKey, names: &Names) -> String {
    match key {
        ServiceKey::Address { protocol, address } => {
            let word = match protocol {
                Protocol::Tcp => "TCP",
                Protocol::Udp => "UDP",
                Protocol::Sctp => "SCTP",
            };
            let name = format!("{word:<4} {}", names.endpoint(*address, Some(*protocol)));
            if address.is_ipv4() { cut(&name, SERVICE_WIDTH) } else { name }
        }
        // ipvsadm takes the mark for a signed number.
        ServiceKey::Fwmark { mark, family: Family::Inet } => format!("FWM  {}", mark.cast_signed()),
        ServiceKey::Fwmark { mark, family: Family::Inet6 } => {
            format!("FWM  {} IPv6", mark.cast_signed())
        }
    }
}

/// The counters of a mode that shows counters.
fn counters(stats: &Stats, options: &Options) -> Option<String> {
    let counters = match options.columns {
        Columns::Stats => [
            stats.connections,
            stats.packets_in,
            stats.packets_out,
            stats.bytes_in,
            stats.bytes_out,
        ],
        Columns::Rate => [
            stats.connection_rate,
            stats.packet_rate_in,
            stats.packet_rate_out,
            stats.byte_rate_in,
            stats.byte_rate_out,
        ],
        Columns::Settings | Columns::Thresholds | Columns::PersistentConnections => return None,
    };
    Some(counters.map(|value| counter(value, options.exact)).concat())
}

/// Scheduler, its flags, persistence with its engine, and one-packet mode.
fn settings(service: &Service) -> String {
    let mut text = service.scheduler.to_string();
    // The parentheses stand for a flag that has no name too.
    if SCHEDULER_FLAGS.into_iter().any(|flag| service.flags.contains(flag)) {
        text += &format!(" ({})", scheduler_flags(service).join(","));
    }
    if let Some(persistence) = service.persistence {
        text += &format!(" persistent {}", persistence.timeout);
        text += &mask(persistence, service.key.family());
        // Without persistence ipvsadm keeps silent about the engine.
        if let Some(engine) = &service.persistence_engine {
            text += &format!(" pe {engine}");
        }
    }
    if service.flags.contains(ServiceFlags::ONE_PACKET) {
        text += " ops";
    }
    text
}

const SCHEDULER_FLAGS: [ServiceFlags; 3] =
    [ServiceFlags::SCHED_1, ServiceFlags::SCHED_2, ServiceFlags::SCHED_3];

/// The flags by the names that the scheduler gives them; the third has none with sh and mh.
fn scheduler_flags(service: &Service) -> Vec<&'static str> {
    let names: &[&str] = match service.scheduler.as_str() {
        "sh" => &["sh-fallback", "sh-port"],
        "mh" => &["mh-fallback", "mh-port"],
        _ => &["flag-1", "flag-2", "flag-3"],
    };
    let named = SCHEDULER_FLAGS.into_iter().zip(names);
    named.filter(|(flag, _)| service.flags.contains(*flag)).map(|(_, name)| *name).collect()
}

/// The mask, unless each client stands alone.
fn mask(persistence: Persistence, family: Family) -> String {
    let prefix = persistence.prefix;
    match family {
        _ if prefix == family.bits() => String::new(),
        Family::Inet => {
            let host_bits = 32_u32.saturating_sub(prefix.into());
            let mask = u32::MAX.checked_shl(host_bits).unwrap_or(0);
            format!(" mask {}", std::net::Ipv4Addr::from(mask))
        }
        Family::Inet6 => format!(" mask {prefix}"),
    }
}

fn render_destination(entry: &DestinationEntry, name: &str, options: &Options) -> String {
    let Destination { forward, weight, upper_threshold, lower_threshold, .. } = entry.destination;
    let (active, inactive) = (entry.active_connections, entry.inactive_connections);
    if let Some(counters) = counters(&entry.stats, options) {
        return format!("  -> {name:<DESTINATION_WIDTH$}{counters}\n");
    }
    let columns = match options.columns {
        Columns::Thresholds => format!("{upper_threshold:<10} {lower_threshold:<10}"),
        Columns::PersistentConnections => {
            format!("{:<9} {:<11}", weight.get(), entry.persistent_connections)
        }
        Columns::Settings | Columns::Stats | Columns::Rate => {
            format!("{:<7} {:<6}", forward_name(forward), weight.get())
        }
    };
    format!("  -> {name:<DESTINATION_WIDTH$} {columns} {active:<10} {inactive:<10}\n")
}

fn forward_name(forward: Forward) -> &'static str {
    match forward {
        Forward::Masquerade => "Masq",
        Forward::Local => "Local",
        Forward::Tunnel(_) => "Tunnel",
        Forward::DirectRoute => "Route",
        // What the C library prints for the name that ipvsadm does not have.
        Forward::Bypass => "(null)",
    }
}
