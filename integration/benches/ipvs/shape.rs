//! The tables that are measured.

use std::fmt::{self, Write};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;

use anyhow::{Result, anyhow, ensure};
use config::Config;
use ipvs::{
    Destination, DestinationKey, Forward, Operation, Protocol, Service, ServiceFlags, ServiceKey,
    Table, Weight,
};

const SCHEDULER: &str = "wlc";
const FIRST_SERVICE: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);
const FIRST_SERVER: Ipv4Addr = Ipv4Addr::new(10, 64, 0, 1);

/// So many services with so many destinations each. No destination is in two services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    services: u32,
    destinations: u32,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} x {}", self.services, self.destinations)
    }
}

impl Shape {
    /// The one that the bars are about comes first.
    pub(crate) const ALL: [Self; 3] = [
        Self { services: 100, destinations: 100 },
        Self { services: 1000, destinations: 10 },
        Self { services: 10, destinations: 1000 },
    ];

    /// Whether the bars are about this one.
    pub(crate) fn has_bars(self) -> bool {
        self == Self::ALL[0]
    }

    /// How many operations bring it into an empty table.
    pub(crate) fn size(self) -> usize {
        (self.services + self.services * self.destinations) as usize
    }

    /// The services' addresses, each with those of its destinations.
    fn services(self) -> impl Iterator<Item = (SocketAddrV4, impl Iterator<Item = SocketAddrV4>)> {
        (0..self.services).map(move |service| {
            let servers = (0..self.destinations)
                .map(move |server| numbered(FIRST_SERVER, service * self.destinations + server));
            (numbered(FIRST_SERVICE, service), servers)
        })
    }

    /// The last service in the order of addresses.
    pub(crate) fn last_service(self) -> ServiceKey {
        key(numbered(FIRST_SERVICE, self.services - 1))
    }

    /// Number of services.
    pub(crate) fn service_count(self) -> usize {
        self.services as usize
    }

    /// Number of destinations of each service.
    pub(crate) fn destinations(self) -> usize {
        self.destinations as usize
    }

    /// What `ipvsadm -R` reads.
    pub(crate) fn rules(self) -> String {
        let mut rules = String::new();
        for (service, servers) in self.services() {
            rules += &format!("-A -t {service} -s {SCHEDULER}\n");
            for server in servers {
                rules += &format!("-a -t {service} -r {server} -g -w 1\n");
            }
        }
        rules
    }

    /// The operations that bring it into an empty table.
    pub(crate) fn operations(self) -> Result<Vec<Operation>> {
        let scheduler: ipvs::Scheduler = SCHEDULER.parse()?;
        let mut operations = Vec::new();
        for (address, servers) in self.services() {
            let service = Service {
                key: key(address),
                scheduler: scheduler.clone(),
                flags: ServiceFlags::NONE,
                persistence: None,
                persistence_engine: None,
            };
            operations.push(Operation::NewService(service));
            operations.extend(servers.map(|server| {
                let destination = Destination {
                    key: DestinationKey::new(server.into()),
                    forward: Forward::DirectRoute,
                    weight: Weight::ONE,
                    upper_threshold: 0,
                    lower_threshold: 0,
                };
                Operation::NewDestination(key(address), destination)
            }));
        }
        Ok(operations)
    }

    /// lvsd's definitions, with the one real server in the middle at `weight`.
    pub(crate) fn toml(self, weight: u32) -> String {
        let mut toml = String::new();
        let mut left = self.services * self.destinations / 2;
        for (number, (service, servers)) in self.services().enumerate() {
            let name = format!("virtual_server.s{number}");
            // Writing to a string cannot fail.
            let _ = write!(
                toml,
                "[{name}]\naddress = \"{service}\"\nscheduler = \"{SCHEDULER}\"\n\
                 forward = \"dr\"\n\n"
            );
            for server in servers {
                let weight = if left == 0 { weight } else { 1 };
                left = left.checked_sub(1).unwrap_or(u32::MAX);
                let _ = write!(
                    toml,
                    "[[{name}.real_servers]]\naddress = \"{server}\"\nweight = {weight}\n\n"
                );
            }
        }
        toml
    }

    /// [`Self::toml`], read.
    pub(crate) fn definitions(self, weight: u32) -> Result<Config> {
        read(self.toml(weight))
    }

    /// The same with a check of each real server.
    pub(crate) fn checked_definitions(self) -> Result<Config> {
        let checked = "forward = \"dr\"\nchecks = [{ tcp_check = {} }]\n";
        read(self.toml(1).replace("forward = \"dr\"\n", checked))
    }

    /// Fails unless `table` holds exactly this.
    pub(crate) fn require(self, table: &Table) -> Result<()> {
        let services = table.services.len();
        let destinations: usize = table.services.iter().map(|s| s.destinations.len()).sum();
        ensure!(
            services + destinations == self.size() && services == self.services as usize,
            "the table has {services} services and {destinations} destinations, not {self}"
        );
        Ok(())
    }
}

fn read(toml: String) -> Result<Config> {
    config::parse(Path::new("bench.toml"), toml).map_err(|errors| anyhow!("{errors}"))
}

fn numbered(first: Ipv4Addr, number: u32) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::from_bits(first.to_bits() + number), 80)
}

fn key(address: SocketAddrV4) -> ServiceKey {
    ServiceKey::address(Protocol::Tcp, address.into())
}
