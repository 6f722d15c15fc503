//! What goes into an instance and what comes out.

use std::net::IpAddr;

use crate::event::Event;
use crate::group::Order;
use crate::packet::IpHeader;
use crate::routing::Routing;
use crate::spec::{Heartbeat, InstanceSpec, VirtualAddress};
use crate::standing::Standing;
use crate::track::{Condition, Thing};

/// What happens to an instance.
#[derive(Debug, Clone)]
pub enum Input {
    /// Before the start: go on where the same instance stood in a process that ended without giving
    /// its role up.
    Resume(Box<Standing>),
    /// The interface can carry adverts, from this address: the start, and the end of a fault.
    Up(IpAddr),
    /// The interface cannot, for this reason.
    Down(String),
    /// A VRRP packet came in, with this instance's VRID or one that no instance has.
    Packet(IpHeader, Vec<u8>),
    /// A second heartbeat path can carry adverts, from this address.
    PathUp(Heartbeat, IpAddr),
    /// It cannot, for this reason.
    PathDown(Heartbeat, String),
    /// A VRRP packet with this instance's VRID came in over it.
    PathPacket(Heartbeat, IpHeader, Vec<u8>),
    /// A machine with this MAC address answered for an address after [`Output::Probe`]; not this
    /// machine itself.
    Answer(IpAddr, [u8; 6]),
    /// A packet came in that has not even a whole IP header.
    Malformed,
    /// What is known of a tracked thing now.
    Tracked(Thing, Condition),
    /// What the sync group wants.
    Group(Order),
    /// A master's address was gone, and is added again.
    PutBack(VirtualAddress),
    /// A route or rule of a master was not there, and is added: which, in words.
    RoutingPutBack(String),
    /// Changed settings. Interface and VRID are what an instance is, so they do not change.
    Reconfigure(Box<InstanceSpec>),
    /// lvsd stops, or the instance is no longer defined.
    Shutdown,
}

/// What the shell has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send these bytes as VRRP packet.
    Send {
        /// Source address.
        source: IpAddr,
        /// Destination address.
        destination: IpAddr,
        /// What follows the IP header.
        payload: Vec<u8>,
    },
    /// Set the interface with the virtual MAC up or down; only where there is one.
    SetVirtualMac {
        /// Up.
        up: bool,
    },
    /// Send these bytes as VRRP packet over a second heartbeat path, to its peer.
    SendOver {
        /// The path.
        path: Heartbeat,
        /// Source address.
        source: IpAddr,
        /// What follows the IP header.
        payload: Vec<u8>,
    },
    /// Ask the link who has these addresses.
    Probe(Vec<VirtualAddress>),
    /// Add these addresses; one that is there already is fine.
    AddAddresses(Vec<VirtualAddress>),
    /// Remove these addresses; one that is not there is fine.
    RemoveAddresses(Vec<VirtualAddress>),
    /// Add these routes and rules; one that is there already is fine.
    AddRouting(Routing),
    /// Remove these routes and rules; one that is not there is fine.
    RemoveRouting(Routing),
    /// Tell the neighbours of these addresses: one burst of gratuitous ARP and unsolicited neighbour
    /// advertisements.
    Announce(Vec<VirtualAddress>),
    /// Log it.
    Event(Event),
}

/// What is known of the master.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Master {
    /// Source of its adverts.
    pub address: IpAddr,
    /// Its priority.
    pub priority: u8,
}
