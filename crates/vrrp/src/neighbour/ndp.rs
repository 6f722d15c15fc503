//! Neighbour discovery for IPv6 (RFC 4861) on Ethernet (RFC 2464).

use std::net::Ipv6Addr;

use super::{Claim, Mac};
use crate::packet::checksum::{checksum, pseudo_header};

pub(super) const ETHERTYPE: [u8; 2] = [0x86, 0xdd];
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ICMPV6: u8 = 58;
/// No router lets such a packet through (RFC 4861 §7.1.2).
const HOP_LIMIT: u8 = 255;
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
/// Flags of an advertisement (RFC 4861 §4.4).
const ROUTER: u8 = 0x80;
const SOLICITED: u8 = 0x40;
const OVERRIDE: u8 = 0x20;
/// Options (RFC 4861 §4.6.1), whose length is in units of eight bytes.
const SOURCE_MAC: u8 = 1;
const TARGET_MAC: u8 = 2;

/// A neighbour solicitation to the solicited-node group of `target` (RFC 4861 §4.3, §7.2.2).
pub(super) fn solicitation(mac: Mac, source: Ipv6Addr, target: Ipv6Addr) -> Vec<u8> {
    frame(mac, source, solicited_node(target), &message(SOLICITATION, 0, target, SOURCE_MAC, mac))
}

/// An unsolicited neighbour advertisement to all nodes. It overrides what they knew, and says
/// whether this host is a router, as the kernel's own ones do.
pub(super) fn advertisement(mac: Mac, address: Ipv6Addr, router: bool) -> Vec<u8> {
    let flags = if router { ROUTER | OVERRIDE } else { OVERRIDE };
    frame(mac, address, ALL_NODES, &message(ADVERTISEMENT, flags, address, TARGET_MAC, mac))
}

/// Whose address a neighbour advertisement says it is, solicited or not.
///
/// All that RFC 4861 §7.1.2 has a neighbour verify is verified. One that comes after extension
/// headers is not taken: no known host sends such.
pub(super) fn claim(frame: &[u8]) -> Option<Claim> {
    let (ethernet, packet) = frame.split_first_chunk::<14>()?;
    let (ip, rest) = packet.split_first_chunk::<40>()?;
    let length = usize::from(u16::from_be_bytes([ip[4], ip[5]]));
    // Short frames are padded.
    let message = rest.get(..length)?;
    if ip[0] >> 4 != 6 || (ip[6], ip[7]) != (ICMPV6, HOP_LIMIT) {
        return None;
    }
    let source = Ipv6Addr::from(*ip[8..24].first_chunk::<16>()?);
    let destination = Ipv6Addr::from(*ip[24..40].first_chunk::<16>()?);
    let pseudo = pseudo_header(source.into(), destination.into(), ICMPV6, length);
    if checksum(&[&pseudo, message]) != 0 {
        return None;
    }
    let (head, options) = message.split_first_chunk::<24>()?;
    let target = Ipv6Addr::from(*head[8..24].first_chunk::<16>()?);
    let to_all_and_to_one = destination.is_multicast() && head[4] & SOLICITED != 0;
    if (head[0], head[1]) != (ADVERTISEMENT, 0) || target.is_multicast() || to_all_and_to_one {
        return None;
    }
    // Whoever answers a single machine may leave the option out.
    let sender = *ethernet[6..12].first_chunk()?;
    let mac = target_mac(options)?.unwrap_or(sender);
    Some(Claim { address: target.into(), mac })
}

/// The target's MAC address among the options, if it is there. `None` for options that make the
/// message invalid.
fn target_mac(mut options: &[u8]) -> Option<Option<Mac>> {
    let mut found = None;
    while let [kind, units, ..] = *options {
        let (option, rest) = options.split_at_checked(usize::from(units) * 8)?;
        // A length of 0 makes the message invalid.
        let value = option.get(2..)?;
        if kind == TARGET_MAC {
            found = value.try_into().ok();
        }
        options = rest;
    }
    options.is_empty().then_some(found)
}

