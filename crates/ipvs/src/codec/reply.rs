//! From messages to the model.
//!
//! What describes an object must be there; counters that a message lacks count as 0, so that a
//! request reads like a reply.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::attributes::{
    CommandAttribute, DaemonAttribute, DestinationAttribute, InfoAttribute, ServiceAttribute,
    Stats64Attribute, StatsAttribute,
};
use super::error::{DecodeError, Place};
use super::message::Message;
use super::numbers::{Af, ForwardMethod, PERSISTENT, TunnelNumbers, role};
use super::value::{Attribute, Nest, Port};
use crate::model::{
    Daemon, Destination, DestinationEntry, DestinationKey, Family, Info, Persistence, Protocol,
    Scheduler, Service, ServiceEntry, ServiceFlags, ServiceKey, Stats, Timeouts, Weight,
};

/// The value of an attribute, if it is there.
macro_rules! find {
    ($attributes:expr, $space:ident::$variant:ident) => {
        $attributes.iter().find_map(|attribute| match attribute {
            $space::$variant(value) => Some(value),
            _ => None,
        })
    };
}

/// An attribute, for errors.
macro_rules! place {
    ($space:ident::$variant:ident) => {
        Place { space: $space::SPACE, attribute: stringify!($variant) }
    };
}

/// The value of an attribute that must be there.
macro_rules! need {
    ($attributes:expr, $space:ident::$variant:ident) => {
        find!($attributes, $space::$variant).ok_or(DecodeError::Missing(place!($space::$variant)))
    };
}

/// A counter, 0 when it is not there.
macro_rules! counter {
    ($attributes:expr, $space:ident::$variant:ident) => {
        find!($attributes, $space::$variant).copied().unwrap_or_default().into()
    };
}

/// Statistics of either width.
macro_rules! stats {
    ($attributes:expr, $space:ident) => {
        Stats {
            connections: counter!($attributes, $space::Connections),
            packets_in: counter!($attributes, $space::PacketsIn),
            packets_out: counter!($attributes, $space::PacketsOut),
            bytes_in: counter!($attributes, $space::BytesIn),
            bytes_out: counter!($attributes, $space::BytesOut),
            connection_rate: counter!($attributes, $space::ConnectionRate),
            packet_rate_in: counter!($attributes, $space::PacketRateIn),
            packet_rate_out: counter!($attributes, $space::PacketRateOut),
            byte_rate_in: counter!($attributes, $space::ByteRateIn),
            byte_rate_out: counter!($attributes, $space::ByteRateOut),
        }
    };
}

impl Message {
    /// The service that the message names.
    pub fn service_key(&self) -> Result<ServiceKey, DecodeError> {
        let nest = need!(self.attributes()?, CommandAttribute::Service)?;
        service_key(&nest.attributes)
    }

    /// The service that the message describes: `NEW_SERVICE`, `SET_SERVICE`.
    ///
    /// Where the kernel holds an IPv4 netmask with gaps, the prefix counts its leading ones.
    pub fn service(&self) -> Result<ServiceEntry, DecodeError> {
        let nest = need!(self.attributes()?, CommandAttribute::Service)?;
        let attributes = &nest.attributes;
        let key = service_key(attributes)?;
        let flags = need!(attributes, ServiceAttribute::Flags)?.flags;
        let timeout = *need!(attributes, ServiceAttribute::Timeout)?;
        let prefix = prefix(key.family(), *need!(attributes, ServiceAttribute::Netmask)?)?;
        let scheduler = need!(attributes, ServiceAttribute::Scheduler)?;
        let engine = find!(attributes, ServiceAttribute::PersistenceEngine);
        let service = Service {
            key,
            scheduler: name(scheduler, place!(ServiceAttribute::Scheduler))?,
            flags: ServiceFlags::from_bits_truncate(flags),
            persistence: (flags & PERSISTENT != 0).then_some(Persistence { timeout, prefix }),
            persistence_engine: engine
                .filter(|engine| !engine.is_empty())
                .map(|engine| name(engine, place!(ServiceAttribute::PersistenceEngine)))
                .transpose()?,
        };
        let stats = stats(
            find!(attributes, ServiceAttribute::Stats64),
            find!(attributes, ServiceAttribute::Stats),
        );
        Ok(ServiceEntry { service, stats })
    }

