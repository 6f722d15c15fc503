//! Names for addresses and ports.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use ipvs::Protocol;
use nix::libc::{NI_NAMEREQD, NI_NUMERICSERV};

/// The longest text of an address with its port: ipvsadm's buffer.
const LONGEST: usize = 59;

/// What addresses and ports are called.
pub(crate) struct Names {
    services: BTreeMap<(u16, &'static str), String>,
    host: fn(IpAddr) -> Option<String>,
}

impl Names {
    /// Nothing has a name; `-n`.
    pub(crate) fn none() -> Self {
        Self { services: BTreeMap::new(), host: |_| None }
    }

    /// The names that this system's name service and `/etc/services` know.
    pub(crate) fn system() -> Self {
        // Without the file there are no names, as with ipvsadm.
        let services = std::fs::read_to_string("/etc/services").unwrap_or_default();
        Self::new(&services, resolve)
    }

    /// The names in a text of the form of services(5), and those that `host` finds.
    pub(super) fn new(services: &str, host: fn(IpAddr) -> Option<String>) -> Self {
        Self { services: read_services(services), host }
    }

    /// `192.0.2.10:80`, `[2001:db8::10]:80`, or with names in the places of the numbers.
    /// Without a protocol a port has no name.
    pub(super) fn endpoint(&self, address: SocketAddr, protocol: Option<Protocol>) -> String {
        let host = (self.host)(address.ip()).unwrap_or_else(|| address.ip().to_string());
        let port = address.port();
        let port = protocol
            .and_then(|protocol| self.services.get(&(port, word(protocol))).cloned())
            .unwrap_or_else(|| port.to_string());
        let text =
            if address.is_ipv6() { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        cut(&text, LONGEST)
    }
}

/// The first `length` characters.
pub(super) fn cut(text: &str, length: usize) -> String {
    text.chars().take(length).collect()
}

fn word(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::Sctp => "sctp",
    }
}

/// The first name of each port, as the C library takes it.
fn read_services(text: &str) -> BTreeMap<(u16, &'static str), String> {
    let mut services = BTreeMap::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let (Some(name), Some((port, protocol))) =
            (words.next(), words.next().and_then(|word| word.split_once('/')))
        else {
            continue;
        };
        let protocol = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp]
            .map(word)
            .into_iter()
            .find(|&w| w == protocol);
        if let (Ok(port), Some(protocol)) = (port.parse(), protocol) {
            services.entry((port, protocol)).or_insert_with(|| name.to_owned());
        }
    }
    services
}

fn resolve(address: IpAddr) -> Option<String> {
    let flags = NI_NAMEREQD | NI_NUMERICSERV;
    dns_lookup::getnameinfo(&SocketAddr::new(address, 0), flags).ok().map(|(host, _)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICES: &str = "\
# a comment
shell\t\t514/tcp\t\tcmd syslog\t# no passwords used
syslog\t\t514/udp
http            80/tcp          www
http-alt        8080/tcp        webcache
again           80/tcp
nonsense
bad             x/tcp
";

    fn names() -> Names {
        Names::new(SERVICES, |address| {
            let long = "a-very-long-host-name-for-version-six.example.com";
            let known = [("10.0.0.9", "vip"), ("2001:db8::7", long)];
            let known = known.into_iter().find(|(text, _)| address.to_string() == *text);
            known.map(|(_, name)| name.to_owned())
        })
    }

    #[test]
    fn what_has_no_name_stays_a_number() {
        let names = names();
        let endpoint = |text: &str, protocol| names.endpoint(text.parse().unwrap(), protocol);
        assert_eq!(endpoint("10.0.0.9:514", Some(Protocol::Tcp)), "vip:shell");
        assert_eq!(endpoint("10.0.0.9:514", Some(Protocol::Udp)), "vip:syslog");
        assert_eq!(endpoint("10.0.0.9:514", Some(Protocol::Sctp)), "vip:514");
        assert_eq!(endpoint("10.0.0.9:514", None), "vip:514");
        assert_eq!(endpoint("10.0.0.8:80", Some(Protocol::Tcp)), "10.0.0.8:http");
        assert_eq!(endpoint("[::1]:80", Some(Protocol::Tcp)), "[::1]:http");
        // ipvsadm cut this one in the middle of its port.
        assert_eq!(
            endpoint("[2001:db8::7]:8080", Some(Protocol::Tcp)),
            "[a-very-long-host-name-for-version-six.example.com]:http-al"
        );
    }

    #[test]
    fn numbers_only() {
        let address = "10.0.0.9:80".parse().unwrap();
        assert_eq!(Names::none().endpoint(address, Some(Protocol::Tcp)), "10.0.0.9:80");
    }
}
