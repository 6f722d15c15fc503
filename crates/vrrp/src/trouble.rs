//! What should not be between the directors.

use std::fmt;
use std::net::IpAddr;

use crate::packet::{DropCause, Refusal};
use crate::spec::{Centiseconds, Heartbeat};

/// What should not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// Another director's adverts name other virtual addresses.
    OtherAddresses {
        /// The other director.
        peer: IpAddr,
        /// Those that only it names.
        theirs: Vec<IpAddr>,
        /// Those that only this one names.
        ours: Vec<IpAddr>,
    },
    /// The master's advert interval is another than the configured one; the master's counts.
    OtherInterval {
        /// The master.
        address: IpAddr,
        /// Its interval.
        theirs: Centiseconds,
        /// The configured one.
        own: Centiseconds,
    },
    /// Packets from this source are dropped.
    Dropped {
        /// Why, of the last one.
        refusal: Refusal,
        /// Their source.
        source: IpAddr,
    },
    /// This director is master, and another machine answers for one of its addresses.
    AddressTaken {
        /// The address.
        address: IpAddr,
        /// The MAC address of the other machine.
        mac: [u8; 6],
    },
    /// No advert arrives, and yet a machine answers for one of the addresses.
    SilentMaster {
        /// The address.
        address: IpAddr,
        /// The machine's MAC address.
        mac: [u8; 6],
    },
    /// The master lives, as this path tells, but its adverts do not arrive on the link.
    LinkSilent(Heartbeat),
    /// The master's adverts arrive on the link, but not over this path.
    PathSilent(Heartbeat),
}

impl Trouble {
    /// Whether it is between the directors of this pair; drops for most causes are of packets that
    /// need not come from one.
    pub fn is_of_the_pair(&self) -> bool {
        match self {
            Self::Dropped { refusal, .. } => matches!(
                refusal.cause(),
                DropCause::Authentication | DropCause::Interval | DropCause::Version
            ),
            _ => true,
        }
    }

    /// Whether an operator should look at it: other routers on the same link are nobody's fault.
    pub fn is_warning(&self) -> bool {
        !matches!(self, Self::Dropped { refusal, .. } if refusal.cause() == DropCause::Vrid)
    }

    pub(crate) fn subject(&self) -> Subject {
        match *self {
            Self::OtherAddresses { peer, .. } => Subject::OtherAddresses(peer),
            Self::OtherInterval { .. } => Subject::OtherInterval,
            Self::Dropped { refusal, source } => Subject::Dropped(source, refusal.cause()),
            Self::AddressTaken { address, .. } => Subject::AddressTaken(address),
            Self::SilentMaster { address, .. } => Subject::SilentMaster(address),
            Self::LinkSilent(ref path) => Subject::LinkSilent(path.clone()),
            Self::PathSilent(ref path) => Subject::PathSilent(path.clone()),
        }
    }
}

/// What tells one trouble from another. What a packet says is not among it: a sender that says
/// something else each time is one trouble.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    OtherAddresses(IpAddr),
    OtherInterval,
    Dropped(IpAddr, DropCause),
    AddressTaken(IpAddr),
    SilentMaster(IpAddr),
    LinkSilent(Heartbeat),
    PathSilent(Heartbeat),
}

impl Subject {
    /// Whether there can be as many as there are addresses in the world; of the others there are
    /// as many as the definition has addresses and paths.
    pub(crate) fn is_chosen_by_the_sender(&self) -> bool {
        matches!(self, Self::OtherAddresses(_) | Self::Dropped(..))
    }

    pub(crate) fn is_of_the_kind_of(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherAddresses { peer, theirs, ours } => {
                write!(f, "{peer} has other virtual addresses")?;
                for (who, only) in [("there", theirs), ("here", ours)] {
                    if !only.is_empty() {
                        let only: Vec<String> = only.iter().map(ToString::to_string).collect();
                        write!(f, "; only {who}: {}", only.join(", "))?;
                    }
                }
                f.write_str("; make them equal")
            }
            Self::OtherInterval { address, theirs, own } => write!(
                f,
                "{address} sends its adverts every {theirs}, advert_interval here is {own}: the \
                 master's counts; make them equal"
            ),
            Self::Dropped { refusal, source } => {
                write!(f, "packets from {source} dropped: {}", refusal.cause())
            }
            Self::AddressTaken { address, mac } => write!(
                f,
                "{} answers for {address} too: another machine has this address",
                Mac(*mac)
            ),
            Self::SilentMaster { address, mac } => write!(
                f,
                "no advert arrives, but {} answers for {address}: is VRRP there stuck, or filtered \
                 on the way?",
                Mac(*mac)
            ),
            Self::LinkSilent(path) => write!(
                f,
                "the master's adverts arrive over heartbeat {path} alone: look at the link between \
                 the directors"
            ),
            Self::PathSilent(path) => write!(
                f,
                "the master's adverts do not arrive over heartbeat {path}; they do on the link"
            ),
        }
    }
}

struct Mac([u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}
