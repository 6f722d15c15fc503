//! The marks by which checks with `via = "vip"` reach their real servers.

use std::collections::HashSet;
use std::sync::Arc;

use checkers::{Connect, Via};
use ipvs::ServiceKey;

use crate::model::VirtualServer;

/// Gives each real server with such a check a mark of its own, the same for all its checks in one
/// virtual server.
///
/// It follows from the names alone, so that a mark keeps its meaning when others come and go,
/// unless two names fall on one mark: the later then takes the next one.
pub(crate) fn assign(virtual_servers: &mut [VirtualServer], base: u32) {
    // A mark of 0 is none.
    let mut used = HashSet::from([0]);
    for virtual_server in &*virtual_servers {
        used.extend(virtual_server.keys.iter().filter_map(|key| match key {
            ServiceKey::Fwmark { mark, .. } => Some(*mark),
            ServiceKey::Address { .. } => None,
        }));
        let checks = virtual_server.real_servers.iter().flat_map(|server| &server.checks);
        used.extend(checks.filter_map(|check| check.kind.connect()?.mark));
    }
    for virtual_server in virtual_servers {
        for server in Arc::make_mut(&mut virtual_server.real_servers) {
            let goes = |connect: &Connect| connect.via == Via::VirtualAddress;
            if !server.checks.iter().any(|check| check.kind.connect().is_some_and(goes)) {
                continue;
            }
            let name = format!("{} {}", virtual_server.name, server.destination.key);
            let first = base.wrapping_add(u32::from(hash(&name)));
            let mark = (0..u32::MAX).map(|n| first.wrapping_add(n)).find(|mark| used.insert(*mark));
            for check in &mut server.checks {
                if check.kind.connect().is_some_and(goes)
                    && let Some(connect) = Arc::make_mut(check).kind.connect_mut()
                {
                    connect.mark = mark;
                }
            }
        }
    }
}

/// FNV-1a with 32 bits, folded to 16. The standard library's hash may change with it.
fn hash(text: &str) -> u16 {
    let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    let [a, b, c, d] = text.bytes().fold(0x811c_9dc5, step).to_be_bytes();
    u16::from_be_bytes([a ^ c, b ^ d])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 32-bit FNV-1a of the empty string, of "a" and of "foobar": 811c9dc5, e40c292c, bf9cf968,
    /// from the test vectors of the hash's authors; folded by hand.
    #[test]
    fn the_hash_is_the_known_one() {
        assert_eq!(hash(""), 0x811c ^ 0x9dc5);
        assert_eq!(hash("a"), 0xe40c ^ 0x292c);
        assert_eq!(hash("foobar"), 0xbf9c ^ 0xf968);
    }
}
