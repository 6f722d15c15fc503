//! What the operator asks of single real servers.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::{Duration, Instant};

use ipvs::{DestinationKey, Weight};

/// Names a real server: with its port or in all its ports, in one virtual server or in all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServerName {
    /// Address of the real server.
    pub address: IpAddr,
    /// Its port; `None`: every port.
    pub port: Option<u16>,
    /// Name of the virtual server; `None`: every one.
    pub virtual_server: Option<String>,
}

impl ServerName {
    /// Whether this names the real server `key` of `virtual_server`.
    pub fn matches(&self, virtual_server: &str, key: &DestinationKey) -> bool {
        self.address == key.address
            && self.port.is_none_or(|port| port == key.port)
            && self.virtual_server.as_deref().is_none_or(|name| name == virtual_server)
    }

    /// Whether everything that `other` names is named by this too.
    fn covers(&self, other: &Self) -> bool {
        self.address == other.address
            && (self.port.is_none() || self.port == other.port)
            && (self.virtual_server.is_none() || self.virtual_server == other.virtual_server)
    }
}

/// The text names no real server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidServerName(String);

impl fmt::Display for InvalidServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` names no real server: write its address, with its port if only that one is meant, \
             such as 198.51.100.11 or 198.51.100.11:80",
            self.0
        )
    }
}

impl std::error::Error for InvalidServerName {}

/// `198.51.100.11`, `198.51.100.11:80`, `2001:db8::11`, `[2001:db8::11]:80`; in every virtual
/// server.
impl FromStr for ServerName {
    type Err = InvalidServerName;

    fn from_str(text: &str) -> Result<Self, InvalidServerName> {
        let (address, port) = if let Ok(address) = text.parse::<IpAddr>() {
            (address, None)
        } else if let Ok(address) = text.parse::<SocketAddr>() {
            (address.ip(), Some(address.port()))
        } else {
            return Err(InvalidServerName(text.to_owned()));
        };
        Ok(Self { address, port, virtual_server: None })
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => SocketAddr::new(self.address, port).fmt(f)?,
            None => self.address.fmt(f)?,
        }
        match &self.virtual_server {
            Some(name) => write!(f, " in virtual server {name}"),
            None => Ok(()),
        }
    }
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Out of the table at once, with all its connections.
    Disable,
    /// Weight 0, and out when its connections have ended or at the deadline.
    Drain {
        /// The deadline; `None`: the virtual server's `drain.deadline` from when it is asked.
        deadline: Option<Instant>,
    },
    /// Another weight than the definitions'.
    Weight(Weight),
}

/// A wish of the operator, in force until it is taken back or `until`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// The server.
    pub server: ServerName,
    /// What is asked.
    pub action: Action,
    /// Who asks: a user's name.
    pub by: String,
    /// Why, in the operator's words.
    pub reason: Option<String>,
    /// Since when.
    pub since: Instant,
    /// Until when; `None`: until it is taken back.
    pub until: Option<Instant>,
}

/// Who asked and why.
impl fmt::Display for Override {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.action {
            Action::Disable => write!(f, "disabled by {}", self.by)?,
            Action::Drain { .. } => write!(f, "drained by {}", self.by)?,
            Action::Weight(weight) => write!(f, "weight {weight} set by {}", self.by)?,
        }
        match &self.reason {
            Some(reason) => write!(f, ": {reason}"),
            None => Ok(()),
        }
    }
}

/// What takes a real server out or changes its weight beside its health.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Hold<'a> {
    /// The operator's wish.
    Wish(&'a Override),
    /// A file in the maintenance directory, and since when it is known.
    File(&'a ServerName, Instant),
}

impl Hold<'_> {
    pub(crate) fn action(&self) -> Action {
        match self {
            Hold::Wish(wish) => wish.action,
            Hold::File(..) => Action::Drain { deadline: None },
        }
    }

    /// When a drain is over at the latest, given the virtual server's `drain.deadline`.
    pub(crate) fn drain_deadline(&self, default: Duration) -> Option<Instant> {
        let since = match self {
            Hold::Wish(wish) => wish.since,
            Hold::File(_, since) => *since,
        };
        match self.action() {
            Action::Drain { deadline } => Some(deadline.unwrap_or(since + default)),
            Action::Disable | Action::Weight(_) => None,
        }
    }

    /// How the operator ends it.
    pub(crate) fn remedy(&self) -> String {
        match self {
            Hold::Wish(Override { server, .. }) => {
                let any = ServerName { virtual_server: None, ..server.clone() };
                let service = server.virtual_server.as_ref();
                let service = service.map_or_else(String::new, |name| format!(" --service {name}"));
                format!("`lvsctl enable {any}{service}` takes it back")
            }
            Hold::File(..) => "it ends when the file is removed".to_owned(),
        }
    }
}

impl fmt::Display for Hold<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Hold::Wish(wish) => wish.fmt(f),
            Hold::File(file, _) => {
                write!(f, "drained by the file {file} in the maintenance directory")
            }
        }
    }
}

/// The wishes in force.
#[derive(Debug, Clone, Default)]
pub(crate) struct Overrides(Vec<Override>);

impl Overrides {
    pub(crate) fn new(overrides: Vec<Override>) -> Self {
        Self(overrides)
    }

    pub(crate) fn all(&self) -> &[Override] {
        &self.0
    }

    /// Adds a wish; it takes the place of those for the same servers.
    pub(crate) fn set(&mut self, new: Override) {
        self.0.retain(|old| !new.server.covers(&old.server));
        self.0.push(new);
    }

    /// Takes back every wish for the servers that `server` names; tells whether there was one.
    pub(crate) fn clear(&mut self, server: &ServerName) -> bool {
        let before = self.0.len();
        self.0.retain(|old| !server.covers(&old.server));
        self.0.len() != before
    }

    /// The wishes for nothing but the servers that `server` names.
    pub(crate) fn covered_by<'a>(
        &'a self,
        server: &'a ServerName,
    ) -> impl Iterator<Item = &'a Override> {
        self.0.iter().filter(|one| server.covers(&one.server))
    }

    /// The last wish for a server.
    pub(crate) fn find(&self, virtual_server: &str, key: &DestinationKey) -> Option<&Override> {
        self.0.iter().rev().find(|one| one.server.matches(virtual_server, key))
    }

    /// When the next wish ends.
    pub(crate) fn next_end(&self) -> Option<Instant> {
        self.0.iter().filter_map(|one| one.until).min()
    }

    /// Takes out the wishes that have ended at `now`.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<Override> {
        self.0.extract_if(.., |one| one.until.is_some_and(|until| until <= now)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_what_it_writes() {
        for text in ["198.51.100.11", "198.51.100.11:80", "2001:db8::11", "[2001:db8::11]:80"] {
            assert_eq!(text.parse::<ServerName>().unwrap().to_string(), text);
        }
        for text in ["", "rs1", "198.51.100", "198.51.100.11:", "2001:db8::11:80:"] {
            assert!(text.parse::<ServerName>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_wider_name_covers_a_narrower_one() {
        let name = |text: &str| text.parse::<ServerName>().unwrap();
        let in_web = |text| ServerName { virtual_server: Some("web".to_owned()), ..name(text) };
        let wide = name("198.51.100.11");
        for narrow in [wide.clone(), name("198.51.100.11:80"), in_web("198.51.100.11")] {
            assert!(wide.covers(&narrow), "{narrow}");
        }
        assert!(!name("198.51.100.11:80").covers(&wide));
        assert!(!in_web("198.51.100.11").covers(&wide));
        assert!(!name("198.51.100.12").covers(&wide));
    }
}
