//! The kernel's numbers for the model's words.

use crate::model::{DaemonRole, Family, Forward, Tunnel, TunnelChecksum, TunnelKind};

/// `IP_VS_SVC_F_PERSISTENT`, which the model derives from the persistence.
pub(super) const PERSISTENT: u32 = 0x0001;

/// `AF_*`.
pub(super) trait Af: Sized {
    fn number(self) -> u16;
    fn from_number(number: u16) -> Option<Self>;
}

impl Af for Family {
    fn number(self) -> u16 {
        match self {
            Self::Inet => 2,
            Self::Inet6 => 10,
        }
    }

    fn from_number(number: u16) -> Option<Self> {
        match number {
            2 => Some(Self::Inet),
            10 => Some(Self::Inet6),
            _ => None,
        }
    }
}

/// `IP_VS_STATE_*`.
pub(super) fn role_number(role: DaemonRole) -> u32 {
    match role {
        DaemonRole::Master => 1,
        DaemonRole::Backup => 2,
    }
}

/// `IP_VS_STATE_*` the other way.
pub(super) fn role(number: u32) -> Option<DaemonRole> {
    match number {
        1 => Some(DaemonRole::Master),
        2 => Some(DaemonRole::Backup),
        _ => None,
    }
}

/// The forwarding bits of `IP_VS_CONN_F_*`.
pub(super) struct ForwardMethod(pub(super) u32);

impl ForwardMethod {
    /// `IP_VS_CONN_F_FWD_MASK`.
    const MASK: u32 = 0x0007;

    pub(super) fn of(forward: Forward) -> Self {
        Self(match forward {
            Forward::Masquerade => 0,
            Forward::Local => 1,
            Forward::Tunnel(_) => 2,
            Forward::DirectRoute => 3,
            Forward::Bypass => 4,
        })
    }

    pub(super) fn to_forward(&self, tunnel: Option<Tunnel>) -> Option<Forward> {
        match self.0 & Self::MASK {
            0 => Some(Forward::Masquerade),
            1 => Some(Forward::Local),
            2 => tunnel.map(Forward::Tunnel),
            3 => Some(Forward::DirectRoute),
            4 => Some(Forward::Bypass),
            _ => None,
        }
    }
}

/// The three numbers that describe a tunnel; all 0 without one and for IP in IP.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct TunnelNumbers {
    /// `IP_VS_CONN_F_TUNNEL_TYPE_*`.
    pub(super) kind: u8,
    /// UDP port.
    pub(super) port: u16,
    /// `IP_VS_TUNNEL_ENCAP_FLAG_*`.
    pub(super) flags: u16,
}

impl TunnelNumbers {
    const CHECKSUM: u16 = 0x0001;
    const REMOTE_OFFLOAD: u16 = 0x0002;

    pub(super) fn of(forward: Forward) -> Self {
        let Forward::Tunnel(tunnel) = forward else {
            return Self::default();
        };
        let (kind, port) = match tunnel.kind {
            TunnelKind::Ipip => (0, 0),
            TunnelKind::Gue { port } => (1, port),
            TunnelKind::Gre => (2, 0),
        };
        let flags = match tunnel.checksum {
            TunnelChecksum::None => 0,
            TunnelChecksum::Checksum => Self::CHECKSUM,
            TunnelChecksum::RemoteOffload => Self::REMOTE_OFFLOAD,
        };
        Self { kind, port, flags }
    }

    /// `None` for a type that this crate does not know.
    pub(super) fn to_tunnel(self) -> Option<Tunnel> {
        let kind = match self.kind {
            0 => TunnelKind::Ipip,
            1 => TunnelKind::Gue { port: self.port },
            2 => TunnelKind::Gre,
            _ => return None,
        };
        let checksum = if self.flags & Self::REMOTE_OFFLOAD != 0 {
            TunnelChecksum::RemoteOffload
        } else if self.flags & Self::CHECKSUM != 0 {
            TunnelChecksum::Checksum
        } else {
            TunnelChecksum::None
        };
        Some(Tunnel { kind, checksum })
    }
}
