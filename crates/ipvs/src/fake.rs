//! A kernel in memory, for tests of what stands on [`Kernel`].
//!
//! It refuses what the kernel's `ip_vs_ctl.c` refuses, with the same error number. It forwards no
//! packets, so that counters move only by a test's hand. Two things are simpler than in the
//! kernel: services are listed in the order of their making instead of their hash's, and a
//! destination that is removed and added again has lost its connections.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};

use nix::errno::Errno;

use crate::error::Error;
use crate::kernel::Kernel;
use crate::model::{
    Daemon, DaemonRole, Destination, DestinationEntry, DestinationKey, Family, Forward, Operation,
    Scheduler, Service, ServiceEntry, ServiceKey, Stats, Table, TableService, Timeouts, Tunnel,
    TunnelKind,
};

/// The schedulers of Linux 6.1, and `none`, which is no module.
const SCHEDULERS: [&str; 15] = [
    "none", "rr", "wrr", "lc", "wlc", "fo", "ovf", "lblc", "lblcr", "dh", "sh", "mh", "sed", "nq",
    "twos",
];

/// The persistence engines of Linux 6.1.
const PERSISTENCE_ENGINES: [&str; 1] = ["sip"];

/// A kernel in memory.
#[derive(Debug)]
pub struct FakeKernel {
    services: Vec<TableService>,
    daemons: Vec<Daemon>,
    timeouts: Timeouts,
    failures: VecDeque<i32>,
    executed: Vec<Operation>,
}

impl Default for FakeKernel {
    fn default() -> Self {
        Self::new()
    }
}

impl FakeKernel {
    /// An empty table with the kernel's default timeouts.
    pub fn new() -> Self {
        Self {
            services: Vec::new(),
            daemons: Vec::new(),
            timeouts: Timeouts { tcp: 900, tcp_fin: 120, udp: 300 },
            failures: VecDeque::new(),
            executed: Vec::new(),
        }
    }

    /// Lets the next operation fail with this error number and change nothing. Several calls
    /// reach several operations, in order.
    pub fn fail_next(&mut self, errno: i32) {
        self.failures.push_back(errno);
    }

    /// Every operation that was asked for since the last call, the refused ones included.
    pub fn take_executed(&mut self) -> Vec<Operation> {
        std::mem::take(&mut self.executed)
    }

    /// The sync daemons that run.
    pub fn daemons(&self) -> &[Daemon] {
        &self.daemons
    }

    /// The timeouts.
    pub fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// A destination, for setting its counters or for changing it as another program would.
    pub fn destination_mut(
        &mut self,
        service: &ServiceKey,
        key: &DestinationKey,
    ) -> Option<&mut DestinationEntry> {
        let service = self.find(service).ok()?;
        service.destinations.iter_mut().find(|entry| entry.destination.key == *key)
    }

    fn find(&mut self, key: &ServiceKey) -> Result<&mut TableService, Errno> {
        self.services.iter_mut().find(|s| s.entry.service.key == *key).ok_or(Errno::ESRCH)
    }

    fn carry_out(&mut self, operation: &Operation) -> Result<(), Errno> {
        match operation {
            Operation::NewService(service) => self.new_service(service),
            Operation::SetService(service) => {
                self.find(&service.key)?;
                check_service(service)?;
                self.find(&service.key)?.entry.service = service.clone();
                Ok(())
            }
            Operation::DelService(key) => {
                self.find(key)?;
                self.services.retain(|s| s.entry.service.key != *key);
                Ok(())
            }
            Operation::NewDestination(key, destination) => self.new_destination(key, destination),
            Operation::SetDestination(key, destination) => {
                self.check_destination(key, destination)?;
                let entry = self.destination_mut(key, &destination.key).ok_or(Errno::ENOENT)?;
                entry.destination = *destination;
                Ok(())
            }
            Operation::DelDestination(key, destination) => {
                let destinations = &mut self.find(key)?.destinations;
                let position = destinations.iter().position(|e| e.destination.key == *destination);
                destinations.remove(position.ok_or(Errno::ENOENT)?);
                Ok(())
            }
            Operation::NewDaemon(daemon) => self.new_daemon(daemon),
            Operation::DelDaemon(role) => {
                let position = self.daemons.iter().position(|daemon| daemon.role == *role);
                self.daemons.remove(position.ok_or(Errno::ESRCH)?);
                Ok(())
            }
            Operation::SetTimeouts(timeouts) => {
                let set = |old: &mut u32, new: u32| *old = if new == 0 { *old } else { new };
                set(&mut self.timeouts.tcp, timeouts.tcp);
                set(&mut self.timeouts.tcp_fin, timeouts.tcp_fin);
                set(&mut self.timeouts.udp, timeouts.udp);
                Ok(())
            }
            Operation::Zero(Some(key)) => self.find(key).map(zero),
            Operation::Zero(None) => {
                self.services.iter_mut().for_each(zero);
                Ok(())
            }
            Operation::Flush => {
                self.services.clear();
                Ok(())
            }
        }
    }

