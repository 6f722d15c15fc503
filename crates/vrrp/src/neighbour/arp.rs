//! ARP for IPv4 on Ethernet (RFC 826).

use std::net::Ipv4Addr;

use super::{Claim, Mac};

pub(super) const ETHERTYPE: [u8; 2] = [0x08, 0x06];
const BROADCAST: Mac = [0xff; 6];
/// Hardware Ethernet, protocol IPv4, their lengths.
const ETHERNET_IPV4: [u8; 6] = [0, 1, 0x08, 0x00, 6, 4];
const REQUEST: [u8; 2] = [0, 1];
const REPLY: [u8; 2] = [0, 2];
/// Ethernet header and ARP packet.
const LENGTH: usize = 42;

/// An ARP request, as an Ethernet frame to all.
pub(super) fn request(mac: Mac, sender: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    [
        &BROADCAST[..],
        &mac,
        &ETHERTYPE,
        &ETHERNET_IPV4,
        &REQUEST,
        &mac,
        &sender.octets(),
        // The target's hardware address is what is asked for.
        &[0; 6],
        &target.octets(),
    ]
    .concat()
}

/// Whose address an ARP packet says it is: the sender's of a reply, or of a gratuitous request.
pub(super) fn claim(frame: &[u8]) -> Option<Claim> {
    // Short frames are padded.
    let frame: &[u8; LENGTH] = frame.first_chunk()?;
    let is_arp = frame[12..14] == ETHERTYPE && frame[14..20] == ETHERNET_IPV4;
    let (sender, target) = (&frame[28..32], &frame[38..42]);
    let says = match *frame[20..22].first_chunk()? {
        REPLY => true,
        REQUEST => sender == target,
        _ => false,
    };
    let sender: [u8; 4] = *sender.first_chunk()?;
    let mac = *frame[22..28].first_chunk()?;
    (is_arp && says).then(|| Claim { address: Ipv4Addr::from(sender).into(), mac })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Laid out by hand after RFC 826.
    #[test]
    fn a_question_and_its_answer() {
        let us = ([2, 0, 0, 0, 0, 1], Ipv4Addr::new(10, 0, 0, 2));
        let asked = Ipv4Addr::new(10, 0, 0, 100);
        let frame = request(us.0, us.1, asked);
        let expected = [
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 8, 6][..],
            &[0, 1, 8, 0, 6, 4, 0, 1],
            &[2, 0, 0, 0, 0, 1, 10, 0, 0, 2],
            &[0, 0, 0, 0, 0, 0, 10, 0, 0, 100],
        ]
        .concat();
        assert_eq!(frame, expected);
        assert_eq!(claim(&frame), None, "a question answers nothing");

        let reply = [
            &[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, 8, 6][..],
            &[0, 1, 8, 0, 6, 4, 0, 2],
            &[2, 0, 0, 0, 0, 9, 10, 0, 0, 100],
            &[2, 0, 0, 0, 0, 1, 10, 0, 0, 2],
        ]
        .concat();
        let said = Some(Claim { address: asked.into(), mac: [2, 0, 0, 0, 0, 9] });
        assert_eq!(claim(&reply), said);
        assert_eq!(claim(&[&reply[..], &[0; 18]].concat()), said, "padded to 60 bytes");
        assert_eq!(claim(&reply[..41]), None);
        let mut other = reply;
        other[13] = 0;
        assert_eq!(claim(&other), None);
    }

    /// Laid out by hand after RFC 826.
    #[test]
    fn gratuitous_arp_is_as_in_the_rfc() {
        let address = Ipv4Addr::new(10, 0, 0, 100);
        let frame = request([2, 0, 0, 0, 0, 1], address, address);
        let expected = [
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 8, 6][..],
            &[0, 1, 8, 0, 6, 4, 0, 1],
            &[2, 0, 0, 0, 0, 1, 10, 0, 0, 100],
            &[0, 0, 0, 0, 0, 0, 10, 0, 0, 100],
        ]
        .concat();
        assert_eq!(frame, expected);
        let said = Claim { address: address.into(), mac: [2, 0, 0, 0, 0, 1] };
        assert_eq!(claim(&frame), Some(said));
    }
}
