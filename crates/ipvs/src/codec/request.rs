//! From the model to requests.

use std::net::IpAddr;

use super::attributes::{
    CommandAttribute, DaemonAttribute, DestinationAttribute, ServiceAttribute,
};
use super::message::{Command, Message};
use super::numbers::{Af, ForwardMethod, PERSISTENT, TunnelNumbers, role_number};
use super::value::{MaskedFlags, Nest, Port};
use crate::model::{
    Daemon, DaemonRole, Destination, DestinationKey, Family, Operation, Service, ServiceKey,
    Timeouts,
};

/// The request that carries the operation out.
impl From<&Operation> for Message {
    fn from(operation: &Operation) -> Self {
        let (command, attributes) = match operation {
            Operation::NewService(service) => (Command::NewService, vec![full_service(service)]),
            Operation::SetService(service) => (Command::SetService, vec![full_service(service)]),
            Operation::DelService(key) => (Command::DelService, vec![service(key)]),
            Operation::NewDestination(key, destination) => {
                (Command::NewDest, vec![service(key), full_destination(destination)])
            }
            Operation::SetDestination(key, destination) => {
                (Command::SetDest, vec![service(key), full_destination(destination)])
            }
            Operation::DelDestination(key, destination) => {
                (Command::DelDest, vec![service(key), nest_destination(identity(destination))])
            }
            Operation::NewDaemon(daemon) => (Command::NewDaemon, vec![full_daemon(daemon)]),
            Operation::DelDaemon(role) => (Command::DelDaemon, vec![daemon_role(*role)]),
            Operation::SetTimeouts(timeouts) => (Command::SetConfig, config(*timeouts)),
            Operation::Zero(key) => (Command::Zero, key.iter().map(service).collect()),
            Operation::Flush => (Command::Flush, Vec::new()),
        };
        Self::Command(command, attributes)
    }
}

/// Requests that change nothing.
impl Message {
    /// Asks for all services; a dump.
    pub fn get_services() -> Self {
        Self::Command(Command::GetService, Vec::new())
    }

    /// Asks for one service.
    pub fn get_service(key: &ServiceKey) -> Self {
        Self::Command(Command::GetService, vec![service(key)])
    }

    /// Asks for the destinations of a service; a dump.
    pub fn get_destinations(key: &ServiceKey) -> Self {
        Self::Command(Command::GetDest, vec![service(key)])
    }

    /// Asks for the sync daemons; a dump.
    pub fn get_daemons() -> Self {
        Self::Command(Command::GetDaemon, Vec::new())
    }

    /// Asks for the timeouts.
    pub fn get_timeouts() -> Self {
        Self::Command(Command::GetConfig, Vec::new())
    }

    /// Asks for version and connection table size.
    pub fn get_info() -> Self {
        Self::Command(Command::GetInfo, Vec::new())
    }
}

fn nest<A>(attributes: Vec<A>) -> Nest<A> {
    Nest { flagged: true, attributes }
}

fn service(key: &ServiceKey) -> CommandAttribute {
    CommandAttribute::Service(nest(service_identity(key)))
}

fn service_identity(key: &ServiceKey) -> Vec<ServiceAttribute> {
    let family = ServiceAttribute::Family(key.family().number());
    match key {
        ServiceKey::Address { protocol, address } => vec![
            family,
            ServiceAttribute::Protocol(protocol.number()),
            ServiceAttribute::Address(octets(address.ip())),
            ServiceAttribute::Port(Port(address.port())),
        ],
        ServiceKey::Fwmark { mark, .. } => vec![family, ServiceAttribute::Fwmark(*mark)],
    }
}

