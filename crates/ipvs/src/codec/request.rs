//! From the model to requests.

use std::net::IpAddr;

use super::attributes::{
    CommandAttribute, DaemonAttribute, DestinationAttribute, ServiceAttribute,
};
use super::message::{Command, Message};
use super::numbers::{Af, ForwardMethod, PERSISTENT, TunnelNumbers, role_number};
use super::value::{Attribute, MaskedFlags, Nest, Port, append, set_length};
use crate::model::{Daemon, Destination, DestinationKey, Family, Operation, Service, ServiceKey};

/// The request that carries the operation out. Many go into one datagram, so that it is written
/// there straight away.
impl Operation {
    /// Its command.
    pub fn command(&self) -> Command {
        match self {
            Self::NewService(_) => Command::NewService,
            Self::SetService(_) => Command::SetService,
            Self::DelService(_) => Command::DelService,
            Self::NewDestination(..) => Command::NewDest,
            Self::SetDestination(..) => Command::SetDest,
            Self::DelDestination(..) => Command::DelDest,
            Self::NewDaemon(_) => Command::NewDaemon,
            Self::DelDaemon(_) => Command::DelDaemon,
            Self::SetTimeouts(_) => Command::SetConfig,
            Self::Zero(_) => Command::Zero,
            Self::Flush => Command::Flush,
        }
    }

    /// Appends the request from its `genlmsghdr` on.
    pub fn append_request(&self, buffer: &mut Vec<u8>) {
        Message::append_header(self.command(), buffer);
        let mut writer = Writer(buffer);
        match self {
            Self::NewService(service) | Self::SetService(service) => {
                writer.nest(CommandAttribute::Service, |put| full_service(service, put));
            }
            Self::DelService(key) | Self::Zero(Some(key)) => {
                writer.nest(CommandAttribute::Service, |put| service_identity(key, put));
            }
            Self::NewDestination(key, destination) | Self::SetDestination(key, destination) => {
                writer.nest(CommandAttribute::Service, |put| service_identity(key, put));
                writer.nest(CommandAttribute::Destination, |put| {
                    full_destination(destination, put);
                });
            }
            Self::DelDestination(key, destination) => {
                writer.nest(CommandAttribute::Service, |put| service_identity(key, put));
                writer.nest(CommandAttribute::Destination, |put| identity(destination, put));
            }
            Self::NewDaemon(daemon) => {
                writer.nest(CommandAttribute::Daemon, |put| full_daemon(daemon, put));
            }
            Self::DelDaemon(role) => {
                let state = DaemonAttribute::State(role_number(*role));
                writer.nest(CommandAttribute::Daemon, |put| put(state));
            }
            Self::SetTimeouts(timeouts) => {
                append(&CommandAttribute::TimeoutTcp(timeouts.tcp), buffer);
                append(&CommandAttribute::TimeoutTcpFin(timeouts.tcp_fin), buffer);
                append(&CommandAttribute::TimeoutUdp(timeouts.udp), buffer);
            }
            Self::Zero(None) | Self::Flush => {}
        }
    }
}

/// Takes attributes one by one.
type Put<'a, A> = &'a mut dyn FnMut(A);

struct Writer<'a>(&'a mut Vec<u8>);

impl Writer<'_> {
    /// Appends the attribute that `wrap` makes, with what `describe` puts into it.
    fn nest<A: Attribute>(
        &mut self,
        wrap: fn(Nest<A>) -> CommandAttribute,
        describe: impl FnOnce(Put<'_, A>),
    ) {
        let Self(buffer) = self;
        let start = buffer.len();
        append(&wrap(nest(Vec::new())), buffer);
        describe(&mut |attribute| append(&attribute, buffer));
        set_length(buffer, start);
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
    let mut attributes = Vec::new();
    service_identity(key, &mut |attribute| attributes.push(attribute));
    CommandAttribute::Service(nest(attributes))
}

fn service_identity(key: &ServiceKey, put: Put<'_, ServiceAttribute>) {
    put(ServiceAttribute::Family(key.family().number()));
    match key {
        ServiceKey::Address { protocol, address } => {
            put(ServiceAttribute::Protocol(protocol.number()));
            put(ServiceAttribute::Address(octets(address.ip())));
            put(ServiceAttribute::Port(Port(address.port())));
        }
        ServiceKey::Fwmark { mark, .. } => put(ServiceAttribute::Fwmark(*mark)),
    }
}

/// Without a persistence engine's name the kernel removes the one that a service has.
fn full_service(service: &Service, put: Put<'_, ServiceAttribute>) {
    let family = service.key.family();
    service_identity(&service.key, put);
    put(ServiceAttribute::Scheduler(service.scheduler.to_string()));
    if let Some(engine) = &service.persistence_engine {
        put(ServiceAttribute::PersistenceEngine(engine.to_string()));
    }
    let (persistent, timeout, prefix) = match service.persistence {
        Some(persistence) => (PERSISTENT, persistence.timeout, persistence.prefix),
        None => (0, 0, family.bits()),
    };
    let flags = service.flags.bits() | persistent;
    put(ServiceAttribute::Flags(MaskedFlags { flags, mask: u32::MAX }));
    put(ServiceAttribute::Timeout(timeout));
    put(ServiceAttribute::Netmask(netmask(family, prefix)));
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

fn identity(key: &DestinationKey, put: Put<'_, DestinationAttribute>) {
    put(DestinationAttribute::Family(key.family().number()));
    put(DestinationAttribute::Address(octets(key.address)));
    put(DestinationAttribute::Port(Port(key.port)));
}

fn full_destination(destination: &Destination, put: Put<'_, DestinationAttribute>) {
    let method = ForwardMethod::of(destination.forward);
    let tunnel = TunnelNumbers::of(destination.forward);
    identity(&destination.key, put);
    put(DestinationAttribute::ForwardMethod(method.0));
    put(DestinationAttribute::Weight(destination.weight.get()));
    put(DestinationAttribute::TunnelType(tunnel.kind));
    put(DestinationAttribute::TunnelPort(Port(tunnel.port)));
    put(DestinationAttribute::TunnelFlags(tunnel.flags));
    put(DestinationAttribute::UpperThreshold(destination.upper_threshold));
    put(DestinationAttribute::LowerThreshold(destination.lower_threshold));
}

fn full_daemon(daemon: &Daemon, put: Put<'_, DaemonAttribute>) {
    put(DaemonAttribute::State(role_number(daemon.role)));
    put(DaemonAttribute::Interface(daemon.interface.clone()));
    put(DaemonAttribute::SyncId(daemon.sync_id));
    if let Some(length) = daemon.max_length {
        put(DaemonAttribute::MaxLength(length));
    }
    match daemon.group {
        Some(IpAddr::V4(v4)) => put(DaemonAttribute::Group(v4.octets())),
        Some(IpAddr::V6(v6)) => put(DaemonAttribute::Group6(v6.octets())),
        None => {}
    }
    if let Some(port) = daemon.port {
        put(DaemonAttribute::Port(port));
    }
    if let Some(ttl) = daemon.ttl {
        put(DaemonAttribute::Ttl(ttl));
    }
}
