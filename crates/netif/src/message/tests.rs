//! The messages are written by hand after linux/netlink.h, linux/if_link.h and linux/if_addr.h.

use super::*;

fn padded(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn attribute_bytes(kind: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len() + 4).unwrap();
    padded([&length.to_ne_bytes(), &kind.to_ne_bytes(), payload].concat())
}

fn message_bytes(kind: u16, flags: u16, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len() + 16).unwrap();
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend([7_u32.to_ne_bytes(), 0_u32.to_ne_bytes()].concat());
    bytes.extend(payload);
    padded(bytes)
}

/// `struct ifinfomsg`: family, index 3, flags; then name (3) and hardware address (1).
fn link_bytes(family: u8, flags: u32, mac: &[u8]) -> Vec<u8> {
    let mut bytes = vec![family, 0, 1, 0];
    bytes.extend([3, flags, 0].map(u32::to_ne_bytes).concat());
    bytes.extend(attribute_bytes(3, b"eth0\0"));
    bytes.extend(attribute_bytes(1, mac));
    bytes
}

/// `struct ifaddrmsg`: family, prefix, flags, scope, index 3; then the attributes.
fn address_bytes(family: u8, prefix: u8, attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = vec![family, prefix, 0, 0, 3, 0, 0, 0];
    bytes[4..].copy_from_slice(&3_u32.to_ne_bytes());
    bytes.extend(attributes.concat());
    bytes
}

#[test]
fn a_datagram_is_split_into_its_messages() {
    let datagram = [message_bytes(16, 2, b"abcde"), message_bytes(3, 0, &[0; 4])].concat();
    let split: Vec<_> = messages(&datagram).map(Result::unwrap).collect();
    assert_eq!(split.len(), 2);
    assert_eq!(split[0], Message { kind: 16, flags: 2, sequence: 7, payload: b"abcde" });
    assert_eq!(split[1].outcome(), Some(Outcome { errno: 0, text: None }));
}

#[test]
fn a_wrong_length_is_an_error_and_ends_the_datagram() {
    for length in [0_u32, 15, 21, u32::MAX] {
        let mut datagram = message_bytes(16, 0, &[0; 4]);
        datagram[..4].copy_from_slice(&length.to_ne_bytes());
        let read: Vec<_> = messages(&datagram).collect();
        assert_eq!(read.len(), 1);
        assert!(read[0].is_err(), "{length}");
    }
    assert!(messages(&[1, 2, 3]).next().unwrap().is_err());
}

#[test]
fn the_kernels_words_follow_the_echoed_request() {
    let echoed = message_bytes(20, 5, &[0; 8]);
    let words = attribute_bytes(1, b"ipv4: Address not found\0");
    let offset = attribute_bytes(2, &[0; 4]);
    let number = (-99_i32).to_ne_bytes();
    let expected = Outcome { errno: 99, text: Some("ipv4: Address not found".to_owned()) };

    let whole = [&number[..], &echoed, &offset, &words].concat();
    let bytes = message_bytes(2, 0x200, &whole);
    assert_eq!(messages(&bytes).next().unwrap().unwrap().outcome().as_ref(), Some(&expected));

    let capped = [&number[..], &echoed[..16], &offset, &words].concat();
    let bytes = message_bytes(2, 0x300, &capped);
    assert_eq!(messages(&bytes).next().unwrap().unwrap().outcome(), Some(expected));
}

#[test]
fn a_link_has_its_flags_name_and_mac() {
    // IFF_UP 1, IFF_RUNNING 0x40, IFF_LOWER_UP 0x10000.
    for (flags, up, running) in
        [(0, false, false), (1, true, false), (0x41, true, true), (0x10001, true, true)]
    {
        let link = read_link(&link_bytes(0, flags, &[2, 0, 0, 0, 0, 9])).unwrap().unwrap();
        let mac = Some([2, 0, 0, 0, 0, 9]);
        assert_eq!(
            link,
            Link { index: 3, name: "eth0".to_owned(), mac, parent: None, up, running }
        );
    }
    assert_eq!(read_link(&link_bytes(0, 0, &[10, 0, 0, 1])).unwrap().unwrap().mac, None);
}

#[test]
fn news_of_a_bridge_port_is_not_news_of_the_link() {
    // AF_BRIDGE is 7.
    assert_eq!(read_link(&link_bytes(7, 1, &[0; 6])), Ok(None));
}

#[test]
fn the_local_address_comes_before_that_of_the_peer() {
    let peer = attribute_bytes(1, &[10, 0, 0, 2]);
    let local = attribute_bytes(2, &[10, 0, 0, 1]);
    let label = attribute_bytes(3, b"eth0:1\0");
    let read = read_address(&address_bytes(2, 32, &[peer, local, label])).unwrap().unwrap();
    let address = IpAddr::from([10, 0, 0, 1]);
    let label = Some("eth0:1".to_owned());
    assert_eq!(read, Address { index: 3, address, prefix: 32, label, tentative: false });

    let only = attribute_bytes(1, &Ipv6Addr::LOCALHOST.octets());
    let read = read_address(&address_bytes(10, 128, &[only])).unwrap().unwrap();
    assert_eq!((read.address, read.label), (Ipv6Addr::LOCALHOST.into(), None));
}

#[test]
fn an_address_of_the_wrong_length_is_an_error() {
    let short = attribute_bytes(2, &[10, 0, 0]);
    assert!(read_address(&address_bytes(2, 32, &[short])).is_err());
    assert!(read_address(&address_bytes(2, 32, &[])).is_err());
}

#[test]
fn no_damage_to_a_message_makes_the_reader_panic() {
    let attributes = [attribute_bytes(2, &[10, 0, 0, 1]), attribute_bytes(3, b"eth0:1\0")];
    for good in [link_bytes(0, 0x41, &[0; 6]), address_bytes(2, 32, &attributes)] {
        for end in 0..=good.len() {
            let _ = (read_link(&good[..end]), read_address(&good[..end]));
        }
        for at in 0..good.len() {
            for value in 0..=u8::MAX {
                let mut bad = good.clone();
                bad[at] = value;
                let _ = (read_link(&bad), read_address(&bad));
                let datagram = message_bytes(2, 0, &bad);
                let message = messages(&datagram).next().unwrap().unwrap();
                let _ = message.outcome();
            }
        }
    }
}