/// Without a persistence engine's name the kernel removes the one that a service has.
fn full_service(service: &Service) -> CommandAttribute {
    let family = service.key.family();
    let mut attributes = service_identity(&service.key);
    attributes.push(ServiceAttribute::Scheduler(service.scheduler.to_string()));
    if let Some(engine) = &service.persistence_engine {
        attributes.push(ServiceAttribute::PersistenceEngine(engine.to_string()));
    }
    let (persistent, timeout, prefix) = match service.persistence {
        Some(persistence) => (PERSISTENT, persistence.timeout, persistence.prefix),
        None => (0, 0, family.bits()),
    };
    attributes.extend([
        ServiceAttribute::Flags(MaskedFlags {
            flags: service.flags.bits() | persistent,
            mask: u32::MAX,
        }),
        ServiceAttribute::Timeout(timeout),
        ServiceAttribute::Netmask(netmask(family, prefix)),
    ]);
    CommandAttribute::Service(nest(attributes))
}

/// A mask in network order for IPv4, the prefix length in native order for IPv6.
fn netmask(family: Family, prefix: u8) -> [u8; 4] {
    match family {
        Family::Inet => {
            let host_bits = 32_u32.saturating_sub(prefix.into());
            u32::MAX.checked_shl(host_bits).unwrap_or(0).to_be_bytes()
        }
        Family::Inet6 => u32::from(prefix).to_ne_bytes(),
    }
}

/// An address in the 16 bytes of `union nf_inet_addr`.
fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => {
            let mut octets = [0; 16];
            octets[..4].copy_from_slice(&v4.octets());
            octets
        }
        IpAddr::V6(v6) => v6.octets(),
    }
}

fn nest_destination(attributes: Vec<DestinationAttribute>) -> CommandAttribute {
    CommandAttribute::Destination(nest(attributes))
}

fn identity(key: &DestinationKey) -> Vec<DestinationAttribute> {
    vec![
        DestinationAttribute::Family(key.family().number()),
        DestinationAttribute::Address(octets(key.address)),
        DestinationAttribute::Port(Port(key.port)),
    ]
}

fn full_destination(destination: &Destination) -> CommandAttribute {
    let method = ForwardMethod::of(destination.forward);
    let tunnel = TunnelNumbers::of(destination.forward);
    let mut attributes = identity(&destination.key);
    attributes.extend([
        DestinationAttribute::ForwardMethod(method.0),
        DestinationAttribute::Weight(destination.weight.get()),
        DestinationAttribute::TunnelType(tunnel.kind),
        DestinationAttribute::TunnelPort(Port(tunnel.port)),
        DestinationAttribute::TunnelFlags(tunnel.flags),
        DestinationAttribute::UpperThreshold(destination.upper_threshold),
        DestinationAttribute::LowerThreshold(destination.lower_threshold),
    ]);
    nest_destination(attributes)
}

fn full_daemon(daemon: &Daemon) -> CommandAttribute {
    let mut attributes = vec![
        DaemonAttribute::State(role_number(daemon.role)),
        DaemonAttribute::Interface(daemon.interface.clone()),
        DaemonAttribute::SyncId(daemon.sync_id),
    ];
    attributes.extend(daemon.max_length.map(DaemonAttribute::MaxLength));
    attributes.extend(daemon.group.map(|group| match group {
        IpAddr::V4(v4) => DaemonAttribute::Group(v4.octets()),
        IpAddr::V6(v6) => DaemonAttribute::Group6(v6.octets()),
    }));
    attributes.extend(daemon.port.map(DaemonAttribute::Port));
    attributes.extend(daemon.ttl.map(DaemonAttribute::Ttl));
    CommandAttribute::Daemon(nest(attributes))
}

fn daemon_role(role: DaemonRole) -> CommandAttribute {
    CommandAttribute::Daemon(nest(vec![DaemonAttribute::State(role_number(role))]))
}

fn config(timeouts: Timeouts) -> Vec<CommandAttribute> {
    vec![
        CommandAttribute::TimeoutTcp(timeouts.tcp),
        CommandAttribute::TimeoutTcpFin(timeouts.tcp_fin),
        CommandAttribute::TimeoutUdp(timeouts.udp),
    ]
}
