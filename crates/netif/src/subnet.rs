//! Deleting an address and nothing else.

use std::net::IpAddr;

use neli::consts::nl::NlmF;
use neli::consts::rtnl::Rtm;
use neli::rtnl::Ifaddrmsg;

use crate::error::Error;
use crate::{Address, Netlink, NewAddress, message, sysctl};

impl Netlink {
    /// As [`Netlink::delete_address`], but the other addresses stay: where the kernel would delete
    /// those of the same network with it, because `promote_secondaries` is 0, that is 1 meanwhile;
    /// where it cannot be set, what is gone is added again.
    ///
    /// # Errors
    ///
    /// As [`Netlink::delete_address`] and [`Netlink::addresses`].
    pub fn delete_address_alone(&mut self, new: &NewAddress<'_>) -> Result<bool, Error> {
        let others = self.others_of_network(new)?;
        if others.is_empty() || promotes("all") || promotes(new.interface) {
            return self.delete_address(new);
        }
        let key = key(new.interface);
        if sysctl::write(&key, "1").is_ok() {
            let deleted = self.delete_address(new);
            sysctl::write(&key, "0")?;
            return deleted;
        }
        let again = self.as_told(&others)?;
        let deleted = self.delete_address(new)?;
        let flags = NlmF::ACK | NlmF::CREATE | NlmF::REPLACE;
        for other in again {
            let operation = format!("add the others of the network of {new} again");
            self.ask::<_, ()>(&operation, Rtm::Newaddr, flags, Ok(other), |_| Ok(None))?;
        }
        Ok(deleted)
    }

    /// These addresses with everything that the kernel tells of them, in its order.
    fn as_told(&mut self, these: &[Address]) -> Result<Vec<Ifaddrmsg>, Error> {
        self.dump("list addresses", Rtm::Getaddr, message::addresses_request, |m| {
            if !m.is(Rtm::Newaddr) {
                return Ok(None);
            }
            let is_one = message::read_address(m.payload)?.is_some_and(|a| these.contains(&a));
            is_one.then(|| message::address_as_told(m.payload)).transpose()
        })
    }

    /// The IPv4 addresses on the interface that could be secondaries of this one.
    fn others_of_network(&mut self, new: &NewAddress<'_>) -> Result<Vec<Address>, Error> {
        let IpAddr::V4(primary) = new.address else { return Ok(Vec::new()) };
        if new.prefix >= 32 {
            return Ok(Vec::new());
        }
        let Some(link) = self.link(new.interface)? else { return Ok(Vec::new()) };
        let network = |address: u32| address >> (32 - u32::from(new.prefix.max(1)));
        let is_other = |other: &Address| match other.address {
            IpAddr::V4(address) => {
                (other.index, other.prefix) == (link.index, new.prefix)
                    && address != primary
                    && network(address.to_bits()) == network(primary.to_bits())
            }
            IpAddr::V6(_) => false,
        };
        Ok(self.addresses()?.into_iter().filter(is_other).collect())
    }
}

fn key(interface: &str) -> String {
    format!("net/ipv4/conf/{interface}/promote_secondaries")
}

fn promotes(interface: &str) -> bool {
    sysctl::read(&key(interface)).is_ok_and(|value| value == "1")
}
