//! The kernel in memory, watched for what no plan may do.

use std::collections::{BTreeMap, BTreeSet};

use config::VirtualServer;
use engine::{Override, Snapshot, Step};
use ipvs::fake::FakeKernel;
use ipvs::{
    Destination, DestinationKey, Kernel as _, Operation, Service, ServiceKey, Table, TableService,
    Weight,
};
use testkit::Random;

use crate::definitions::{destination, foreign, service};

/// ENOMEM.
const NO_MEMORY: i32 = 12;

/// The destinations of a service.
pub(crate) type Settled = BTreeMap<DestinationKey, Destination>;

pub(crate) struct Kernel {
    fake: FakeKernel,
    /// So many operations will be refused.
    pub(crate) refuse_next: u64,
    /// How many operations were asked for.
    pub(crate) applied: usize,
    /// What another program has put into a service.
    strangers: BTreeSet<(ServiceKey, DestinationKey)>,
    /// Services that another program has changed since they were last read.
    unseen: BTreeSet<ServiceKey>,
}

/// Whether a service is to have a server once it has one: a file defines some for it, and the
/// operator has not asked for anything.
fn is_kept(key: &ServiceKey, defined: &[VirtualServer], wishes: &[Override]) -> bool {
    let has_servers =
        |one: &VirtualServer| !one.real_servers.is_empty() || !one.sorry_servers.is_empty();
    let mut defined = defined.iter();
    wishes.is_empty() && defined.any(|one| one.keys.contains(key) && has_servers(one))
}

impl Kernel {
    /// A kernel with a service of another program and some of what is defined.
    pub(crate) fn new(random: &mut Random, defined: &[VirtualServer]) -> Self {
        let mut kernel = Self {
            fake: FakeKernel::new(),
            refuse_next: 0,
            applied: 0,
            strangers: BTreeSet::new(),
            unseen: BTreeSet::new(),
        };
        kernel.set_up(Operation::NewService(service(foreign(), "rr")));
        kernel.set_up(Operation::NewDestination(foreign(), destination(1, 22, 4)));
        for virtual_server in defined {
            for key in &virtual_server.keys {
                if random.chance(50) {
                    continue;
                }
                kernel.set_up(Operation::NewService(service(*key, "sh")));
                for server in virtual_server.real_servers.iter() {
                    if random.chance(50) {
                        kernel.set_up(Operation::NewDestination(*key, server.destination));
                    }
                }
            }
        }
        kernel
    }

    /// What another program does.
    fn set_up(&mut self, operation: Operation) {
        self.fake.execute(&[operation]).remove(0).unwrap();
    }

    /// What lvsd reads.
    pub(crate) fn snapshot(&mut self) -> Snapshot {
        self.unseen.clear();
        self.table().into()
    }

    fn table(&mut self) -> Table {
        self.fake.table().unwrap()
    }

    pub(crate) fn services(&mut self) -> BTreeMap<ServiceKey, (Service, Settled)> {
        let settled = |one: TableService| {
            let destinations = one.destinations.iter().map(|entry| entry.destination);
            let settled = destinations.map(|destination| (destination.key, destination)).collect();
            (one.entry.service.key, (one.entry.service, settled))
        };
        self.table().services.into_iter().map(settled).collect()
    }

    /// Services with a server that takes new connections. What another program has put there does
    /// not count: it goes, whoever else is there.
    fn serving(&mut self) -> BTreeSet<ServiceKey> {
        let services = self.services();
        let serves = |key: &ServiceKey, one: &Destination| {
            one.weight != Weight::ZERO && !self.strangers.contains(&(*key, one.key))
        };
        let serving = services
            .iter()
            .filter(|(key, (_, servers))| servers.values().any(|one| serves(key, one)));
        serving.map(|(key, _)| *key).collect()
    }

    /// Carries out a stage of a plan. It leaves others alone, and no service loses its last server,
    /// whatever is refused, unless a file or the operator wants that.
    pub(crate) fn apply(
        &mut self,
        steps: Vec<Step>,
        defined: &[VirtualServer],
        wishes: &[Override],
    ) -> Vec<(Step, Result<(), String>)> {
        let others = self.services().remove(&foreign());
        let before = self.serving();
        let mut results = Vec::new();
        for step in steps {
            if self.refuse_next > 0 {
                self.refuse_next -= 1;
                self.fake.fail_next(NO_MEMORY);
            }
            let result = self.fake.execute(std::slice::from_ref(&step.operation)).remove(0);
            self.applied += 1;
            if let Operation::NewDestination(key, one) | Operation::SetDestination(key, one) =
                &step.operation
                && result.is_ok()
            {
                self.strangers.remove(&(*key, one.key));
            }
            let serving = self.serving();
            let mut emptied = before.difference(&serving);
            let wrong =
                emptied.find(|key| !self.unseen.contains(key) && is_kept(key, defined, wishes));
            assert_eq!(wrong, None, "is empty after {step:?}: {result:?}; {defined:?}");
            results.push((step, result.map_err(|error| error.to_string())));
        }
        assert_eq!(self.services().remove(&foreign()), others);
        results
    }

    /// Gives a destination so many active connections, in every service that has it.
    pub(crate) fn set_active(&mut self, key: &DestinationKey, active: u32) {
        for service in self.table().services {
            if let Some(entry) = self.fake.destination_mut(&service.entry.service.key, key) {
                entry.active_connections = active;
            }
        }
    }

    /// What another program might do to lvsd's services.
    pub(crate) fn drift(&mut self, random: &mut Random) {
        for (key, (_, destinations)) in self.services() {
            if key == foreign() {
                continue;
            }
            self.unseen.insert(key);
            match random.below(4) {
                0 => self.set_up(Operation::DelService(key)),
                1 => {
                    let extra = destination(random.below(8) + 1, 80, 7);
                    if destinations.contains_key(&extra.key) {
                        self.set_up(Operation::SetDestination(key, extra));
                    } else {
                        self.set_up(Operation::NewDestination(key, extra));
                        self.strangers.insert((key, extra.key));
                    }
                }
                2 => {
                    if let Some(first) = destinations.keys().next() {
                        self.set_up(Operation::DelDestination(key, *first));
                    }
                }
                _ => {}
            }
        }
    }

    /// Ends all trouble: nothing is refused any more, and no connection is left.
    pub(crate) fn calm(&mut self) {
        self.refuse_next = 0;
        for (_, (_, destinations)) in self.services() {
            for key in destinations.keys() {
                self.set_active(key, 0);
            }
        }
    }
}
