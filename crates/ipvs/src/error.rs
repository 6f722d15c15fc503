//! What can go wrong between this crate and the kernel.

use std::time::Duration;

use nix::errno::Errno;

use crate::codec::{Command, DecodeError};
use crate::model::{Operation, Service};

/// A request to the kernel that failed.
///
/// `request` is the command with its object, such as
/// `NEW_DEST tcp 192.0.2.10:80 -> 198.51.100.7:80`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The kernel does not know the family, even after it tried to load the module.
    #[error(
        "ipvs: the kernel has no IPVS: load it with `modprobe ip_vs` (as root, on the host), or \
         use a kernel built with CONFIG_IP_VS"
    )]
    NoIpvs,
    /// The kernel refused for lack of privileges.
    #[error(
        "ipvs: {request}: not permitted: CAP_NET_ADMIN is needed; run as root or give the \
         capability to the service"
    )]
    NotPermitted {
        /// Command and object.
        request: String,
    },
    /// The kernel refused.
    #[error("ipvs: {request}: {text}")]
    Refused {
        /// Command and object.
        request: String,
        /// The kernel's reason.
        errno: i32,
        /// The reason in words: the kernel's own if it gave some, else what the number means for
        /// this command.
        text: String,
    },
    /// The answer did not fit into the receive buffer: nobody knows whether the operation was
    /// carried out.
    #[error(
        "ipvs: {request}: the kernel's answer was lost, it may or may not have been carried out: \
         read the table again and compare"
    )]
    AnswerLost {
        /// Command and object.
        request: String,
    },
    /// The kernel did not answer: nobody knows whether the operation was carried out.
    #[error(
        "ipvs: {request}: the kernel gave no answer within {} s, it may or may not have been \
         carried out: read the table again and compare", after.as_secs()
    )]
    NoAnswer {
        /// Command and object.
        request: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// The socket failed.
    #[error("ipvs: {request}: netlink socket: {}", strerror(*errno))]
    Socket {
        /// Command and object, or the step of opening the socket.
        request: String,
        /// Why.
        errno: i32,
    },
    /// The kernel's answer makes no sense to this crate.
    #[error("ipvs: {request}: unintelligible answer of the kernel: {source}")]
    Unintelligible {
        /// Command and object.
        request: String,
        /// What is wrong with it.
        source: DecodeError,
    },
}

impl Error {
    /// The error number behind it, if there is one.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::NoIpvs => Some(Errno::ENOENT as i32),
            Self::NotPermitted { .. } => Some(Errno::EPERM as i32),
            Self::Refused { errno, .. } | Self::Socket { errno, .. } => Some(*errno),
            Self::AnswerLost { .. } => Some(Errno::ENOBUFS as i32),
            Self::NoAnswer { .. } => Some(Errno::ETIMEDOUT as i32),
            Self::Unintelligible { .. } => None,
        }
    }

    /// Whether nobody knows if the operation was carried out. The caller should read the table
    /// again and compare.
    pub fn is_outcome_unknown(&self) -> bool {
        matches!(self, Self::AnswerLost { .. } | Self::NoAnswer { .. })
    }

    /// The kernel's refusal of an operation. Names the module that a service lacks.
    pub(crate) fn refused_operation(
        operation: &Operation,
        errno: i32,
        words: Option<String>,
    ) -> Self {
        let mut error = Self::refused(operation.command(), operation.to_string(), errno, words);
        if let (
            Operation::NewService(service) | Operation::SetService(service),
            Self::Refused { errno, text, .. },
        ) = (operation, &mut error)
            && *errno == Errno::ENOENT as i32
        {
            text.push_str(&missing_module(service));
        }
        error
    }

    /// The kernel's refusal of `request` with `errno` and perhaps words of its own.
    pub(crate) fn refused(
        command: Command,
        request: String,
        errno: i32,
        words: Option<String>,
    ) -> Self {
        if errno == Errno::EPERM as i32 {
            return Self::NotPermitted { request };
        }
        let text = words
            .or_else(|| meaning(command, Errno::from_raw(errno)).map(str::to_owned))
            .unwrap_or_else(|| strerror(errno));
        Self::Refused { request, errno, text }
    }
}

