//! Where an instance stands: what a successor needs to go on without a gap, and what a guard needs
//! to end a role in the place of a process that cannot.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::instance::Master;
use crate::routing::Routing;
use crate::spec::{Centiseconds, VirtualAddress};
use crate::track::{Condition, Thing};

/// Below this, a loop that hangs and one that a busy machine left waiting look alike. At intervals
/// under 32 ms the other director may have taken over by then; the two overlap for less than 60 ms.
const LEAST_PATIENCE: Duration = Duration::from_millis(60);

/// How long the silence of a loop is borne that holds no address.
const MOST_PATIENCE: Duration = Duration::from_secs(5);

/// Where one instance stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Name in the configuration.
    pub instance: String,
    /// Interface of the adverts.
    pub interface: String,
    /// Virtual router identifier.
    pub vrid: u8,
    /// What is known of the things that it tracks.
    pub conditions: Vec<(Thing, Condition)>,
    /// Keys of `/proc/sys` that were raised on its interface, with what they were. A program before
    /// them knows none.
    #[serde(default)]
    pub raised: BTreeMap<String, String>,
    /// Its role.
    pub role: Role,
}

/// The role of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// None: not started, stopped, or at fault.
    None,
    /// Another director is master, or nobody is yet.
    Backup {
        /// The master last heard.
        master: Option<Master>,
        /// Its interval.
        interval: Centiseconds,
    },
    /// This director is master.
    Master(Holding),
}

/// What a master holds, and the packets that it speaks with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holding {
    /// The addresses on its interfaces, but not those of an owner that the machine had before.
    pub addresses: Vec<HeldAddress>,
    /// The routes and rules. A program before them knows none.
    #[serde(default)]
    pub routing: Routing,
    /// The interface with the virtual MAC, which only a master may have up. A program before it
    /// names none.
    #[serde(default)]
    pub vmac: Option<String>,
    /// From one advert to the next.
    pub interval: Centiseconds,
    /// The advert, one packet for each receiver.
    pub adverts: Vec<Packet>,
    /// The same with priority 0, which gives mastership up.
    pub farewells: Vec<Packet>,
}

/// An address on an interface.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HeldAddress {
    /// The address.
    pub address: IpAddr,
    /// Its prefix length.
    pub prefix: u8,
    /// The interface.
    pub interface: String,
}

impl From<&VirtualAddress> for HeldAddress {
    fn from(own: &VirtualAddress) -> Self {
        Self { address: own.address, prefix: own.prefix, interface: own.interface.clone() }
    }
}

/// A VRRP packet, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packet {
    /// Interface that it leaves by.
    pub interface: String,
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// What follows the IP header.
    pub payload: Vec<u8>,
}

impl Standing {
    /// What it holds as master.
    pub fn holding(&self) -> Option<&Holding> {
        match &self.role {
            Role::Master(holding) => Some(holding),
            Role::None | Role::Backup { .. } => None,
        }
    }
}

/// How long the loop may be silent until its guard must end its roles, given the interval of each
/// master among its instances.
///
/// A backup takes over when three intervals and its skew have passed since the last advert (RFC
/// 9568 §6.1), which may have been sent one interval before the last sign of life. Of the two
/// intervals that are left, an eighth is for the guard's own work.
pub fn patience(intervals: impl Iterator<Item = Centiseconds>) -> Duration {
    let shortest = intervals.map(Centiseconds::duration).min();
    shortest
        .map_or(MOST_PATIENCE, |interval| (interval * 15 / 8).clamp(LEAST_PATIENCE, MOST_PATIENCE))
}

/// From one sign of life to the next, where silence is borne for `patience`.
pub fn heartbeat(patience: Duration) -> Duration {
    patience / 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_borne_for_less_than_two_intervals_of_the_quickest_master() {
        let of = |intervals: &[u16]| patience(intervals.iter().map(|&cs| Centiseconds::new(cs)));
        assert_eq!(of(&[]), Duration::from_secs(5));
        assert_eq!(of(&[100]), Duration::from_millis(1875));
        assert_eq!(of(&[100, 10, 4095]), Duration::from_micros(187_500));
        assert_eq!(of(&[1]), Duration::from_millis(60));
        assert_eq!(of(&[4095]), Duration::from_secs(5));
    }
}
