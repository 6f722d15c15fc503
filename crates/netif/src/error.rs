//! What can go wrong between this crate and the kernel.

use std::io;
use std::time::Duration;

use nix::errno::Errno;

/// A request to the kernel that failed.
///
/// `operation` is what was tried with its object, such as `add address 192.0.2.1/24 on eth0`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The kernel refused.
    #[error("netif: {operation}: {}", reason(*errno, text.as_deref()))]
    Refused {
        /// What was tried, on which object.
        operation: String,
        /// The kernel's reason.
        errno: i32,
        /// The kernel's own words (`NLMSGERR_ATTR_MSG`), if it gave any.
        text: Option<String>,
    },
    /// The netlink socket failed.
    #[error("netif: {operation}: netlink socket: {}", reason(*errno, None))]
    Socket {
        /// What was tried, on which object.
        operation: String,
        /// Why.
        errno: i32,
    },
    /// The kernel did not answer: nobody knows whether the operation was carried out.
    #[error(
        "netif: {operation}: the kernel gave no answer within {} s, it may or may not have been \
         carried out: look again", after.as_secs()
    )]
    NoAnswer {
        /// What was tried, on which object.
        operation: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// The kernel's message makes no sense to this crate.
    #[error("netif: {operation}: unintelligible message of the kernel: {what}")]
    Unintelligible {
        /// What was tried, on which object.
        operation: String,
        /// What is wrong with it.
        what: String,
    },
    /// A request that cannot be written as a netlink message.
    #[error("netif: {operation}: {what}")]
    Invalid {
        /// What was tried, on which object.
        operation: String,
        /// What is wrong with it.
        what: String,
    },
    /// A file below `/proc/sys` could not be read or written.
    #[error("netif: {operation}: {}", sysctl_reason(*errno))]
    Sysctl {
        /// What was tried, on which key.
        operation: String,
        /// Why.
        errno: i32,
    },
}

impl Error {
    /// The kernel's error number, where it gave one.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Refused { errno, .. }
            | Self::Socket { errno, .. }
            | Self::Sysctl { errno, .. } => Some(*errno),
            Self::NoAnswer { .. } | Self::Unintelligible { .. } | Self::Invalid { .. } => None,
        }
    }

    pub(crate) fn socket(operation: &str, error: &io::Error) -> Self {
        Self::Socket { operation: operation.to_owned(), errno: errno(error) }
    }

    pub(crate) fn unintelligible(operation: &str, what: impl ToString) -> Self {
        Self::Unintelligible { operation: operation.to_owned(), what: what.to_string() }
    }
}

/// The number in an error of the operating system.
pub(crate) fn errno(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(Errno::EIO as i32)
}

fn reason(errno: i32, text: Option<&str>) -> String {
    let meaning = match Errno::from_raw(errno) {
        Errno::ENODEV => "no such interface".to_owned(),
        Errno::EPERM => "not permitted: CAP_NET_ADMIN is needed; run as root or give the \
                         capability to the service"
            .to_owned(),
        other => other.desc().to_lowercase(),
    };
    match text {
        Some(text) => format!("{meaning}: {}", text.trim_end_matches('.')),
        None => meaning,
    }
}

fn sysctl_reason(errno: i32) -> String {
    match Errno::from_raw(errno) {
        Errno::ENOENT => "the kernel has no such key".to_owned(),
        Errno::EACCES | Errno::EPERM => "not permitted: run as root".to_owned(),
        Errno::EROFS => "/proc/sys is read-only here, as in most containers: set it on the host \
                         or give the container its own writable /proc/sys/net"
            .to_owned(),
        other => other.desc().to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(errno: Errno, text: Option<&str>) -> Error {
        let operation = "add address 10.0.0.1/24 on eth9".to_owned();
        Error::Refused { operation, errno: errno as i32, text: text.map(str::to_owned) }
    }

    #[test]
    fn says_what_failed_and_why() {
        assert_eq!(
            refused(Errno::ENODEV, None).to_string(),
            "netif: add address 10.0.0.1/24 on eth9: no such interface"
        );
        assert_eq!(
            refused(Errno::EINVAL, Some("ipv4: Invalid prefix length")).to_string(),
            "netif: add address 10.0.0.1/24 on eth9: invalid argument: ipv4: Invalid prefix length"
        );
        assert!(refused(Errno::EPERM, None).to_string().contains("CAP_NET_ADMIN is needed"));
    }

    #[test]
    fn errno_is_the_kernels_number() {
        assert_eq!(refused(Errno::EADDRNOTAVAIL, None).errno(), Some(99));
        assert_eq!(Error::unintelligible("list links", "too short").errno(), None);
    }
}