    /// The key of the destination that the message names. `service` is the family of its service,
    /// which holds where the message has none of its own (kernels before Linux 3.18).
    pub fn destination_key(&self, service: Family) -> Result<DestinationKey, DecodeError> {
        let nest = need!(self.attributes()?, CommandAttribute::Destination)?;
        destination_key(&nest.attributes, service)
    }

    /// The destination that the message describes: `NEW_DEST`, `SET_DEST`. About `service` see
    /// [`Message::destination_key`].
    pub fn destination(&self, service: Family) -> Result<DestinationEntry, DecodeError> {
        let nest = need!(self.attributes()?, CommandAttribute::Destination)?;
        let attributes = &nest.attributes;
        let method = need!(attributes, DestinationAttribute::ForwardMethod)?;
        let tunnel = TunnelNumbers {
            kind: counter!(attributes, DestinationAttribute::TunnelType),
            port: find!(attributes, DestinationAttribute::TunnelPort).map_or(0, |port| port.0),
            flags: counter!(attributes, DestinationAttribute::TunnelFlags),
        };
        let weight = *need!(attributes, DestinationAttribute::Weight)?;
        let destination = Destination {
            key: destination_key(attributes, service)?,
            forward: ForwardMethod(*method)
                .to_forward(tunnel.to_tunnel())
                .ok_or_else(|| forward_error(*method, tunnel))?,
            weight: Weight::new(weight)
                .ok_or_else(|| value_error(place!(DestinationAttribute::Weight), weight))?,
            upper_threshold: *need!(attributes, DestinationAttribute::UpperThreshold)?,
            lower_threshold: *need!(attributes, DestinationAttribute::LowerThreshold)?,
        };
        Ok(DestinationEntry {
            destination,
            active_connections: counter!(attributes, DestinationAttribute::ActiveConnections),
            inactive_connections: counter!(attributes, DestinationAttribute::InactiveConnections),
            persistent_connections: counter!(
                attributes,
                DestinationAttribute::PersistentConnections
            ),
            stats: stats(
                find!(attributes, DestinationAttribute::Stats64),
                find!(attributes, DestinationAttribute::Stats),
            ),
        })
    }

    /// The sync daemon that the message describes: `NEW_DAEMON`.
    pub fn daemon(&self) -> Result<Daemon, DecodeError> {
        let nest = need!(self.attributes()?, CommandAttribute::Daemon)?;
        let attributes = &nest.attributes;
        let state = *need!(attributes, DaemonAttribute::State)?;
        let group = find!(attributes, DaemonAttribute::Group).copied().map(IpAddr::from);
        let group6 = find!(attributes, DaemonAttribute::Group6).copied().map(IpAddr::from);
        Ok(Daemon {
            role: role(state).ok_or_else(|| value_error(place!(DaemonAttribute::State), state))?,
            interface: need!(attributes, DaemonAttribute::Interface)?.clone(),
            sync_id: *need!(attributes, DaemonAttribute::SyncId)?,
            max_length: find!(attributes, DaemonAttribute::MaxLength).copied(),
            group: group.or(group6),
            port: find!(attributes, DaemonAttribute::Port).copied(),
            ttl: find!(attributes, DaemonAttribute::Ttl).copied(),
        })
    }

    /// The timeouts that the message carries: `SET_CONFIG`.
    pub fn timeouts(&self) -> Result<Timeouts, DecodeError> {
        let attributes = self.attributes()?;
        Ok(Timeouts {
            tcp: *need!(attributes, CommandAttribute::TimeoutTcp)?,
            tcp_fin: *need!(attributes, CommandAttribute::TimeoutTcpFin)?,
            udp: *need!(attributes, CommandAttribute::TimeoutUdp)?,
        })
    }

