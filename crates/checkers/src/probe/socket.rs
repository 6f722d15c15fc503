//! Sockets of probes, and whose fault an error is.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv, setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::net::{TcpStream, UdpSocket};

use super::stream::Stream;
use super::{Deadline, Stop, ports};
use crate::outcome::Cause;
use crate::spec::{Connect, Via};

/// Connects to where `connect` says, to read so many bytes of content at most. The connection is
/// reset when it is dropped: probes are many, and none may leave a socket in TIME_WAIT behind.
pub(super) async fn connect(
    target: SocketAddr,
    connect: &Connect,
    content: usize,
    deadline: &Deadline,
) -> Result<Stream, Stop> {
    let destination = connect.destination(target);
    let socket = open(target, connect, Type::STREAM, Protocol::TCP)?;
    socket.set_linger(Some(Duration::ZERO)).map_err(|error| {
        Stop::Local(doing_failed(&format!("open a socket to {destination}"), &error))
    })?;
    let doing = || format!("connect to {destination}");
    match socket.connect(&destination.into()) {
        Err(error) if error.raw_os_error() != Some(Errno::EINPROGRESS as i32) => {
            return Err(way_stop(&doing(), &error));
        }
        _ => {}
    }
    let stream = TcpStream::from_std(socket.into()).map_err(|error| io_stop(&doing(), &error))?;
    let connected = async {
        stream.writable().await?;
        stream.take_error()
    };
    match deadline.within("connecting", connected).await? {
        Ok(None) => {}
        // This has come by RST or ICMP: what fails on this machine does so at once.
        Ok(Some(error)) => return Err(answer_stop(&doing(), &error)),
        Err(error) => return Err(io_stop(&doing(), &error)),
    }
    // A local port without a listener can be chosen as the source port of a connection to itself;
    // the kernel takes none of the well-known ones for that.
    if destination.port() >= 1024 && stream.local_addr().is_ok_and(|local| local == destination) {
        return Err(Stop::failed(Cause::Refused, words(Cause::Refused)));
    }
    Ok(Stream::new(stream, content))
}

/// As [`connect`], for HTTP/2, whose small frames would else wait for the server's delayed
/// acknowledgements.
pub(super) async fn connect_for_frames(
    target: SocketAddr,
    connection: &Connect,
    content: usize,
    deadline: &Deadline,
) -> Result<Stream, Stop> {
    let stream = connect(target, connection, content, deadline).await?;
    stream.tcp().set_nodelay(true).map_err(|error| io_stop("send without delay", &error))?;
    Ok(stream)
}

/// A UDP socket that talks with where `connect` says, and no other.
pub(super) fn datagram(target: SocketAddr, connect: &Connect) -> Result<UdpSocket, Stop> {
    let destination = connect.destination(target);
    connected(destination, open(target, connect, Type::DGRAM, Protocol::UDP)?)
}

/// A socket for ICMP messages to and from where `connect` says.
///
/// A raw one, which needs CAP_NET_RAW: datagram sockets of ICMP are open to groups that a sysctl
/// lists (`net.ipv4.ping_group_range`), by default to none. A raw socket that is connected gets
/// no copies of other hosts' messages.
pub(super) fn icmp(target: SocketAddr, connect: &Connect) -> Result<UdpSocket, Stop> {
    let destination = SocketAddr::new(connect.destination(target).ip(), 0);
    let protocol = if destination.is_ipv4() { Protocol::ICMPV4 } else { Protocol::ICMPV6 };
    connected(destination, open(target, connect, Type::RAW, protocol)?)
}

/// Connects a socket of datagrams, and lets it report every ICMP error, also those that may pass.
fn connected(destination: SocketAddr, socket: Socket) -> Result<UdpSocket, Stop> {
    let report = if destination.is_ipv4() {
        setsockopt(&socket, sockopt::Ipv4RecvErr, &true)
    } else {
        setsockopt(&socket, sockopt::Ipv6RecvErr, &true)
    };
    report
        .map_err(io::Error::from)
        .and_then(|()| socket.connect(&destination.into()))
        // tokio's name for a socket of datagrams; it looks at no protocol.
        .and_then(|()| UdpSocket::from_std(socket.into()))
        .map_err(|error| way_stop(&format!("connect to {destination}"), &error))
}

/// Receives a datagram. An ICMP error ends the wait too: tokio's own `recv` waits for data alone,
/// and sleeps through an error that arrives after it has begun to wait.
pub(super) async fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<usize> {
    let receive = || Ok(recv(socket.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT)?);
    socket.async_io(Interest::READABLE | Interest::ERROR, receive).await
}

