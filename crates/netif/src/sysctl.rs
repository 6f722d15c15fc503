//! Kernel parameters: `/proc/sys`, sysctl(8).
//!
//! Keys are paths, not dotted names: an interface's name may contain a dot
//! (`net/ipv4/conf/eth0.7/arp_ignore`).

use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, errno};

/// Reads a parameter, such as `net/ipv4/conf/lo/arp_ignore`; without the newline at its end.
///
/// # Errors
///
/// The key does not exist or leads out of `/proc/sys`.
pub fn read(key: &str) -> Result<String, Error> {
    let operation = format!("read sysctl {key}");
    match fs::read_to_string(path(key, &operation)?) {
        Ok(value) => Ok(value.trim_end().to_owned()),
        Err(error) => Err(Error::Sysctl { errno: errno(&error), operation }),
    }
}

/// Sets a parameter; equivalent to `sysctl -w KEY=VALUE`.
///
/// # Errors
///
/// The key does not exist or leads out of `/proc/sys`, the kernel refuses the value, or the caller
/// may not write it.
pub fn write(key: &str, value: &str) -> Result<(), Error> {
    let operation = format!("set sysctl {key} to {value}");
    fs::write(path(key, &operation)?, value)
        .map_err(|error| Error::Sysctl { errno: errno(&error), operation })
}

/// The same where the parameter is not so already; who may not write need not where nothing is to be
/// written.
///
/// # Errors
///
/// As [`write()`].
pub fn ensure(key: &str, value: &str) -> Result<(), Error> {
    if read(key).is_ok_and(|now| now == value) { Ok(()) } else { write(key, value) }
}

fn path(key: &str, operation: &str) -> Result<PathBuf, Error> {
    let key = Path::new(key);
    if key.components().all(|part| matches!(part, Component::Normal(_))) {
        Ok(Path::new("/proc/sys").join(key))
    } else {
        Err(Error::Invalid {
            operation: operation.to_owned(),
            what: "a key is a path relative to /proc/sys without `..`".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_without_the_newline() {
        assert_eq!(read("kernel/ostype").unwrap(), "Linux");
    }

    #[test]
    fn a_missing_key_is_named() {
        assert_eq!(
            read("net/ipv4/conf/nosuch0/arp_ignore").unwrap_err().to_string(),
            "netif: read sysctl net/ipv4/conf/nosuch0/arp_ignore: the kernel has no such key"
        );
    }

    #[test]
    fn a_key_cannot_leave_the_directory() {
        for key in ["../../etc/passwd", "/etc/passwd", "net/../../../etc/passwd"] {
            assert!(matches!(read(key), Err(Error::Invalid { .. })), "{key}");
        }
    }
}
