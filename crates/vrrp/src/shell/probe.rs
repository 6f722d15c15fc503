//! Asks the link who has an address: ARP for IPv4 (RFC 826).

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use nix::sys::socket::{LinkAddr, MsgFlags, recvfrom, sendto};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::neighbour::BROADCAST;
use super::worker::PAUSE;

const ETHERTYPE: [u8; 2] = [0x08, 0x06];

/// `ETH_P_ARP`, in the order of the network.
const ARP: u16 = u16::from_be_bytes(ETHERTYPE).to_be();

/// So long an answer is waited for.
const WINDOW: Duration = Duration::from_secs(1);

/// An address, and the MAC address that answers for it.
pub(super) type Answer = (IpAddr, [u8; 6]);

/// Asks, and hears the answers: all questions share one socket. Were there one for each, a
/// director with hundreds of instances would hear every answer hundreds of times.
#[derive(Debug, Default)]
pub(super) struct Prober {
    /// Open while answers are waited for.
    socket: Option<UdpSocket>,
    asked: BTreeMap<(usize, Ipv4Addr), Question>,
}

#[derive(Debug)]
struct Question {
    /// The asker's own MAC address.
    mac: [u8; 6],
    until: Instant,
}

impl Prober {
    /// Asks out of `link` for `addresses`. `source` is the asker's own address.
    pub(super) fn ask(
        &mut self,
        link: LinkAddr,
        source: Ipv4Addr,
        addresses: &[Ipv4Addr],
        now: Instant,
    ) -> io::Result<()> {
        let mac = link.addr().ok_or_else(|| io::Error::other("it has no MAC address"))?;
        let socket = match &mut self.socket {
            Some(socket) => socket,
            None => self.socket.insert(open()?),
        };
        for &address in addresses {
            sendto(socket.as_raw_fd(), &question(mac, source, address), &link, MsgFlags::empty())?;
            self.asked.insert((link.ifindex(), address), Question { mac, until: now + WINDOW });
        }
        Ok(())
    }

    /// Gives up the questions that have waited long enough.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.asked.retain(|_, question| now < question.until);
        if self.asked.is_empty() {
            self.socket = None;
        }
    }

    /// The next answer to a question.
    pub(super) async fn next(&self) -> Answer {
        loop {
            let Some(socket) = &self.socket else { return std::future::pending().await };
            match receive(socket).await {
                Ok((frame, index)) => {
                    if let Some(answer) = self.answer_in(&frame, index) {
                        return answer;
                    }
                }
                // The link is gone; the socket closes with its questions.
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    fn answer_in(&self, frame: &[u8; 42], index: usize) -> Option<Answer> {
        let (address, mac) = answer(frame)?;
        let question = self.asked.get(&(index, address))?;
        (mac != question.mac).then_some((IpAddr::V4(address), mac))
    }
}

fn open() -> io::Result<UdpSocket> {
    let protocol = Protocol::from(i32::from(ARP));
    let socket = Socket::new(Domain::PACKET, Type::RAW.nonblocking().cloexec(), Some(protocol))?;
    UdpSocket::from_std(socket.into())
}

/// The start of the next frame, and the number of the interface that it came in on.
async fn receive(socket: &UdpSocket) -> io::Result<([u8; 42], usize)> {
    socket
        .async_io(Interest::READABLE, || {
            let mut frame = [0; 42];
            let (_, from) = recvfrom::<LinkAddr>(socket.as_raw_fd(), &mut frame)?;
            Ok((frame, from.map_or(0, |from| from.ifindex())))
        })
        .await
}

/// An ARP request for `address`, as an Ethernet frame.
fn question(mac: [u8; 6], source: Ipv4Addr, address: Ipv4Addr) -> [u8; 42] {
    let mut frame = [0; 42];
    frame[0..6].copy_from_slice(&BROADCAST);
    frame[6..12].copy_from_slice(&mac);
    frame[12..14].copy_from_slice(&ETHERTYPE);
    // Hardware Ethernet, protocol IPv4, their lengths, operation request.
    frame[14..22].copy_from_slice(&[0, 1, 0x08, 0x00, 6, 4, 0, 1]);
    frame[22..28].copy_from_slice(&mac);
    frame[28..32].copy_from_slice(&source.octets());
    frame[38..42].copy_from_slice(&address.octets());
    frame
}

/// Whose address an ARP packet says it is: the sender's of a reply, or of a gratuitous request.
fn answer(frame: &[u8; 42]) -> Option<(Ipv4Addr, [u8; 6])> {
    let is_arp = frame[12..14] == ETHERTYPE && frame[14..20] == [0, 1, 0x08, 0x00, 6, 4];
    let (sender, target) = (&frame[28..32], &frame[38..42]);
    let says = match frame[20..22] {
        [0, 2] => true,
        [0, 1] => sender == target,
        _ => false,
    };
    let mac = frame[22..28].try_into().ok()?;
    let address = <[u8; 4]>::try_from(sender).ok()?;
    (is_arp && says).then_some((Ipv4Addr::from(address), mac))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Laid out by hand after RFC 826.
    #[test]
    fn a_question_and_its_answer() {
        let us = ([2, 0, 0, 0, 0, 1], Ipv4Addr::new(10, 0, 0, 2));
        let asked = Ipv4Addr::new(10, 0, 0, 100);
        let frame = question(us.0, us.1, asked);
        let expected = [
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 8, 6][..],
            &[0, 1, 8, 0, 6, 4, 0, 1],
            &[2, 0, 0, 0, 0, 1, 10, 0, 0, 2],
            &[0, 0, 0, 0, 0, 0, 10, 0, 0, 100],
        ]
        .concat();
        assert_eq!(frame[..], expected[..]);
        assert_eq!(answer(&frame), None, "a question answers nothing");

        let reply: [u8; 42] = [
            &[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, 8, 6][..],
            &[0, 1, 8, 0, 6, 4, 0, 2],
            &[2, 0, 0, 0, 0, 9, 10, 0, 0, 100],
            &[2, 0, 0, 0, 0, 1, 10, 0, 0, 2],
        ]
        .concat()
        .try_into()
        .unwrap();
        assert_eq!(answer(&reply), Some((asked, [2, 0, 0, 0, 0, 9])));
        let mut other = reply;
        other[13] = 0;
        assert_eq!(answer(&other), None);
    }
}
