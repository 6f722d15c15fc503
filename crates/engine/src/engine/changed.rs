//! A reload that changes checks does not change what is known of a server.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use checkers::{Advice, Check, State};
use config::RealServer;
use ipvs::DestinationKey;

use super::Engine;
use super::scope::Changes;
use crate::policy::monitor;
use crate::wanted::{Health, HealthBook};

impl Engine {
    /// Gives the new checks of a server that was there before its state: that of the check of the
    /// same kind that they replace, else that of the server.
    pub(super) fn take_over_health(&mut self, changes: &Changes<'_>, now: Instant) {
        let old: HashMap<(&str, DestinationKey), &RealServer> = changes
            .old
            .iter()
            .flat_map(|v| v.real_servers.iter().map(move |server| (v.name.as_str(), server)))
            .map(|(name, server)| ((name, server.destination.key), server))
            .collect();
        let mut taken_over = Vec::new();
        for virtual_server in changes.new.values() {
            for server in virtual_server.real_servers.iter() {
                let place = (virtual_server.name.as_str(), server.destination.key);
                let Some(before) = old.get(&place) else { continue };
                if before.checks == server.checks {
                    continue;
                }
                for (at, check) in server.checks.iter().enumerate() {
                    let monitor = monitor(server, check);
                    if before.checks.contains(check) || self.health.contains_key(&monitor) {
                        continue;
                    }
                    let replaced = replaced(before, server, at);
                    let health = health_before(&self.health, before, replaced, now);
                    if let Some((state, since, advice)) = health {
                        let why = format!("{}: new, {state} before", check.kind.name());
                        taken_over.push((monitor, Health { state, since, why, advice }));
                    }
                }
            }
        }
        self.health.extend(taken_over);
    }
}

/// The check that the one at `at` replaces: one of the same kind that is gone, first of all that
/// in its place.
fn replaced<'a>(before: &'a RealServer, server: &RealServer, at: usize) -> Option<&'a Arc<Check>> {
    let kind = server.checks.get(at)?.kind.name();
    let fits = |old: &&Arc<Check>| old.kind.name() == kind && !server.checks.contains(old);
    before.checks.get(at).filter(fits).or_else(|| before.checks.iter().find(fits))
}

/// What was known of the check that is replaced, or of the server as a whole.
fn health_before(
    book: &HealthBook,
    before: &RealServer,
    replaced: Option<&Arc<Check>>,
    now: Instant,
) -> Option<(State, Instant, Option<Advice>)> {
    let known = |old: &Arc<Check>| book.get(&monitor(before, old));
    if let Some(found) = replaced.map(known) {
        return found.map(|found| (found.state, found.since, found.advice));
    }
    let all: Option<Vec<&Health>> = before.checks.iter().map(known).collect();
    let all = all?;
    let failing = all.iter().find(|health| health.state == State::Down);
    let found = failing.or_else(|| all.first()).map(|found| (found.state, found.since, None));
    // Without checks it was up.
    Some(found.unwrap_or((State::Up, now, None)))
}
