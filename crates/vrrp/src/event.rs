//! What an instance has to say.

use std::fmt;
use std::net::IpAddr;

use crate::spec::{Priority, VirtualAddress};
use crate::trouble::Trouble;

/// State of an instance (RFC 9568 §6.3, with Fault for an interface that cannot carry adverts).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Not started yet, or stopped.
    Initialize,
    /// Listens; another director is master.
    Backup,
    /// Holds the addresses.
    Master,
    /// The interface is down, missing or without an address.
    Fault,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Initialize => "initialize",
            Self::Backup => "backup",
            Self::Master => "master",
            Self::Fault => "fault",
        })
    }
}

/// News of one instance or sync group, worth a log line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Name of the instance, or of the group.
    pub instance: String,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    /// The state changed.
    Transition {
        /// Until now.
        from: State,
        /// From now on.
        to: State,
        /// Why, in words.
        reason: String,
        /// The priority that the instance has now.
        priority: u8,
    },
    /// All instances of a sync group have changed their state.
    GroupTransition {
        /// Until now.
        from: State,
        /// From now on.
        to: State,
        /// Why, in words.
        reason: String,
    },
    /// The priority changed.
    Priority {
        /// From now on.
        priority: u8,
        /// How it comes about: `130 = 150 - 20 (script nginx: exit status 1)`.
        arithmetic: String,
    },
    /// Another director claims to be master too.
    Rival {
        /// Its address.
        address: IpAddr,
        /// Its priority.
        priority: u8,
    },
    /// The other master is silent again; the addresses were announced again.
    RivalGone {
        /// Its address.
        address: IpAddr,
    },
    /// There are no two masters any more, as this director is none.
    RivalStays {
        /// The other one's address.
        address: IpAddr,
    },
    /// An address that was gone from its interface, or was refused before, was added.
    PutBack {
        /// The address.
        address: VirtualAddress,
    },
    /// A route or rule that was gone, or was refused before, was added.
    RoutingPutBack {
        /// Which, in words.
        what: String,
    },
    /// Something is as it should not be. It is told once.
    Begins(Trouble),
    /// It is no longer so.
    Over(Trouble),
    /// Something on this machine did not work, in words.
    Trouble(String),
}

impl Event {
    /// Whether an operator should look at it.
    pub fn is_warning(&self) -> bool {
        match &self.kind {
            EventKind::Transition { to, .. } | EventKind::GroupTransition { to, .. } => {
                *to == State::Fault
            }
            EventKind::Begins(trouble) => trouble.is_warning(),
            EventKind::Rival { .. }
            | EventKind::PutBack { .. }
            | EventKind::RoutingPutBack { .. }
            | EventKind::Trouble(_) => true,
            EventKind::RivalGone { .. }
            | EventKind::RivalStays { .. }
            | EventKind::Priority { .. }
            | EventKind::Over(_) => false,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = matches!(self.kind, EventKind::GroupTransition { .. });
        write!(f, "vrrp {}{}: ", if group { "group " } else { "" }, self.instance)?;
        match &self.kind {
            EventKind::Transition { from, to, reason, .. }
            | EventKind::GroupTransition { from, to, reason } => {
                write!(f, "{from} -> {to}: {reason}")
            }
            EventKind::Priority { arithmetic, .. } => write!(f, "priority {arithmetic}"),
            EventKind::Rival { address, priority } => {
                write!(f, "{address} claims to be master too, with priority {priority}")?;
                match *priority == Priority::OWNER.get() {
                    true => f.write_str(
                        ": both are owners of the addresses, which never give in; lower one of the \
                         priorities",
                    ),
                    false => Ok(()),
                }
            }
            EventKind::RivalGone { address } => {
                write!(f, "{address} no longer claims to be master; addresses announced again")
            }
            EventKind::RivalStays { address } => {
                write!(f, "no longer two masters: {address} stays, this director does not")
            }
            EventKind::PutBack { address: VirtualAddress { address, prefix, interface, .. } } => {
                write!(
                    f,
                    "{address}/{prefix} was missing on {interface}, and is put back; more of these \
                     within a minute are only counted"
                )
            }
            EventKind::RoutingPutBack { what } => write!(
                f,
                "the {what} was missing, and is put back; more of these within a minute are \
                 only counted"
            ),
            EventKind::Begins(Trouble::Dropped { refusal, source }) => {
                write!(f, "packet from {source} dropped: {refusal}; more of these are only counted")
            }
            EventKind::Begins(trouble) => trouble.fmt(f),
            EventKind::Over(trouble) => write!(f, "no longer: {trouble}"),
            EventKind::Trouble(text) => f.write_str(text),
        }
    }
}
