//! The kernel in memory, watched for what no plan may do.

use std::collections::BTreeMap;

use config::VirtualServer;
use engine::{Snapshot, Step};
use ipvs::fake::FakeKernel;
use ipvs::{
    Destination, DestinationKey, Kernel as _, Operation, Service, ServiceKey, Table, TableService,
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
}

impl Kernel {
    /// A kernel with a service of another program and some of what is defined.
    pub(crate) fn new(random: &mut Random, defined: &[VirtualServer]) -> Self {
        let mut kernel = Self { fake: FakeKernel::new(), refuse_next: 0, applied: 0 };
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

    pub(crate) fn snapshot(&mut self) -> Snapshot {
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

    fn members(&mut self) -> BTreeMap<ServiceKey, usize> {
        let services = self.table().services.into_iter();
        services.map(|one| (one.entry.service.key, one.destinations.len())).collect()
    }

    /// Carries out a plan. It leaves others alone, and a service that has a server before and
    /// after has one in between.
    pub(crate) fn apply(&mut self, steps: Vec<Step>) -> Vec<(Step, Result<(), String>)> {
        let others = self.services().remove(&foreign());
        let before = self.members();
        let mut least = before.clone();
        let mut results = Vec::new();
        for step in steps {
            if self.refuse_next > 0 {
                self.refuse_next -= 1;
                self.fake.fail_next(NO_MEMORY);
            }
            let result = self.fake.execute(std::slice::from_ref(&step.operation)).remove(0);
            self.applied += 1;
            let after = self.members();
            for (key, least) in &mut least {
                *least = (*least).min(after.get(key).copied().unwrap_or(0));
            }
            results.push((step, result.map_err(|error| error.to_string())));
        }
        if results.iter().all(|(_, result)| result.is_ok()) {
            let after = self.members();
            for (key, least) in least {
                let after = after.get(&key).copied().unwrap_or(0);
                assert!(
                    least > 0 || before[&key] == 0 || after == 0,
                    "{key} was empty between {} and {after} destinations",
                    before[&key]
                );
            }
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
            match random.below(4) {
                0 => self.set_up(Operation::DelService(key)),
                1 => {
                    let extra = destination(random.below(8) + 1, 80, 7);
                    self.set_up(match destinations.contains_key(&extra.key) {
                        true => Operation::SetDestination(key, extra),
                        false => Operation::NewDestination(key, extra),
                    });
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
