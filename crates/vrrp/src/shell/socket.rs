//! Raw sockets for adverts.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};

use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockAddr, Socket, Type};
use tokio::net::UdpSocket;

use crate::packet::{GROUP, PROTOCOL, TTL};

/// Internetwork control, as routers mark their protocols.
const TOS: u32 = 0xc0;

fn raw() -> io::Result<Socket> {
    let protocol = Protocol::from(i32::from(PROTOCOL));
    Socket::new(Domain::IPV4, Type::RAW.nonblocking().cloexec(), Some(protocol))
}

/// Whether this process may open raw sockets.
pub(super) fn probe() -> io::Result<()> {
    raw().map(drop)
}

/// Sends the adverts of one instance from one address.
#[derive(Debug)]
pub(super) struct AdvertSender(Socket);

impl AdvertSender {
    pub(super) fn open(interface: &str, source: Ipv4Addr) -> io::Result<Self> {
        let socket = raw()?;
        socket.bind_device(Some(interface.as_bytes()))?;
        socket.set_ttl_v4(u32::from(TTL))?;
        socket.set_tos_v4(TOS)?;
        socket.set_multicast_ttl_v4(u32::from(TTL))?;
        socket.set_multicast_loop_v4(false)?;
        socket.bind(&SocketAddrV4::new(source, 0).into())?;
        // Nothing is read here, so nothing may pile up here.
        socket.set_recv_buffer_size(0)?;
        Ok(Self(socket))
    }

    pub(super) fn send(&self, destination: Ipv4Addr, payload: &[u8]) -> io::Result<()> {
        let destination = SockAddr::from(SocketAddrV4::new(destination, 0));
        self.0.send_to(payload, &destination).map(drop)
    }
}

/// Receives the VRRP packets of one interface, whatever their VRID.
///
/// tokio's `UdpSocket` gives readiness for any datagram socket; its `AsyncFd` would need `unsafe`.
#[derive(Debug)]
pub(super) struct AdvertReceiver(UdpSocket);

impl AdvertReceiver {
    pub(super) fn open(interface: &str, index: u32) -> io::Result<Self> {
        let socket = raw()?;
        socket.bind_device(Some(interface.as_bytes()))?;
        // Only what this socket joined, not what any socket of the host did.
        socket.set_multicast_all_v4(false)?;
        socket.join_multicast_v4_n(&GROUP, &InterfaceIndexOrAddress::Index(index))?;
        // Until it was bound it took packets of every interface.
        let mut nothing = [];
        while socket.recv(&mut nothing).is_ok() {}
        Ok(Self(UdpSocket::from_std(socket.into())?))
    }

    /// The next packet, with its IP header.
    pub(super) async fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.recv(buffer).await
    }
}

/// A buffer for any VRRP packet: 60 bytes of IP header, 8 of VRRP, 255 addresses, 8 of password.
pub(super) const LONGEST_PACKET: usize = 60 + 8 + 255 * 4 + 8;
