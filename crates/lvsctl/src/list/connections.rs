//! Connections as ipvsadm lists them, from `/proc/net/ip_vs_conn`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipvs::Protocol;

use super::names::Names;

/// The connections as `ipvsadm -Lc` prints them, in the kernel's order. `engines` adds what a
/// persistence engine keeps with a connection; `--persistent-conn`.
pub(super) fn render_connections(table: &str, engines: bool, names: &Names) -> String {
    let mut text = String::from(
        "IPVS connection entries\n\
         pro expire state       source             virtual            destination",
    );
    text += if engines { "        pe name          pe_data\n" } else { "\n" };
    // The first line of the kernel's table is its head.
    text.extend(table.lines().skip(1).filter_map(|line| render_line(line, engines, names)));
    text
}

/// One connection; nothing for a line that has another form.
fn render_line(line: &str, engines: bool, names: &Names) -> Option<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [protocol, from, from_port, to, to_port, at, at_port, state, expires, engine @ ..] =
        words.as_slice()
    else {
        return None;
    };
    let number = match *protocol {
        "TCP" => Some(Protocol::Tcp),
        "UDP" => Some(Protocol::Udp),
        "SCTP" => Some(Protocol::Sctp),
        _ => None,
    };
    let endpoint = |address: &str, port: &str| {
        let port = u16::from_str_radix(port, 16).ok()?;
        Some(names.endpoint(SocketAddr::new(read_address(address)?, port), number))
    };
    let from = endpoint(from, from_port)?;
    let to = endpoint(to, to_port)?;
    let mut at = endpoint(at, at_port)?;
    if let (true, [name, data @ ..]) = (engines, engine) {
        at = format!("{at:<16} {name:<18} {}", data.join(" "));
    }
    let seconds: u64 = expires.parse().ok()?;
    let expires = format!("{:02}:{:02}", seconds / 60, seconds % 60);
    Some(format!("{protocol:<3} {expires:<6} {state:<11} {from:<18} {to:<18} {at}\n"))
}

/// `0A000009` or `2001:0db8:0000:0000:0000:0000:0000:0001`.
fn read_address(text: &str) -> Option<IpAddr> {
    match u32::from_str_radix(text, 16) {
        Ok(bits) => Some(Ipv4Addr::from_bits(bits).into()),
        Err(_) => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel listed in a session, and what ipvsadm 1.31 made of it.
    const KERNEL: &str = "\
Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData
TCP 0A010002 EC9C 0A010001 0050 0A010002 1F90 SYN_RECV         59
UDP 0A010002 0000 0A010001 13C4 0A010002 13C4 NONE           8998 sip abcdef0123456789host.example2
TCP 0A010002 0000 0A010001 0050 0A010002 1F90 NONE         499998
UDP 2001:0db8:aaaa:bbbb:cccc:dddd:eeee:ffff C603 2001:0db8:aaaa:bbbb:cccc:dddd:eeee:ffff 0035 \
7F000001 0035 UDP             299
";

    #[test]
    fn connections_equal_ipvsadm() {
        assert_eq!(
            render_connections(KERNEL, false, &Names::none()),
            "\
IPVS connection entries
pro expire state       source             virtual            destination
TCP 00:59  SYN_RECV    10.1.0.2:60572     10.1.0.1:80        10.1.0.2:8080
UDP 149:58 NONE        10.1.0.2:0         10.1.0.1:5060      10.1.0.2:5060
TCP 8333:18 NONE        10.1.0.2:0         10.1.0.1:80        10.1.0.2:8080
UDP 04:59  UDP         [2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:50691 \
[2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:53 127.0.0.1:53
"
        );
    }

    #[test]
    fn engines_have_columns_of_their_own() {
        let text = render_connections(KERNEL, true, &Names::none());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[1..5],
            [
                "pro expire state       source             virtual            destination        \
                 pe name          pe_data",
                "TCP 00:59  SYN_RECV    10.1.0.2:60572     10.1.0.1:80        10.1.0.2:8080",
                "UDP 149:58 NONE        10.1.0.2:0         10.1.0.1:5060      10.1.0.2:5060    \
                 sip                abcdef0123456789host.example2",
                "TCP 8333:18 NONE        10.1.0.2:0         10.1.0.1:80        10.1.0.2:8080",
            ]
        );
    }
}