fn open(
    target: SocketAddr,
    connect: &Connect,
    kind: Type,
    protocol: Protocol,
) -> Result<Socket, Stop> {
    let destination = connect.destination(target);
    let local = |doing: &str, error: io::Error| Stop::Local(doing_failed(doing, &error));
    let domain = Domain::for_address(destination);
    let socket = Socket::new(domain, kind.nonblocking().cloexec(), Some(protocol))
        .map_err(|error| local(&format!("open a socket to {destination}"), error))?;
    if let Some(interface) = &connect.interface {
        socket
            .bind_device(Some(interface.as_bytes()))
            .map_err(|error| local(&format!("bind to interface {interface}"), error))?;
    }
    if let Some(mark) = connect.mark {
        socket.set_mark(mark).map_err(|error| local(&format!("set mark {mark}"), error))?;
    }
    let source = match (connect.source, connect.via) {
        (None, Via::VirtualAddress) => Some(
            source_towards(target.ip())
                .map_err(|error| way_stop(&format!("find the route to {}", target.ip()), &error))?,
        ),
        (source, _) => source,
    };
    if let Some(source) = source {
        let bound = match (protocol, connect.via) {
            (Protocol::TCP, Via::VirtualAddress) => bind_in_turn(&socket, source),
            // The port is chosen at connect: one local port then serves many destinations.
            (Protocol::TCP, Via::Server) => {
                setsockopt(&socket, sockopt::IpBindAddressNoPort, &true)
                    .map_err(io::Error::from)
                    .and_then(|()| socket.bind(&SocketAddr::new(source, 0).into()))
            }
            _ => socket.bind(&SocketAddr::new(source, 0).into()),
        };
        bound.map_err(|error| local(&format!("bind to source address {source}"), error))?;
    }
    Ok(socket)
}

/// Binds to the next port that nobody has. The last one tried is the kernel's choice.
fn bind_in_turn(socket: &Socket, source: IpAddr) -> io::Result<()> {
    const TRIES: usize = 64;
    let free = std::iter::from_fn(ports::next).take(TRIES).find_map(|port| {
        let bound = socket.bind(&SocketAddr::new(source, port).into());
        let taken = bound.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse);
        (!taken).then_some(bound)
    });
    free.unwrap_or_else(|| socket.bind(&SocketAddr::new(source, 0).into()))
}

/// The address from which this host reaches `target`. Nothing is sent.
///
/// # Errors
///
/// There is no route, or no socket to ask with.
pub fn source_towards(target: IpAddr) -> io::Result<IpAddr> {
    let any = match target {
        IpAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
    };
    let socket = std::net::UdpSocket::bind((any, 0))?;
    // Any port: connecting a socket of datagrams looks for the route alone.
    socket.connect((target, 9))?;
    Ok(socket.local_addr()?.ip())
}

/// Judges an I/O error met while `doing`: the server's failure, or trouble of this machine. An
/// errno that is not known to come from the network is local, so that a strange one never takes
/// servers out.
pub(super) fn io_stop(doing: &str, error: &io::Error) -> Stop {
    match io_cause(error) {
        Some(Cause::Protocol) => Stop::failed(Cause::Protocol, doing_failed(doing, error)),
        Some(cause) if error.raw_os_error() == Some(Errno::ENETUNREACH as i32) => {
            Stop::failed(cause, "network unreachable (ICMP)")
        }
        Some(cause) => Stop::failed(cause, words(cause)),
        None => Stop::Local(doing_failed(doing, error)),
    }
}

/// The same of an error that `connect`, or the first `send`, gives at once. No packet has been
/// answered by then, so it is this machine's own routes and links that lead nowhere.
pub(super) fn way_stop(doing: &str, error: &io::Error) -> Stop {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENETUNREACH | Errno::EHOSTUNREACH) => {
            let what = doing_failed(doing, error);
            Stop::Local(format!("{what} (no route to it here, or its link is down)"))
        }
        _ => io_stop(doing, error),
    }
}

/// The same of an error met while receiving from a socket of datagrams.
pub(super) fn receive_stop(error: &io::Error) -> Stop {
    answer_stop("receive the answer", error)
}

