//! Two hosts that share virtual addresses, and a client.

use std::net::{IpAddr, Ipv4Addr};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::addresses::{CLIENT, CLIENT6, DIRECTORS};
use crate::host::Host;
use crate::network::{INTERFACE, Network};
use crate::wait::wait_until;

/// How often somebody looks who holds an address.
const STEP: Duration = Duration::from_millis(2);

/// The LAN of a test of virtual routers. It needs no IPVS.
#[derive(Debug)]
pub struct Pair {
    /// Who uses the virtual addresses.
    pub client: Host,
    /// The hosts of the routers; the second has the higher address.
    pub hosts: [Host; 2],
    /// The LAN between them.
    pub network: Network,
}

impl Pair {
    /// Makes the LAN with its three hosts.
    ///
    /// # Errors
    /// When the caller is not root or the kernel lacks something.
    pub fn new() -> Result<Self> {
        let network = Network::new()?;
        let [client, lb1, lb2] = network.add_hosts([
            ("client", CLIENT),
            ("lb1", DIRECTORS[0]),
            ("lb2", DIRECTORS[1]),
        ])?;
        client.exec(&format!("ip address add {CLIENT6}/64 dev {INTERFACE}"))?;
        Ok(Self { client, hosts: [lb1, lb2], network })
    }

    /// Which of the hosts hold the address.
    ///
    /// # Errors
    /// When a kernel does not tell.
    pub fn holders(&self, address: IpAddr) -> Result<[bool; 2]> {
        let [one, other] = &self.hosts;
        Ok([one.has_address(address)?, other.has_address(address)?])
    }

    /// Lays a cable between the two hosts, besides their LAN: `eth1` on both. Returns the address
    /// of the other one, for each.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn add_second_cable(&self) -> Result<[IpAddr; 2]> {
        let [one, other] = &self.hosts;
        let far = other.namespace().name();
        one.exec(&format!("ip link add eth1 type veth peer name eth1 netns {far}"))?;
        let addresses = [Ipv4Addr::new(10, 9, 0, 1), Ipv4Addr::new(10, 9, 0, 2)];
        for (host, address) in self.hosts.iter().zip(addresses) {
            host.exec(&format!("ip address add {address}/24 dev eth1"))?;
            host.exec("ip link set eth1 up")?;
        }
        Ok([addresses[1].into(), addresses[0].into()])
    }

    /// Waits until exactly one host holds the address.
    ///
    /// # Errors
    /// When that is not so within `deadline`.
    pub fn wait_one(&self, address: IpAddr, deadline: Duration) -> Result<()> {
        let what = format!("one holder of {address}");
        wait_until(&what, deadline, || {
            Ok(self.holders(address)?.into_iter().filter(|&holds| holds).count() == 1)
        })
        .map(drop)
    }

    /// Waits until the host with that index holds the address, whoever else does.
    ///
    /// # Errors
    /// When it does not within `deadline`.
    pub fn wait_held(&self, index: usize, address: IpAddr, deadline: Duration) -> Result<()> {
        let host = &self.hosts[index];
        let what = format!("{address} on {}", host.name());
        wait_until(&what, deadline, || host.has_address(address)).map(drop)
    }

    /// Waits until the host with that index alone holds the address, and has done so for `calm`.
    /// Returns how long it took until it did.
    ///
    /// # Errors
    /// When that is not so within `deadline`: the error names who held it last.
    pub fn wait_master(
        &self,
        index: usize,
        address: IpAddr,
        calm: Duration,
        deadline: Duration,
    ) -> Result<Duration> {
        let start = Instant::now();
        let mut since = None;
        loop {
            let holders = self.holders(address)?;
            let settled = (0..2).all(|host| holders[host] == (host == index));
            let now = Instant::now();
            since = if settled { since.or(Some(now)) } else { None };
            if let Some(since) = since.filter(|&since| now >= since + calm) {
                return Ok(since - start);
            }
            if now > start + deadline {
                bail!(
                    "{address} on {} alone: not within {deadline:?}; now on lb1: {}, on lb2: {}",
                    self.hosts[index].name(),
                    holders[0],
                    holders[1]
                );
            }
            thread::sleep(STEP);
        }
    }
}
