//! `/proc/net/ip_vs`, which is cheaper to read than starting `ipvsadm` where that costs 30 ms.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};

use anyhow::{Context, Result};

/// The destinations of the IPv4 TCP service `service` with their weights.
pub(crate) fn weights(
    text: &str,
    service: SocketAddrV4,
) -> Result<Option<BTreeMap<SocketAddrV4, u32>>> {
    let mut found = None;
    let mut inside = false;
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            // The first line of the heading of destinations reads "-> RemoteAddress:Port".
            ["->", "RemoteAddress:Port", ..] => {}
            ["->", address, _forward, weight, ..] if inside => {
                let weight = weight.parse().with_context(|| format!("weight in {line:?}"))?;
                let address = socket_address(address).with_context(|| format!("{line:?}"))?;
                found.get_or_insert_with(BTreeMap::new).insert(address, weight);
            }
            ["->", ..] => {}
            [protocol, address, ..] => {
                inside = protocol == "TCP" && socket_address(address) == Some(service);
                if inside {
                    found = Some(BTreeMap::new());
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

/// Reads `0A4D000B:0050`.
fn socket_address(text: &str) -> Option<SocketAddrV4> {
    let (address, port) = text.split_once(':')?;
    let address = u32::from_str_radix(address, 16).ok()?;
    let port = u16::from_str_radix(port, 16).ok()?;
    Some(SocketAddrV4::new(Ipv4Addr::from_bits(address), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Linux 6.1 printed it.
    const TABLE: &str = "\
IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
FWM  00000007 mh (mh-port) persistent 300 FFFFFF00
  -> C6336409:0000      Route   1      0          0
TCP  C000020A:0050 rr
  -> C6336401:0050      Route   0      0          0
  -> C6336402:1F90      Masq    2      0          0
UDP  C000020A:0035 rr ops
TCP  [2001:0db8:0000:0000:0000:0000:0000:0010]:01BB sh
  -> [2001:0db8:0001:0000:0000:0000:0000:0001]:01BB      Route   1      0          0
";

    #[test]
    fn only_the_services_own_destinations_count() {
        let weights = weights(TABLE, "192.0.2.10:80".parse().unwrap()).unwrap().unwrap();
        let expected = [("198.51.100.1:80", 0), ("198.51.100.2:8080", 2)];
        assert_eq!(weights, expected.map(|(key, weight)| (key.parse().unwrap(), weight)).into());
    }

    #[test]
    fn a_missing_service_differs_from_an_empty_one() {
        assert_eq!(weights(TABLE, "192.0.2.10:53".parse().unwrap()).unwrap(), None);
        let empty = "TCP  C000020A:0050 rr\n";
        let weights = weights(empty, "192.0.2.10:80".parse().unwrap()).unwrap();
        assert_eq!(weights, Some(BTreeMap::new()));
    }
}