/// The same of an error met while waiting for an answer. Nothing local can fail there, so these
/// are what ICMP brought, and more of them are failures: a firewall's refusal (EACCES, of ICMPv6),
/// and a host that does not know the protocol (ENOPROTOOPT).
fn answer_stop(doing: &str, error: &io::Error) -> Stop {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EACCES) => {
            Stop::failed(Cause::Unreachable, "refused by a firewall (ICMP: prohibited)")
        }
        Some(Errno::ENOPROTOOPT) => {
            Stop::failed(Cause::Unreachable, "host does not know the protocol (ICMP)")
        }
        _ => io_stop(doing, error),
    }
}

fn io_cause(error: &io::Error) -> Option<Cause> {
    let Some(code) = error.raw_os_error() else {
        // Not from a system call, or retold by a library that keeps only its kind.
        return Some(match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe => Cause::Closed,
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => Cause::Reset,
            io::ErrorKind::TimedOut => Cause::TimedOut,
            _ => Cause::Protocol,
        });
    };
    match Errno::from_raw(code) {
        Errno::ECONNREFUSED => Some(Cause::Refused),
        // Not ENETDOWN: ICMP says nothing that becomes that (`icmp_err_convert` of the kernel).
        Errno::EHOSTUNREACH | Errno::ENETUNREACH | Errno::EHOSTDOWN => Some(Cause::Unreachable),
        Errno::ECONNRESET | Errno::ECONNABORTED | Errno::EPIPE => Some(Cause::Reset),
        Errno::ETIMEDOUT => Some(Cause::TimedOut),
        _ => None,
    }
}

fn words(cause: Cause) -> &'static str {
    match cause {
        Cause::Refused => "connection refused",
        Cause::Unreachable => "host unreachable",
        Cause::Reset => "connection reset",
        Cause::TimedOut => "connection timed out",
        _ => "connection closed before the answer was complete",
    }
}

/// `connect to 192.0.2.1:80: Too many open files (raise LimitNOFILE)`.
pub(super) fn doing_failed(doing: &str, error: &io::Error) -> String {
    let Some(code) = error.raw_os_error() else { return format!("{doing}: {error}") };
    let errno = Errno::from_raw(code);
    let what = errno.desc();
    match errno {
        Errno::EMFILE => format!("{doing}: {what} (raise LimitNOFILE of this service)"),
        Errno::EADDRNOTAVAIL => {
            format!("{doing}: {what} (no such address here, or no free local port)")
        }
        Errno::EPERM | Errno::EACCES => {
            format!("{doing}: {what} (a missing capability, or a local firewall rule or route)")
        }
        _ => format!("{doing}: {what}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(errno: Errno) -> Option<Cause> {
        io_cause(&io::Error::from(errno))
    }

    #[test]
    fn errors_of_the_network_are_failures() {
        for (errno, cause) in [
            (Errno::ECONNREFUSED, Cause::Refused),
            (Errno::EHOSTUNREACH, Cause::Unreachable),
            (Errno::ENETUNREACH, Cause::Unreachable),
            (Errno::EHOSTDOWN, Cause::Unreachable),
            (Errno::ECONNRESET, Cause::Reset),
            (Errno::EPIPE, Cause::Reset),
            (Errno::ETIMEDOUT, Cause::TimedOut),
        ] {
            assert_eq!(judged(errno), Some(cause), "{errno}");
        }
    }

    #[test]
    fn what_fails_before_a_packet_leaves_is_local_and_the_same_by_icmp_is_not() {
        for errno in [Errno::ENETUNREACH, Errno::EHOSTUNREACH] {
            let error = io::Error::from(errno);
            let Stop::Local(text) = way_stop("connect to 192.0.2.1:80", &error) else {
                panic!("{errno}");
            };
            assert!(text.starts_with("connect to 192.0.2.1:80: "), "{text}");
            let Stop::Failed(failure) = answer_stop("connect to 192.0.2.1:80", &error) else {
                panic!("{errno}");
            };
            assert_eq!(failure.cause, Cause::Unreachable);
        }
    }

    #[test]
    fn errors_of_this_machine_are_local() {
        for errno in [
            Errno::EMFILE,
            Errno::ENFILE,
            Errno::ENOBUFS,
            Errno::ENOMEM,
            Errno::EADDRNOTAVAIL,
            Errno::EADDRINUSE,
            Errno::EACCES,
            Errno::EPERM,
            Errno::EINVAL,
            Errno::ENODEV,
            Errno::ENETDOWN,
        ] {
            assert_eq!(judged(errno), None, "{errno}");
        }
    }
}
