//! The masters' routes and rules in the kernel.

use std::time::Instant;

use netif::{Netlink, Route, Rule};

use super::restore::RETRY;
use super::worker::Worker;
use crate::event::State;
use crate::instance::Input;
use crate::routing::Routing;
use crate::standing::Standing;

/// One of them, to be added.
enum Item<'a> {
    Route(&'a Route),
    Rule(&'a Rule),
}

impl Worker {
    /// Adds them; one that is there already is fine.
    pub(super) fn add_routing(&mut self, at: usize, routing: &Routing) {
        if !self.watches_routing {
            match self.monitor.watch_routing() {
                Ok(()) => self.watches_routing = true,
                Err(error) => self.trouble(at, error.to_string()),
            }
        }
        for (item, words) in items(routing).zip(routing.words()) {
            self.add_one(at, &item, words);
        }
    }

    /// Whether it was not there.
    fn add_one(&mut self, at: usize, item: &Item<'_>, words: String) -> bool {
        let added = match item {
            Item::Route(route) => self.netlink.add_route(route),
            Item::Rule(rule) => self.netlink.add_rule(rule),
        };
        match added {
            Ok(added) => {
                self.is_not_refused(at, &words);
                added
            }
            Err(error) => {
                self.is_refused(at, words, error.to_string());
                false
            }
        }
    }

    /// Removes them, but not what another master wants too.
    pub(super) fn remove_routing(&mut self, at: usize, routing: &Routing) {
        let mut gone = routing.clone();
        for (other, runner) in self.runners.iter().enumerate() {
            if other != at && runner.instance.state() == State::Master {
                gone = gone.without(&runner.instance.spec().routing);
            }
        }
        for words in routing.words() {
            self.is_not_refused(at, &words);
        }
        for error in delete(&mut self.netlink, &gone) {
            self.trouble(at, error);
        }
    }

    /// Something has changed that routes depend on.
    pub(super) fn look_at_routing_soon(&mut self) {
        if self.have_routing(&self.masters()) {
            self.restore_soon();
        }
    }

    fn have_routing(&self, these: &[usize]) -> bool {
        these.iter().any(|&at| !self.runners[at].instance.spec().routing.is_empty())
    }

    /// The masters' routes and rules that are not there come back.
    pub(super) fn restore_routing(&mut self) {
        let masters = self.masters();
        if !self.have_routing(&masters) {
            return;
        }
        let present = self.netlink.own_routes().and_then(|r| Ok((r, self.netlink.own_rules()?)));
        let (routes, rules) = match present {
            Ok(present) => present,
            Err(error) => {
                self.trouble_everywhere(&error.to_string());
                return self.restore_before(Instant::now() + RETRY);
            }
        };
        for at in masters {
            let routing = self.runners[at].instance.spec().routing.clone();
            for (item, words) in items(&routing).zip(routing.words()) {
                let is_there = match item {
                    Item::Route(route) => routes.contains(&route.key()),
                    Item::Rule(rule) => rules.contains(rule),
                };
                if !is_there && self.add_one(at, &item, words.clone()) {
                    self.handle(at, Input::RoutingPutBack(words));
                }
            }
        }
    }

    /// At the start: what bears this program's mark, and is not what a process before this one held
    /// and this one goes on with, was left by a crash.
    pub(super) fn remove_stale_routing(&mut self, standings: &[Standing]) {
        let held: Vec<&Routing> = standings
            .iter()
            .filter_map(Standing::holding)
            .map(|holding| &holding.routing)
            .collect();
        let present = self.netlink.own_routes().and_then(|r| Ok((r, self.netlink.own_rules()?)));
        let removed = present.and_then(|(routes, rules)| {
            for rule in rules {
                if !held.iter().any(|routing| routing.rules.contains(&rule)) {
                    self.netlink.delete_rule(&rule)?;
                }
            }
            for key in routes {
                let is = |route: &Route| route.key() == key;
                if !held.iter().any(|routing| routing.routes.iter().any(is)) {
                    self.netlink.delete_route(&key)?;
                }
            }
            Ok(())
        });
        if let Err(error) = removed {
            self.trouble_everywhere(&error.to_string());
        }
    }
}

fn items(routing: &Routing) -> impl Iterator<Item = Item<'_>> {
    routing.routes.iter().map(Item::Route).chain(routing.rules.iter().map(Item::Rule))
}

/// Deletes them, the rules first, so that none leads into an empty table. Returns what did not
/// work, in words.
pub(super) fn delete(netlink: &mut Netlink, routing: &Routing) -> Vec<String> {
    let mut failed = Vec::new();
    for rule in &routing.rules {
        failed.extend(netlink.delete_rule(rule).err());
    }
    for route in &routing.routes {
        failed.extend(netlink.delete_route(&route.key()).err());
    }
    failed.iter().map(ToString::to_string).collect()
}