    fn new_service(&mut self, service: &Service) -> Result<(), Errno> {
        if self.find(&service.key).is_ok() {
            return Err(Errno::EEXIST);
        }
        check_service(service)?;
        let entry = ServiceEntry { service: service.clone(), stats: Stats::default() };
        self.services.push(TableService { entry, destinations: Vec::new() });
        Ok(())
    }

    fn new_destination(
        &mut self,
        key: &ServiceKey,
        destination: &Destination,
    ) -> Result<(), Errno> {
        self.check_destination(key, destination)?;
        if self.destination_mut(key, &destination.key).is_some() {
            return Err(Errno::EEXIST);
        }
        if !is_usable(destination.key.address) {
            return Err(Errno::EINVAL);
        }
        let entry = DestinationEntry {
            destination: *destination,
            active_connections: 0,
            inactive_connections: 0,
            persistent_connections: 0,
            stats: Stats::default(),
        };
        // The kernel adds at the head of the list, so that a dump shows the newest first.
        self.find(key)?.destinations.insert(0, entry);
        Ok(())
    }

    /// What the kernel checks before it looks whether the destination exists.
    fn check_destination(
        &mut self,
        key: &ServiceKey,
        destination: &Destination,
    ) -> Result<(), Errno> {
        self.find(key)?;
        let mixed = destination.key.family() != key.family();
        let tunnelled = matches!(destination.forward, Forward::Tunnel(_));
        if mixed && (!tunnelled || !self.daemons.is_empty()) {
            return Err(Errno::EINVAL);
        }
        if i32::try_from(destination.upper_threshold).is_err() {
            return Err(Errno::EINVAL);
        }
        if destination.lower_threshold > destination.upper_threshold {
            return Err(Errno::ERANGE);
        }
        let gue_without_port = TunnelKind::Gue { port: 0 };
        match destination.forward {
            Forward::Tunnel(Tunnel { kind, .. }) if kind == gue_without_port => Err(Errno::EINVAL),
            _ => Ok(()),
        }
    }

    fn new_daemon(&mut self, daemon: &Daemon) -> Result<(), Errno> {
        let mixed = self.services.iter().any(|s| {
            let family = s.entry.service.key.family();
            s.destinations.iter().any(|e| e.destination.key.family() != family)
        });
        if mixed || daemon.group.is_some_and(|group| !group.is_multicast()) {
            return Err(Errno::EINVAL);
        }
        if self.daemons.iter().any(|running| running.role == daemon.role) {
            return Err(Errno::EEXIST);
        }
        let max_length = match daemon.role {
            DaemonRole::Master => 1472,
            DaemonRole::Backup => 65507,
        };
        self.daemons.push(Daemon {
            max_length: daemon.max_length.or(Some(max_length)),
            group: daemon.group.or(Some(IpAddr::V4(Ipv4Addr::new(224, 0, 0, 81)))),
            port: daemon.port.or(Some(8848)),
            ttl: daemon.ttl.or(Some(1)),
            ..daemon.clone()
        });
        Ok(())
    }
}

impl Kernel for FakeKernel {
    fn table(&mut self) -> Result<Table, Error> {
        Ok(Table { services: self.services.clone() })
    }

