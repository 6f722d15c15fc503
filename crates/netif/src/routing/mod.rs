//! Routes and rules that belong to this program.
//!
//! The kernel keeps with each of them who made it (`rtm_protocol`, `FRA_PROTOCOL`). What bears
//! [`PROTOCOL`] is this program's, and is found again after a crash; nothing else is ever touched.

mod message;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use neli::consts::nl::NlmF;
use neli::consts::rtnl::Rtm;
use nix::errno::Errno;
use serde::{Deserialize, Serialize};

pub(crate) use self::message::is_ours;
use crate::error::Error;
use crate::{Netlink, Scope};

/// The mark of this program's routes and rules: VRRP's number among the IP protocols, which
/// linux/rtnetlink.h gives to nobody. keepalived's 18 would make each of the two remove what the
/// other one has left.
pub const PROTOCOL: u8 = 112;

/// The table `main` (`RT_TABLE_MAIN`).
pub const MAIN: u32 = 254;

/// What the kernel takes for a metric of 0 in IPv6 (`IP6_RT_PRIO_USER`).
const METRIC6: u32 = 1024;

/// A network: an address whose bits after the prefix are 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Network {
    /// Its first address.
    pub address: IpAddr,
    /// Length of the prefix in bits: up to 32 for IPv4, up to 128 for IPv6. 0 is everything.
    pub prefix: u8,
}

impl Network {
    /// All addresses of the family of `address`.
    pub fn everything(address: IpAddr) -> Self {
        let address = match address {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        Self { address, prefix: 0 }
    }
}

/// `default` for everything, else as in `10.1.0.0/16`.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.prefix {
            0 => f.write_str("default"),
            prefix => write!(f, "{}/{prefix}", self.address),
        }
    }
}

/// What is done with packets that shall go nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Verdict {
    /// They vanish.
    Blackhole,
    /// Their sender is told that the host is unreachable.
    Unreachable,
    /// Their sender is told that it is forbidden.
    Prohibit,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Blackhole => "blackhole",
            Self::Unreachable => "unreachable",
            Self::Prohibit => "prohibit",
        })
    }
}

/// A route; all its addresses are of one family.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Route {
    /// Where it leads.
    pub to: Network,
    /// The next router; `None`: the destination is on the interface's own link.
    pub via: Option<IpAddr>,
    /// The interface; `None`: the one that leads to `via`.
    pub interface: Option<String>,
    /// The source address of what this host begins there; it must be one of the host's own.
    pub source: Option<IpAddr>,
    /// Among routes to the same destination the lowest counts. 0: the kernel's own, which for IPv6
    /// is 1024.
    pub metric: u32,
    /// The table; 0 is none.
    pub table: u32,
    /// Scope of an IPv4 route; `None`: as ip-route(8), link without `via`, global with it.
    pub scope: Option<Scope>,
    /// Instead of a way.
    pub verdict: Option<Verdict>,
    /// `via` is on the interface's link though no route says so.
    pub on_link: bool,
    /// Size of the largest packet in bytes; `None`: the interface's.
    pub mtu: Option<u32>,
}

/// What tells a route from the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteKey {
    /// Where it leads.
    pub to: Network,
    /// The table.
    pub table: u32,
    /// The metric as the kernel tells it.
    pub metric: u32,
}

impl Route {
    /// A route in the table `main` without anything special.
    pub fn new(to: Network) -> Self {
        Self {
            to,
            via: None,
            interface: None,
            source: None,
            metric: 0,
            table: MAIN,
            scope: None,
            verdict: None,
            on_link: false,
            mtu: None,
        }
    }

    /// What tells it from the others.
    pub fn key(&self) -> RouteKey {
        let metric = match (self.to.address, self.metric) {
            (IpAddr::V6(_), 0) => METRIC6,
            (_, metric) => metric,
        };
        RouteKey { to: self.to, table: self.table, metric }
    }
}

