//! The routes and rules that follow the master.

use netif::{Route, Rule};
use serde::{Deserialize, Serialize};

/// Routes and rules that are there exactly while the instance is master. keepalived:
/// `virtual_routes` and `virtual_rules`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routing {
    /// The routes, added in this order and after the addresses: one may have an address as its
    /// source.
    pub routes: Vec<Route>,
    /// The rules, added after the routes, so that none leads into an empty table.
    pub rules: Vec<Rule>,
}

impl Routing {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty() && self.rules.is_empty()
    }

    /// Those that `other` has not.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        fn those<T: Clone + PartialEq>(all: &[T], but: &[T]) -> Vec<T> {
            all.iter().filter(|one| !but.contains(one)).cloned().collect()
        }
        Self { routes: those(&self.routes, &other.routes), rules: those(&self.rules, &other.rules) }
    }

    /// Each of them in words: `route 10.1.0.0/16 via 192.0.2.1`.
    pub fn words(&self) -> impl Iterator<Item = String> {
        let routes = self.routes.iter().map(|route| format!("route {route}"));
        routes.chain(self.rules.iter().map(|rule| format!("rule {rule}")))
    }
}
