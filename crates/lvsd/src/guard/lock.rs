//! One lvsd in each network namespace.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use anyhow::{Context, bail};

/// Holds the name that says that lvsd runs in this network namespace. A second one would take the
/// first one's addresses away and write into its table.
pub(crate) fn only_one() -> anyhow::Result<UnixListener> {
    let name = SocketAddr::from_abstract_name("lvsd").context("naming the lock")?;
    match UnixListener::bind_addr(&name) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => bail!(
            "another lvsd runs in this network namespace; stop it first (its abstract socket \
             `@lvsd` tells: `ss -xlp | grep @lvsd`)"
        ),
        bound => bound.context("taking the lock `@lvsd`"),
    }
}