    /// The kernel's own data: `SET_INFO`.
    pub fn info(&self) -> Result<Info, DecodeError> {
        let Self::Info(attributes) = self else {
            return Err(DecodeError::Unexpected(self.command()));
        };
        Ok(Info {
            version: *need!(attributes, InfoAttribute::Version)?,
            connection_table_size: *need!(attributes, InfoAttribute::ConnectionTableSize)?,
        })
    }

    fn attributes(&self) -> Result<&[CommandAttribute], DecodeError> {
        match self {
            Self::Command(_, attributes) => Ok(attributes),
            Self::Info(_) => Err(DecodeError::Unexpected(self.command())),
        }
    }
}

fn value_error(place: Place, value: impl ToString) -> DecodeError {
    DecodeError::Value { place, value: value.to_string() }
}

fn forward_error(method: u32, tunnel: TunnelNumbers) -> DecodeError {
    if tunnel.to_tunnel().is_none() {
        value_error(place!(DestinationAttribute::TunnelType), tunnel.kind)
    } else {
        value_error(place!(DestinationAttribute::ForwardMethod), method)
    }
}

fn service_key(attributes: &[ServiceAttribute]) -> Result<ServiceKey, DecodeError> {
    let family = *need!(attributes, ServiceAttribute::Family)?;
    let family = Family::from_number(family)
        .ok_or_else(|| value_error(place!(ServiceAttribute::Family), family))?;
    if let Some(&mark) = find!(attributes, ServiceAttribute::Fwmark) {
        return Ok(ServiceKey::Fwmark { mark, family });
    }
    let protocol = *need!(attributes, ServiceAttribute::Protocol)?;
    let protocol = Protocol::from_number(protocol)
        .ok_or_else(|| value_error(place!(ServiceAttribute::Protocol), protocol))?;
    let address = address(family, *need!(attributes, ServiceAttribute::Address)?);
    let Port(port) = *need!(attributes, ServiceAttribute::Port)?;
    Ok(ServiceKey::address(protocol, SocketAddr::new(address, port)))
}

fn destination_key(
    attributes: &[DestinationAttribute],
    service: Family,
) -> Result<DestinationKey, DecodeError> {
    let family = match find!(attributes, DestinationAttribute::Family) {
        None => service,
        Some(&number) => Family::from_number(number)
            .ok_or_else(|| value_error(place!(DestinationAttribute::Family), number))?,
    };
    let address = address(family, *need!(attributes, DestinationAttribute::Address)?);
    let Port(port) = *need!(attributes, DestinationAttribute::Port)?;
    Ok(DestinationKey { address, port })
}

fn address(family: Family, octets: [u8; 16]) -> IpAddr {
    match family {
        Family::Inet => {
            let [a, b, c, d, ..] = octets;
            Ipv4Addr::new(a, b, c, d).into()
        }
        Family::Inet6 => Ipv6Addr::from(octets).into(),
    }
}

fn prefix(family: Family, netmask: [u8; 4]) -> Result<u8, DecodeError> {
    let prefix = match family {
        Family::Inet => u32::from_be_bytes(netmask).leading_ones(),
        Family::Inet6 => u32::from_ne_bytes(netmask),
    };
    u8::try_from(prefix)
        .ok()
        .filter(|&prefix| prefix <= family.bits())
        .ok_or_else(|| value_error(place!(ServiceAttribute::Netmask), prefix))
}

fn name(text: &str, place: Place) -> Result<Scheduler, DecodeError> {
    text.parse().map_err(|_| value_error(place, format_args!("{text:?}")))
}

fn stats(wide: Option<&Nest<Stats64Attribute>>, narrow: Option<&Nest<StatsAttribute>>) -> Stats {
    match (wide, narrow) {
        (Some(nest), _) => stats!(nest.attributes, Stats64Attribute),
        (None, Some(nest)) => stats!(nest.attributes, StatsAttribute),
        (None, None) => Stats::default(),
    }
}
