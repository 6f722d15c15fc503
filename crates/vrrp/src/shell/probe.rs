//! Asks the links who has an address, and hears the answers.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use nix::libc::{BPF_ABS, BPF_B, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET};
use nix::sys::socket::{LinkAddr, MsgFlags, recvfrom, sendto};
use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::worker::PAUSE;
use crate::neighbour::{Claim, Mac, question};
use crate::spec::Family;

/// So long an answer is waited for.
const WINDOW: Duration = Duration::from_secs(1);

/// Room for an Ethernet frame; longer ones are no answers.
const LONGEST_FRAME: usize = 1514;

/// Asks, and hears the answers: all questions of a family share one socket. Were there one for
/// each, a director with hundreds of instances would hear every answer hundreds of times.
#[derive(Debug, Default)]
pub(super) struct Prober {
    /// Open while answers are waited for.
    arp: Option<UdpSocket>,
    ndp: Option<UdpSocket>,
    /// By the number of the interface that it went out of.
    asked: BTreeMap<(usize, IpAddr), Question>,
}

#[derive(Debug)]
struct Question {
    /// The asker's own MAC address.
    mac: Mac,
    until: Instant,
}

impl Prober {
    /// Asks out of `link` for `addresses`, all of one family. `source` is the asker's own address.
    pub(super) fn ask(
        &mut self,
        link: LinkAddr,
        source: IpAddr,
        addresses: &[IpAddr],
        now: Instant,
    ) -> io::Result<()> {
        let mac = link.addr().ok_or_else(|| io::Error::other("it has no MAC address"))?;
        let family = Family::of(source);
        let slot = match family {
            Family::Ipv4 => &mut self.arp,
            Family::Ipv6 => &mut self.ndp,
        };
        let socket = match slot {
            Some(socket) => socket,
            None => slot.insert(open(family)?),
        };
        for &address in addresses {
            let Some(frame) = question(mac, source, address) else { continue };
            sendto(socket.as_raw_fd(), &frame, &link, MsgFlags::empty())?;
            self.asked.insert((link.ifindex(), address), Question { mac, until: now + WINDOW });
        }
        Ok(())
    }

    /// Gives up the questions that have waited long enough.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.asked.retain(|_, question| now < question.until);
        if !self.asked.keys().any(|(_, address)| address.is_ipv4()) {
            self.arp = None;
        }
        if !self.asked.keys().any(|(_, address)| address.is_ipv6()) {
            self.ndp = None;
        }
    }

    /// The next answer to a question.
    pub(super) async fn next(&self) -> Claim {
        loop {
            let received = tokio::select! {
                received = receive(self.arp.as_ref()) => received,
                received = receive(self.ndp.as_ref()) => received,
            };
            match received {
                Ok((claim, index)) => {
                    if let Some(claim) = claim.filter(|claim| self.is_answer(claim, index)) {
                        return claim;
                    }
                }
                // The link is gone; the socket closes with its questions.
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    fn is_answer(&self, claim: &Claim, index: usize) -> bool {
        let question = self.asked.get(&(index, claim.address));
        question.is_some_and(|question| question.mac != claim.mac)
    }
}

fn open(family: Family) -> io::Result<UdpSocket> {
    let protocol = match family {
        Family::Ipv4 => nix::libc::ETH_P_ARP,
        Family::Ipv6 => nix::libc::ETH_P_IPV6,
    };
    // In the order of the network.
    let protocol = u16::try_from(protocol).map_err(io::Error::other)?.to_be();
    let protocol = Protocol::from(i32::from(protocol));
    let socket = Socket::new(Domain::PACKET, Type::RAW.nonblocking().cloexec(), Some(protocol))?;
    if family == Family::Ipv6 {
        socket.attach_filter(&advertisements()?)?;
    }
    UdpSocket::from_std(socket.into())
}

/// A filter that lets neighbour advertisements alone through: a director has more IPv6 packets than
/// this process could look at. The few from before it was attached are no [`Claim`]s.
fn advertisements() -> io::Result<[SockFilter; 8]> {
    let code = |bits: u32| u16::try_from(bits).map_err(io::Error::other);
    let (load, branch) = (code(BPF_LD | BPF_B | BPF_ABS)?, code(BPF_JMP | BPF_JEQ | BPF_K)?);
    let give = code(BPF_RET | BPF_K)?;
    Ok([
        // Behind the Ethernet header: next header ICMPv6, hop limit 255, type 136.
        SockFilter::new(load, 0, 0, 20),
        SockFilter::new(branch, 0, 5, 58),
        SockFilter::new(load, 0, 0, 21),
        SockFilter::new(branch, 0, 3, 255),
        SockFilter::new(load, 0, 0, 54),
        SockFilter::new(branch, 0, 1, 136),
        SockFilter::new(give, 0, 0, u32::MAX),
        SockFilter::new(give, 0, 0, 0),
    ])
}

/// What the next frame claims, and the number of the interface that it came in on. Never ends
/// without a socket.
async fn receive(socket: Option<&UdpSocket>) -> io::Result<(Option<Claim>, usize)> {
    let Some(socket) = socket else { return std::future::pending().await };
    socket
        .async_io(Interest::READABLE, || {
            let mut frame = [0; LONGEST_FRAME];
            let (length, from) = recvfrom::<LinkAddr>(socket.as_raw_fd(), &mut frame)?;
            Ok((Claim::decode(&frame[..length]), from.map_or(0, |from| from.ifindex())))
        })
        .await
}