    fn execute(&mut self, operations: &[Operation]) -> Vec<Result<(), Error>> {
        let mut one = |operation: &Operation| {
            self.executed.push(operation.clone());
            let result = match self.failures.pop_front() {
                Some(errno) => Err(errno),
                None => self.carry_out(operation).map_err(|errno| errno as i32),
            };
            result.map_err(|errno| Error::refused_operation(operation, errno, None))
        };
        operations.iter().map(&mut one).collect()
    }
}

fn zero(service: &mut TableService) {
    service.entry.stats = Stats::default();
    for entry in &mut service.destinations {
        entry.stats = Stats::default();
    }
}

fn check_service(service: &Service) -> Result<(), Errno> {
    let known = |name: &Scheduler, modules: &[&str]| modules.contains(&name.as_str());
    let engine = service.persistence_engine.as_ref();
    if !known(&service.scheduler, &SCHEDULERS)
        || engine.is_some_and(|engine| !known(engine, &PERSISTENCE_ENGINES))
    {
        return Err(Errno::ENOENT);
    }
    // For IPv4 the kernel takes any mask.
    let family = service.key.family();
    match service.persistence {
        Some(p) if family == Family::Inet6 && !(1..=128).contains(&p.prefix) => Err(Errno::EINVAL),
        _ => Ok(()),
    }
}

