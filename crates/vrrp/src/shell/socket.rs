//! Raw sockets for adverts.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsRawFd;

use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrIn6, recv, recvmsg, setsockopt, sockopt,
};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockAddr, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use crate::packet::{GROUP, GROUP_V6, IpHeader, PROTOCOL, TTL};
use crate::spec::Family;

/// Internetwork control, as routers mark their protocols.
const TOS: u32 = 0xc0;

fn raw(family: Family) -> io::Result<Socket> {
    let protocol = Protocol::from(i32::from(PROTOCOL));
    let domain = match family {
        Family::Ipv4 => Domain::IPV4,
        Family::Ipv6 => Domain::IPV6,
    };
    Socket::new(domain, Type::RAW.nonblocking().cloexec(), Some(protocol))
}

/// Whether this process may open raw sockets.
pub(super) fn probe() -> io::Result<()> {
    raw(Family::Ipv4).map(drop)
}

/// Sends adverts out of one interface and from one address.
#[derive(Debug)]
pub(super) struct AdvertSender {
    socket: Socket,
    index: u32,
    source: IpAddr,
}

impl AdvertSender {
    pub(super) fn open(interface: &str, source: IpAddr) -> io::Result<Self> {
        let index = nix::net::if_::if_nametoindex(interface)?;
        let socket = raw(Family::of(source))?;
        socket.bind_device(Some(interface.as_bytes()))?;
        match source {
            IpAddr::V4(source) => {
                socket.set_ttl_v4(u32::from(TTL))?;
                socket.set_tos_v4(TOS)?;
                socket.set_multicast_ttl_v4(u32::from(TTL))?;
                socket.set_multicast_loop_v4(false)?;
                socket.bind(&SocketAddrV4::new(source, 0).into())?;
            }
            IpAddr::V6(source) => {
                socket.set_unicast_hops_v6(u32::from(TTL))?;
                socket.set_tclass_v6(TOS)?;
                socket.set_multicast_hops_v6(u32::from(TTL))?;
                socket.set_multicast_loop_v6(false)?;
                // The interface with the virtual MAC has not the source, the one below has it.
                socket.set_freebind_v6(true)?;
                socket.bind(&with_scope(source, index).into())?;
            }
        }
        // Nothing is read here, so nothing may pile up here.
        socket.set_recv_buffer_size(0)?;
        Ok(Self { socket, index, source })
    }

    /// Whether it is for that place. An interface that was made anew under its name is another.
    pub(super) fn serves(&self, interface: &str, source: IpAddr) -> bool {
        self.source == source && nix::net::if_::if_nametoindex(interface) == Ok(self.index)
    }

    pub(super) fn send(&self, destination: IpAddr, payload: &[u8]) -> io::Result<()> {
        let destination = match destination {
            IpAddr::V4(address) => SockAddr::from(SocketAddrV4::new(address, 0)),
            IpAddr::V6(address) => SockAddr::from(with_scope(address, self.index)),
        };
        self.socket.send_to(payload, &destination).map(drop)
    }
}

/// A link-local address means something on one link only.
fn with_scope(address: Ipv6Addr, index: u32) -> SocketAddrV6 {
    let local = address.is_unicast_link_local() || address.is_multicast();
    SocketAddrV6::new(address, 0, 0, if local { index } else { 0 })
}

/// A VRRP packet; without header where that is malformed.
#[derive(Debug)]
pub(super) struct Packet {
    pub(super) header: Option<IpHeader>,
    pub(super) payload: Vec<u8>,
}

/// Receives the VRRP packets of one family on one interface, whatever their VRID.
///
/// tokio's `UdpSocket` gives readiness for any datagram socket; its `AsyncFd` would need `unsafe`.
#[derive(Debug)]
pub(super) struct AdvertReceiver {
    socket: UdpSocket,
    family: Family,
}

impl AdvertReceiver {
    pub(super) fn open(interface: &str, index: u32, family: Family) -> io::Result<Self> {
        let socket = raw(family)?;
        socket.bind_device(Some(interface.as_bytes()))?;
        // Only what this socket joined, not what any socket of the host did.
        match family {
            Family::Ipv4 => {
                socket.set_multicast_all_v4(false)?;
                socket.join_multicast_v4_n(&GROUP, &InterfaceIndexOrAddress::Index(index))?;
            }
            Family::Ipv6 => {
                setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
                setsockopt(&socket, sockopt::Ipv6RecvHopLimit, &true)?;
                socket.set_multicast_all_v6(false)?;
                socket.join_multicast_v6(&GROUP_V6, index)?;
            }
        }
        // The masters of hundreds of instances may all send at once. More than the system's limit
        // takes CAP_NET_ADMIN, which whoever moves addresses has.
        if setsockopt(&socket, sockopt::RcvBufForce, &BURSTS).is_err() {
            socket.set_recv_buffer_size(BURSTS)?;
        }
        // Until it was bound it took packets of every interface.
        let mut nothing = [];
        while socket.recv(&mut nothing).is_ok() {}
        Ok(Self { socket: UdpSocket::from_std(socket.into())?, family })
    }

    /// The next packet.
    pub(super) async fn receive(&self) -> io::Result<Packet> {
        self.socket.async_io(Interest::READABLE, || self.read()).await
    }

    /// The next packet, if there is one already.
    pub(super) fn read(&self) -> io::Result<Packet> {
        let mut buffer = [0; LONGEST_PACKET];
        let fd = self.socket.as_raw_fd();
        match self.family {
            Family::Ipv4 => {
                let length = recv(fd, &mut buffer, MsgFlags::MSG_DONTWAIT)?;
                Ok(match IpHeader::split(&buffer[..length]) {
                    Ok((header, payload)) => {
                        Packet { header: Some(header), payload: payload.to_vec() }
                    }
                    Err(_) => Packet { header: None, payload: Vec::new() },
                })
            }
            Family::Ipv6 => {
                let mut control = nix::cmsg_space!(nix::libc::in6_pktinfo, i32);
                let mut slices = [IoSliceMut::new(&mut buffer)];
                let flags = MsgFlags::MSG_DONTWAIT;
                let message = recvmsg::<SockaddrIn6>(fd, &mut slices, Some(&mut control), flags)?;
                let source = message.address.map(|address| IpAddr::from(address.ip()));
                let (mut destination, mut ttl) = (None, None);
                for control in message.cmsgs()? {
                    match control {
                        ControlMessageOwned::Ipv6PacketInfo(info) => {
                            destination = Some(IpAddr::from(info.ipi6_addr.s6_addr));
                        }
                        ControlMessageOwned::Ipv6HopLimit(limit) => ttl = u8::try_from(limit).ok(),
                        _ => {}
                    }
                }
                let header =
                    (|| Some(IpHeader { source: source?, destination: destination?, ttl: ttl? }))();
                let payload = message.iovs().next().unwrap_or_default().to_vec();
                Ok(Packet { header, payload })
            }
        }
    }
}

/// Bytes of adverts that may wait: those of 255 instances, some times over. The kernel counts its
/// own bookkeeping too, near to a kilobyte for each.
const BURSTS: usize = 1 << 20;

/// Any VRRP packet fits: 60 bytes of IP header, 8 of VRRP, 255 addresses of 16 bytes.
const LONGEST_PACKET: usize = 60 + 8 + 255 * 16;
