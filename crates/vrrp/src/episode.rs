//! What should not be, from its first sign to its last: each is reported once. Pure.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::time::Instant;

use crate::spec::Heartbeat;

/// What should not be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
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

/// The episodes that are not over, and until when each is not, unless there is a further sign.
#[derive(Debug, Default)]
pub(crate) struct Episodes(BTreeMap<Trouble, Instant>);

impl Episodes {
    /// A sign of it. Whether it is the first one.
    pub(crate) fn open(&mut self, trouble: Trouble, until: Instant) -> bool {
        self.0.insert(trouble, until).is_none()
    }

    /// It is over. Whether it had been there.
    pub(crate) fn close(&mut self, trouble: &Trouble) -> bool {
        self.0.remove(trouble).is_some()
    }

    /// One that has had no further sign in time.
    pub(crate) fn expire(&mut self, now: Instant) -> Option<Trouble> {
        let over = self.0.iter().find(|(_, until)| now >= **until)?.0.clone();
        self.0.remove(&over);
        Some(over)
    }

    /// When the next one may be over.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.0.values().min().copied()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Trouble> {
        self.0.keys()
    }
}