/// Whether the kernel takes the address of a destination. A link-local IPv6 address passes there
/// when it is the director's own; here there are no addresses.
fn is_usable(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.octets()[0] != 0 && !v4.is_broadcast() && !v4.is_multicast(),
        IpAddr::V6(v6) => !v6.is_unspecified() && !v6.is_multicast() && !v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Persistence, ServiceFlags, Weight};

    fn key(text: &str) -> ServiceKey {
        text.parse().unwrap()
    }

    fn service(text: &str) -> Service {
        Service {
            key: key(text),
            scheduler: "wlc".parse().unwrap(),
            flags: ServiceFlags::NONE,
            persistence: None,
            persistence_engine: None,
        }
    }

    fn destination(address: &str) -> Destination {
        Destination {
            key: DestinationKey::new(address.parse().unwrap()),
            forward: Forward::DirectRoute,
            weight: Weight::ONE,
            upper_threshold: 0,
            lower_threshold: 0,
        }
    }

    /// Error number of one operation, `None` when it is carried out.
    fn errno(kernel: &mut FakeKernel, operation: Operation) -> Option<i32> {
        kernel.execute(&[operation]).remove(0).err().and_then(|error| error.errno())
    }

    const WEB: &str = "tcp 192.0.2.10:80";
    const REAL: &str = "198.51.100.1:80";

    fn kernel_with_a_server() -> FakeKernel {
        let mut kernel = FakeKernel::new();
        let operations = [
            Operation::NewService(service(WEB)),
            Operation::NewDestination(key(WEB), destination(REAL)),
        ];
        assert_eq!(kernel.execute(&operations), [Ok(()), Ok(())]);
        kernel
    }

    /// The texts are those that ipvsadm printed for the same mistakes on Linux 6.1.
    #[test]
    fn mistakes_have_the_kernels_answers() {
        let mut kernel = kernel_with_a_server();
        let mut text =
            |operation: Operation| kernel.execute(&[operation]).remove(0).unwrap_err().to_string();
        assert_eq!(
            text(Operation::DelService(key("tcp 9.9.9.9:1"))),
            "ipvs: DEL_SERVICE tcp 9.9.9.9:1: No such service"
        );
        assert_eq!(
            text(Operation::NewService(service(WEB))),
            "ipvs: NEW_SERVICE tcp 192.0.2.10:80: Service already exists"
        );
        assert_eq!(
            text(Operation::NewDestination(key(WEB), destination(REAL))),
            "ipvs: NEW_DEST tcp 192.0.2.10:80 -> 198.51.100.1:80: Destination already exists"
        );
        let mut unknown = service("tcp 192.0.2.99:80");
        unknown.scheduler = "nosuch".parse().unwrap();
        assert_eq!(
            text(Operation::NewService(unknown)),
            "ipvs: NEW_SERVICE tcp 192.0.2.99:80: Scheduler or persistence engine not found: \
             scheduler nosuch is not in this kernel (modprobe ip_vs_nosuch)"
        );
    }

    #[test]
    fn destinations_need_a_service_and_their_own_kind() {
        const EINVAL: Option<i32> = Some(22);
        let mut kernel = kernel_with_a_server();
        let mut add = |service: &str, d: Destination| {
            errno(&mut kernel, Operation::NewDestination(key(service), d))
        };
        assert_eq!(add("tcp 192.0.2.10:81", destination(REAL)), Some(3));
        assert_eq!(add(WEB, destination("[2001:db8::1]:80")), EINVAL, "another family");
        assert_eq!(add(WEB, destination("224.0.0.1:80")), EINVAL, "multicast");
        let mut tunnel = destination("[2001:db8::1]:80");
        tunnel.forward = Forward::Tunnel(Tunnel::IPIP);
        assert_eq!(add(WEB, tunnel), None, "a tunnel may change the family");
        let mut limits = destination("198.51.100.2:80");
        (limits.lower_threshold, limits.upper_threshold) = (2, 1);
        assert_eq!(add(WEB, limits), Some(34), "ERANGE");
        let gone = DestinationKey::new("198.51.100.7:80".parse().unwrap());
        assert_eq!(errno(&mut kernel, Operation::DelDestination(key(WEB), gone)), Some(2));
    }

    #[test]
    fn changes_keep_what_they_do_not_name() {
        let mut kernel = kernel_with_a_server();
        let real = destination(REAL).key;
        kernel.destination_mut(&key(WEB), &real).unwrap().active_connections = 5;
        let mut heavier = destination(REAL);
        heavier.weight = Weight::MAX;
        let mut sticky = service(WEB);
        sticky.persistence = Some(Persistence { timeout: 60, prefix: 32 });
        let operations = [
            Operation::SetDestination(key(WEB), heavier),
            Operation::SetService(sticky.clone()),
            Operation::NewDestination(key(WEB), destination("198.51.100.2:80")),
        ];
        assert_eq!(kernel.execute(&operations), [Ok(()), Ok(()), Ok(())]);
        let table = kernel.table().unwrap();
        assert_eq!(table.services[0].entry.service, sticky);
        let destinations = &table.services[0].destinations;
        assert_eq!(destinations[0].destination, destination("198.51.100.2:80"), "newest first");
        assert_eq!(destinations[1].destination, heavier);
        assert_eq!(destinations[1].active_connections, 5);
        assert_eq!(errno(&mut kernel, Operation::Flush), None);
        assert_eq!(kernel.table(), Ok(Table::default()));
    }

    #[test]
    fn daemons_and_timeouts() {
        let mut kernel = FakeKernel::new();
        let daemon = Daemon {
            role: DaemonRole::Master,
            interface: "eth1".into(),
            sync_id: 51,
            max_length: None,
            group: None,
            port: None,
            ttl: None,
        };
        let start = Operation::NewDaemon(daemon);
        let stop = Operation::DelDaemon(DaemonRole::Master);
        assert_eq!(errno(&mut kernel, start.clone()), None);
        assert_eq!(kernel.daemons()[0].port, Some(8848));
        assert_eq!(errno(&mut kernel, start), Some(17));
        assert_eq!(errno(&mut kernel, stop.clone()), None);
        assert_eq!(errno(&mut kernel, stop), Some(3));
        // 0 leaves a timeout as it is.
        let timeouts = Timeouts { tcp: 0, tcp_fin: 7, udp: 0 };
        assert_eq!(errno(&mut kernel, Operation::SetTimeouts(timeouts)), None);
        assert_eq!(kernel.timeouts(), Timeouts { tcp: 900, tcp_fin: 7, udp: 300 });
    }

    #[test]
    fn an_injected_failure_changes_nothing() {
        let mut kernel = FakeKernel::new();
        kernel.fail_next(12);
        let add = Operation::NewService(service(WEB));
        assert_eq!(errno(&mut kernel, add.clone()), Some(12));
        assert_eq!(kernel.table(), Ok(Table::default()));
        assert_eq!(errno(&mut kernel, add.clone()), None);
        assert_eq!(kernel.take_executed(), [add.clone(), add]);
    }
}