/// Type, code and checksum; flags and reserved bytes; target; one option with a MAC address.
fn message(kind: u8, flags: u8, target: Ipv6Addr, option: u8, mac: Mac) -> Vec<u8> {
    [&[kind, 0, 0, 0, flags, 0, 0, 0][..], &target.octets(), &[option, 1], &mac].concat()
}

/// The frame of a message to a multicast group, with its checksum.
fn frame(mac: Mac, source: Ipv6Addr, group: Ipv6Addr, message: &[u8]) -> Vec<u8> {
    let pseudo = pseudo_header(source.into(), group.into(), ICMPV6, message.len());
    let sum = checksum(&[&pseudo, message]).to_be_bytes();
    // Version 6, 32 bytes follow.
    let ip = [0x60, 0, 0, 0, 0, 32, ICMPV6, HOP_LIMIT];
    [
        // RFC 2464 §7.
        &[0x33, 0x33][..],
        &group.octets()[12..],
        &mac,
        &ETHERTYPE,
        &ip,
        &source.octets(),
        &group.octets(),
        &message[..2],
        &sum,
        &message[4..],
    ]
    .concat()
}

/// The group that whoever has the address listens to (RFC 4291 §2.7.1).
fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let [.., high, middle, low] = address.octets();
    let last = u16::from_be_bytes([middle, low]);
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(high), last)
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: Mac = [2, 0, 0, 0, 0, 1];
    const PEER: Mac = [2, 0, 0, 0, 0, 2];

    fn vip() -> Ipv6Addr {
        "fd00:77::100".parse().unwrap()
    }

    /// As Linux sent it from fe80::ff:fe00:1 before a packet to fd00:77::100, in a capture.
    #[test]
    fn a_solicitation_is_the_kernels() {
        let frame = solicitation(US, "fe80::ff:fe00:1".parse().unwrap(), vip());
        let expected = [
            &[0x33, 0x33, 0xff, 0, 1, 0, 2, 0, 0, 0, 0, 1, 0x86, 0xdd][..],
            &[0x60, 0, 0, 0, 0, 0x20, 0x3a, 0xff],
            &[0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 0, 0, 1],
            &[0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 1, 0],
            &[0x87, 0, 0x7a, 0xa4, 0, 0, 0, 0],
            &[0xfd, 0, 0, 0x77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0],
            &[1, 1, 2, 0, 0, 0, 0, 1],
        ]
        .concat();
        assert_eq!(frame, expected);
        assert_eq!(claim(&frame), None, "a question answers nothing");
    }

    /// As keepalived 2.2.7 sent it for 2001:db8:77::100 from 02:00:00:00:00:01, in a capture.
    #[test]
    fn an_announcement_is_keepaliveds() {
        let address = "2001:db8:77::100".parse().unwrap();
        let frame = advertisement(US, address, false);
        let expected = [
            &[0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 0, 1, 0x86, 0xdd][..],
            &[0x60, 0, 0, 0, 0, 0x20, 0x3a, 0xff],
            &[0x20, 1, 0x0d, 0xb8, 0, 0x77, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0],
            &[0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
            &[0x88, 0, 0xf6, 0x3e, 0x20, 0, 0, 0],
            &[0x20, 1, 0x0d, 0xb8, 0, 0x77, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0],
            &[2, 1, 2, 0, 0, 0, 0, 1],
        ]
        .concat();
        assert_eq!(frame, expected);
        assert_eq!(claim(&frame), Some(Claim { address: address.into(), mac: US }));
        // A router's has one flag more: 0x8000 less in the checksum.
        let router = advertisement(US, address, true);
        assert_eq!(router[54..60], [0x88, 0, 0x76, 0x3e, 0xa0, 0]);
    }

    /// Linux's answer to the solicitation above, in the same capture.
    fn answer() -> Vec<u8> {
        [
            &[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd][..],
            &[0x60, 0, 0, 0, 0, 0x20, 0x3a, 0xff],
            &[0xfd, 0, 0, 0x77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0],
            &[0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 0, 0, 1],
            &[0x88, 0, 0x19, 0x30, 0x60, 0, 0, 0],
            &[0xfd, 0, 0, 0x77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0],
            &[2, 1, 2, 0, 0, 0, 0, 2],
        ]
        .concat()
    }

    /// Linux's answer to a solicitation of itself alone, in the same capture: without option.
    fn short_answer() -> Vec<u8> {
        [
            &[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x86, 0xdd][..],
            &[0x60, 0, 0, 0, 0, 0x18, 0x3a, 0xff],
            &[0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 0, 0, 1],
            &[0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 0, 0, 2],
            &[0x88, 0, 0x3f, 0x26, 0x40, 0, 0, 0],
            &[0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 0, 0, 1],
        ]
        .concat()
    }

    #[test]
    fn the_kernels_answers_are_claims() {
        assert_eq!(claim(&answer()), Some(Claim { address: vip().into(), mac: PEER }));
        let padded = [answer(), vec![0; 6]].concat();
        assert_eq!(claim(&padded), Some(Claim { address: vip().into(), mac: PEER }));
        let address = Ipv6Addr::from([0xfe80, 0, 0, 0, 0, 0xff, 0xfe00, 1]);
        assert_eq!(claim(&short_answer()), Some(Claim { address: address.into(), mac: US }));
    }

    /// The answer with some bytes changed or added, and its length and checksum made right again.
    fn changed(change: impl FnOnce(&mut Vec<u8>)) -> Option<Claim> {
        let mut frame = answer();
        change(&mut frame);
        let length = frame.len() - 54;
        frame[18..20].copy_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
        frame[56..58].fill(0);
        // The pseudo header of RFC 8200 §8.1, summed word by word.
        let words = frame[22..]
            .chunks(2)
            .map(|word| u32::from(word[0]) << 8 | word.get(1).map_or(0, |&low| u32::from(low)));
        let mut sum = words.sum::<u32>() + u32::try_from(length).unwrap() + u32::from(ICMPV6);
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        frame[56..58].copy_from_slice(&(!u16::try_from(sum).unwrap()).to_be_bytes());
        claim(&frame)
    }

    /// RFC 4861 §7.1.2, line by line.
    #[test]
    fn what_a_neighbour_must_discard_is_no_claim() {
        let whole = Some(Claim { address: vip().into(), mac: PEER });
        assert_eq!(changed(|_| {}), whole);
        assert_eq!(changed(|frame| frame[21] = 254), None, "hop limit");
        let mut broken = answer();
        broken[85] ^= 1;
        assert_eq!(claim(&broken), None, "checksum");
        assert_eq!(changed(|frame| frame[55] = 1), None, "code");
        assert_eq!(changed(|frame| frame.truncate(54 + 23)), None, "24 bytes or more");
        assert_eq!(changed(|frame| frame[62] = 0xff), None, "the target is multicast");
        assert_eq!(changed(|frame| frame[38] = 0xff), None, "multicast and solicited");
        assert_eq!(changed(|frame| frame.extend([9, 0, 0, 0, 0, 0, 0, 0])), None, "option of 0");
        assert_eq!(changed(|frame| frame.extend([9, 2, 0, 0, 0, 0, 0, 0])), None, "cut option");
        assert_eq!(changed(|frame| frame.push(9)), None, "half an option");
        // An unknown option is ignored.
        assert_eq!(changed(|frame| frame.extend([9, 1, 0, 0, 0, 0, 0, 0])), whole);
        let to_all = |frame: &mut Vec<u8>| (frame[38], frame[58]) = (0xff, OVERRIDE);
        assert_eq!(changed(to_all), whole, "unsolicited");
    }

    #[test]
    fn what_is_no_advertisement_is_no_claim() {
        assert_eq!(changed(|frame| frame[54] = SOLICITATION), None);
        assert_eq!(changed(|frame| frame[20] = 17), None, "UDP");
        assert_eq!(changed(|frame| frame[14] = 0x40), None, "IP version 4");
        let whole = answer();
        for length in 0..whole.len() {
            assert_eq!(Claim::decode(&whole[..length]), None, "{length} bytes");
        }
    }

    #[test]
    fn the_solicited_node_group_is_as_in_the_rfc() {
        // The example of RFC 4291 §2.7.1.
        let group = solicited_node("4037::1:800:200e:8c6c".parse().unwrap());
        assert_eq!(group, "ff02::1:ff0e:8c6c".parse::<Ipv6Addr>().unwrap());
    }
}
