//! What the kernel has refused.

use std::collections::BTreeMap;

use ipvs::{Operation, ServiceKey};

use crate::plan::{Cause, Reason, Step};

/// Operations that failed the last time, with the error, by the service that they are about.
#[derive(Debug, Clone, Default)]
pub(crate) struct Failing(BTreeMap<Option<ServiceKey>, BTreeMap<String, String>>);

impl Failing {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Operations in words, each with its error.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, &String)> {
        self.0.values().flatten()
    }

    pub(super) fn failed(&mut self, operation: &Operation, error: String) {
        let of_service = self.0.entry(operation.service()).or_default();
        of_service.insert(operation.to_string(), error);
    }

    pub(super) fn succeeded(&mut self, operation: &Operation) {
        // Words are made only where they are needed: a table has many entries.
        let service = operation.service();
        let Some(of_service) = self.0.get_mut(&service) else { return };
        of_service.remove(&operation.to_string());
        if of_service.is_empty() {
            self.0.remove(&service);
        }
    }

    /// Says of the steps of a new plan which are tried again, and forgets what is not in it.
    /// `is_planned` tells whether a service was looked at; `None` stands for what has none.
    pub(super) fn tried_again<'a>(
        &mut self,
        steps: impl Iterator<Item = &'a mut Step>,
        is_planned: impl Fn(Option<&ServiceKey>) -> bool,
    ) {
        if self.is_empty() {
            return;
        }
        let (before, others) = std::mem::take(&mut self.0)
            .into_iter()
            .partition::<BTreeMap<_, _>, _>(|(service, _)| is_planned(service.as_ref()));
        self.0 = others;
        // A service that is made again, whose destinations follow.
        let mut renewed = None;
        for step in steps {
            let service = step.operation.service();
            let Some(of_service) = before.get(&service) else { continue };
            let failed = of_service.get(&step.operation.to_string());
            if let Some(error) = failed {
                self.failed(&step.operation, error.clone());
            }
            match &step.operation {
                Operation::NewService(_) => renewed = failed.map(|error| (service, error)),
                Operation::NewDestination(..) => {}
                _ => renewed = None,
            }
            let with_service = renewed.filter(|(of, _)| *of == service).map(|(_, error)| error);
            if let Some(error) = failed.or(with_service) {
                step.reason = Reason { cause: Cause::Retry, words: error.clone().into() };
            }
        }
    }
}