fn missing_module(service: &Service) -> String {
    let scheduler = &service.scheduler;
    match &service.persistence_engine {
        None => {
            format!(": scheduler {scheduler} is not in this kernel (modprobe ip_vs_{scheduler})")
        }
        Some(engine) => format!(
            ": scheduler {scheduler} or persistence engine {engine} is not in this kernel \
             (modprobe -a ip_vs_{scheduler} ip_vs_pe_{engine})"
        ),
    }
}

/// The C library's words for an error number.
fn strerror(errno: i32) -> String {
    let text = std::io::Error::from_raw_os_error(errno).to_string();
    text.strip_suffix(&format!(" (os error {errno})")).unwrap_or(&text).to_owned()
}

/// What an error number means for a command, where the general meaning would mislead.
fn meaning(command: Command, errno: Errno) -> Option<&'static str> {
    use Command::{
        DelDaemon, DelDest, DelService, GetService, NewDaemon, NewDest, NewService, SetDest,
        SetService, Zero,
    };
    Some(match (command, errno) {
        (NewService, Errno::EEXIST) => "Service already exists",
        (NewService | SetService, Errno::ENOENT) => "Scheduler or persistence engine not found",
        (NewService | SetService, Errno::EINVAL) => {
            "Invalid argument: does the IPv6 prefix of the persistence lie in 1 to 128?"
        }
        (NewDest | SetDest | DelDest, Errno::ESRCH) => "No such service",
        (SetService | DelService | GetService | Zero, Errno::ESRCH) => "No such service",
        (NewDest, Errno::EEXIST) => "Destination already exists",
        (SetDest | DelDest, Errno::ENOENT) => "No such destination",
        (NewDest, Errno::EINVAL) => {
            "Invalid argument: the address is not unicast, or its family differs from the \
             service's without a tunnel or beside a sync daemon, or a gue tunnel has no port, or a \
             threshold is above 2147483647, or this network namespace has no address yet (set \
             `lo` up)"
        }
        (NewDest | SetDest, Errno::ERANGE) => {
            "Weight out of range, or lower threshold above the upper one"
        }
        (NewDaemon, Errno::EEXIST) => "A sync daemon with this role runs already",
        (NewDaemon, Errno::ENODEV) => "No such interface",
        (NewDaemon, Errno::EINVAL) => {
            "Invalid argument: the group is not multicast, or a service has destinations of \
             another address family"
        }
        (DelDaemon, Errno::ESRCH) => "No sync daemon with this role runs",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_words_come_first() {
        let request = || "NEW_SERVICE tcp 192.0.2.10:80".to_owned();
        let error = Error::refused(Command::NewService, request(), 17, Some("no room".into()));
        assert_eq!(error.to_string(), "ipvs: NEW_SERVICE tcp 192.0.2.10:80: no room");
        let error = Error::refused(Command::NewService, request(), 17, None);
        assert_eq!(
            error.to_string(),
            "ipvs: NEW_SERVICE tcp 192.0.2.10:80: Service already exists"
        );
        // A number without a special meaning: strerror(ENOMEM).
        let error = Error::refused(Command::NewService, request(), 12, None);
        assert_eq!(
            error.to_string(),
            "ipvs: NEW_SERVICE tcp 192.0.2.10:80: Cannot allocate memory"
        );
        assert_eq!(error.errno(), Some(12));
    }

    #[test]
    fn missing_privileges_name_the_capability() {
        let error = Error::refused(Command::Flush, "FLUSH".into(), 1, None);
        assert_eq!(error, Error::NotPermitted { request: "FLUSH".into() });
        assert!(error.to_string().contains("CAP_NET_ADMIN"), "{error}");
    }
}