/// As ip-route(8) writes it.
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(verdict) = self.verdict {
            write!(f, "{verdict} ")?;
        }
        self.to.fmt(f)?;
        if let Some(via) = self.via {
            write!(f, " via {via}")?;
        }
        if let Some(interface) = &self.interface {
            write!(f, " dev {interface}")?;
        }
        if self.table != MAIN {
            write!(f, " table {}", self.table)?;
        }
        if let Some(source) = self.source {
            write!(f, " src {source}")?;
        }
        if self.metric != 0 {
            write!(f, " metric {}", self.metric)?;
        }
        Ok(())
    }
}

/// A mark of packets (`fwmark`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Mark {
    /// The value.
    pub value: u32,
    /// The bits of it that count.
    pub mask: u32,
}

/// Where a rule sends its packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Target {
    /// This table is looked at; 0 is none.
    Table(u32),
    /// They go nowhere.
    Refuse(Verdict),
}

/// A rule of the routing policy (ip-rule(8)).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Rule {
    /// Rules are looked at from the lowest to the highest; `main` is at 32766.
    pub priority: u32,
    /// Source of the packets. Its family is the rule's.
    pub from: Network,
    /// Their destination, of the same family.
    pub to: Option<Network>,
    /// The interface that they came in by.
    pub iif: Option<String>,
    /// The interface that they are bound to.
    pub oif: Option<String>,
    /// Their mark.
    pub mark: Option<Mark>,
    /// Where they go.
    pub target: Target,
}

impl Rule {
    /// Whether every packet of `other` is one of this rule too, where both have the same target
    /// and priority: the kernel cannot tell the two apart when this one is to be deleted.
    pub fn covers(&self, other: &Self) -> bool {
        fn open<T: PartialEq>(one: Option<&T>, other: Option<&T>) -> bool {
            one.is_none() || one == other
        }
        (self.priority, self.target) == (other.priority, other.target)
            && self.from.address.is_ipv4() == other.from.address.is_ipv4()
            && (self.from.prefix == 0 || self.from == other.from)
            && open(self.to.as_ref(), other.to.as_ref())
            && open(self.iif.as_ref(), other.iif.as_ref())
            && open(self.oif.as_ref(), other.oif.as_ref())
            && open(self.mark.as_ref(), other.mark.as_ref())
    }
}

/// As ip-rule(8) writes it, with the priority first.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.from.prefix == 0;
        let family = if self.from.address.is_ipv6() && all { " (IPv6)" } else { "" };
        write!(f, "{}: from ", self.priority)?;
        if all {
            f.write_str("all")?;
        } else {
            self.from.fmt(f)?;
        }
        if let Some(to) = self.to {
            write!(f, " to {to}")?;
        }
        if let Some(Mark { value, mask }) = self.mark {
            write!(f, " fwmark {value:#x}")?;
            if mask != u32::MAX {
                write!(f, "/{mask:#x}")?;
            }
        }
        if let Some(iif) = &self.iif {
            write!(f, " iif {iif}")?;
        }
        if let Some(oif) = &self.oif {
            write!(f, " oif {oif}")?;
        }
        match self.target {
            Target::Table(table) => write!(f, " lookup {table}{family}"),
            Target::Refuse(verdict) => write!(f, " {verdict}{family}"),
        }
    }
}

impl Netlink {
    /// Adds a route; `false` if there is one of this program's with the same [`Route::key`].
    ///
    /// Equivalent to `ip route add ROUTE proto 112`.
    ///
    /// # Errors
    ///
    /// There is no such interface (`ENODEV`) or it is down (`ENETDOWN`), `via` cannot be reached
    /// (`ENETUNREACH`), `source` is no address of this host (`EINVAL`), another program has a
    /// route with the same key (`EEXIST`), or the caller lacks `CAP_NET_ADMIN` (`EPERM`).
    pub fn add_route(&mut self, route: &Route) -> Result<bool, Error> {
        let operation = format!("add route {route}");
        let index = match &route.interface {
            None => None,
            Some(name) => match self.link(name)? {
                Some(link) => Some(link.index),
                None => {
                    return Err(Error::Refused {
                        operation,
                        errno: Errno::ENODEV as i32,
                        text: None,
                    });
                }
            },
        };
        let flags = NlmF::ACK | NlmF::CREATE | NlmF::EXCL;
        let request = message::route(route, index);
        match self.ask::<_, ()>(&operation, Rtm::Newroute, flags, request, |_| Ok(None)) {
            Ok(_) => Ok(true),
            Err(error) if error.errno() == Some(Errno::EEXIST as i32) => {
                if self.own_routes()?.contains(&route.key()) {
                    return Ok(false);
                }
                let text =
                    "another program has a route to the same destination with the same metric";
                let errno = Errno::EEXIST as i32;
                Err(Error::Refused { operation, errno, text: Some(text.to_owned()) })
            }
            Err(error) => Err(error),
        }
    }

