//! Interfaces with a MAC of their own on top of others.

use neli::consts::nl::NlmF;
use neli::consts::rtnl::Rtm;
use nix::errno::Errno;

use crate::error::Error;
use crate::message;
use crate::{Link, Netlink};

/// A macvlan interface to make, in bridge mode. In private mode (keepalived's) the kernel keeps a
/// multicast packet from the interface below that another host sent from the same MAC, and of two
/// masters none would hear the other (`macvlan_handle_frame`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Macvlan<'a> {
    /// Its name.
    pub name: &'a str,
    /// Name of the interface that it is on.
    pub parent: &'a str,
    /// Its MAC.
    pub mac: [u8; 6],
}

impl Netlink {
    /// Makes sure that there is this macvlan, and returns it with whether it was made now. A new
    /// one is down.
    ///
    /// Equivalent to `ip link add NAME link PARENT address MAC type macvlan mode bridge`.
    ///
    /// # Errors
    ///
    /// The parent does not exist (`ENODEV`), another interface has the name (`EEXIST`), the kernel
    /// has no macvlan (`EOPNOTSUPP`), or the caller lacks `CAP_NET_ADMIN` (`EPERM`).
    pub fn ensure_macvlan(&mut self, wanted: &Macvlan<'_>) -> Result<(Link, bool), Error> {
        let Macvlan { name, parent, mac } = *wanted;
        let operation = format!("add macvlan {name} on {parent}");
        let refused = |errno: Errno, text: &str| Error::Refused {
            operation: operation.clone(),
            errno: errno as i32,
            text: Some(text.to_owned()),
        };
        let below = self.link(parent)?.ok_or_else(|| refused(Errno::ENODEV, parent))?;
        if let Some(link) = self.link(name)? {
            if (link.parent, link.mac) == (Some(below.index), Some(mac)) {
                return Ok((link, false));
            }
            return Err(refused(Errno::EEXIST, "an interface of another kind has this name"));
        }
        let flags = NlmF::ACK | NlmF::CREATE | NlmF::EXCL;
        let request = message::macvlan(name, below.index, mac);
        self.ask::<_, ()>(&operation, Rtm::Newlink, flags, request, |_| Ok(None))?;
        let made = self.link(name)?.ok_or_else(|| refused(Errno::ENODEV, "it is gone again"))?;
        Ok((made, true))
    }

    /// Deletes an interface; `false` if there is none with this name. `ip link del NAME`.
    ///
    /// # Errors
    ///
    /// The kernel refuses: it is no virtual one (`EOPNOTSUPP`), or the caller lacks
    /// `CAP_NET_ADMIN` (`EPERM`).
    pub fn delete_link(&mut self, name: &str) -> Result<bool, Error> {
        let Some(link) = self.link(name)? else { return Ok(false) };
        let operation = format!("delete link {name}");
        let request = message::link_change(link.index, None);
        match self.ask::<_, ()>(&operation, Rtm::Dellink, NlmF::ACK, request, |_| Ok(None)) {
            Ok(_) => Ok(true),
            Err(error) if error.errno() == Some(Errno::ENODEV as i32) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Sets an interface up or down. `ip link set NAME up`.
    ///
    /// # Errors
    ///
    /// There is no such interface (`ENODEV`), what it is on is down (`ENETDOWN`), or the caller
    /// lacks `CAP_NET_ADMIN` (`EPERM`).
    pub fn set_link(&mut self, name: &str, up: bool) -> Result<(), Error> {
        let operation = format!("set link {name} {}", if up { "up" } else { "down" });
        let Some(link) = self.link(name)? else {
            return Err(Error::Refused { operation, errno: Errno::ENODEV as i32, text: None });
        };
        let request = message::link_change(link.index, Some(up));
        self.ask::<_, ()>(&operation, Rtm::Newlink, NlmF::ACK, request, |_| Ok(None))?;
        Ok(())
    }
}