    /// Deletes the route of this program's with this key; `false` if there is none. Those of
    /// others stay.
    ///
    /// Equivalent to `ip route del TO table TABLE metric METRIC proto 112`.
    ///
    /// # Errors
    ///
    /// The kernel refuses, for instance because the caller lacks `CAP_NET_ADMIN` (`EPERM`).
    pub fn delete_route(&mut self, key: &RouteKey) -> Result<bool, Error> {
        let operation = format!("delete route {} table {}", key.to, key.table);
        let request = message::route_to_delete(key);
        match self.ask::<_, ()>(&operation, Rtm::Delroute, NlmF::ACK, request, |_| Ok(None)) {
            Ok(_) => Ok(true),
            Err(error) if is_absence(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The routes of this program's; equivalent to `ip route show table all proto 112`.
    ///
    /// # Errors
    ///
    /// The kernel refuses, or its answer makes no sense.
    pub fn own_routes(&mut self) -> Result<Vec<RouteKey>, Error> {
        self.dump("list routes", Rtm::Getroute, message::routes_request, |m| {
            if m.is(Rtm::Newroute) { message::read_own_route(m.payload) } else { Ok(None) }
        })
    }

    /// Adds a rule; `false` if it is there already.
    ///
    /// Equivalent to `ip rule add RULE priority PRIORITY protocol 112`.
    ///
    /// # Errors
    ///
    /// The kernel refuses, for instance because the caller lacks `CAP_NET_ADMIN` (`EPERM`).
    pub fn add_rule(&mut self, rule: &Rule) -> Result<bool, Error> {
        let operation = format!("add rule {rule}");
        let flags = NlmF::ACK | NlmF::CREATE | NlmF::EXCL;
        let request = message::rule(rule);
        match self.ask::<_, ()>(&operation, Rtm::Newrule, flags, request, |_| Ok(None)) {
            Ok(_) => Ok(true),
            Err(error) if error.errno() == Some(Errno::EEXIST as i32) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Deletes this program's rule; `false` if it is not there. The same rule of another program
    /// stays.
    ///
    /// Equivalent to `ip rule del RULE priority PRIORITY protocol 112`.
    ///
    /// # Errors
    ///
    /// The kernel refuses, for instance because the caller lacks `CAP_NET_ADMIN` (`EPERM`).
    pub fn delete_rule(&mut self, rule: &Rule) -> Result<bool, Error> {
        let operation = format!("delete rule {rule}");
        let request = message::rule(rule);
        match self.ask::<_, ()>(&operation, Rtm::Delrule, NlmF::ACK, request, |_| Ok(None)) {
            Ok(_) => Ok(true),
            Err(error) if is_absence(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The rules of this program's; equivalent to `ip rule show protocol 112` for both families.
    ///
    /// # Errors
    ///
    /// The kernel refuses, or its answer makes no sense.
    pub fn own_rules(&mut self) -> Result<Vec<Rule>, Error> {
        self.dump("list rules", Rtm::Getrule, message::rules_request, |m| {
            if m.is(Rtm::Newrule) { message::read_own_rule(m.payload) } else { Ok(None) }
        })
    }
}

/// There is no such route, rule, table or interface.
fn is_absence(error: &Error) -> bool {
    let absent = [Errno::ESRCH, Errno::ENOENT, Errno::ENODEV].map(|errno| errno as i32);
    matches!(error, Error::Refused { errno, .. } if absent.contains(errno))
}
