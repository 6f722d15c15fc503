//! Real packets for the services of a table, so that connections and counters are there.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use fastrand::Rng;
use ipvs::{Family, Protocol, ServiceKey};
use socket2::{Domain, Socket, Type};

use crate::random_table::{BULK, RandomTable};

/// Every address is somewhere behind an interface that leads nowhere: what goes to a real server is
/// counted and lost. A firewall mark on a socket reaches the services with marks.
pub(crate) fn prepare() -> Result<()> {
    let mut ip = Command::new("ip").args(["-batch", "-"]).stdin(Stdio::piped()).spawn()?;
    let mut lines = ip.stdin.take().context("the standard input of ip")?;
    lines.write_all(NETWORK.as_bytes())?;
    drop(lines);
    ensure!(ip.wait()?.success(), "ip -batch: {NETWORK}");
    Ok(())
}

const NETWORK: &str = "\
link set lo up
link add name nowhere type bridge
link set nowhere up
addr add 10.255.0.1/16 dev nowhere
addr add 2001:db8:ffff::1/64 dev nowhere nodad
route add default dev nowhere
route add ::/0 dev nowhere
";

/// Some packets for some services; the sockets stay open while the table is listed.
pub(crate) fn random(rng: &mut Rng, table: &RandomTable) -> Result<Vec<Socket>> {
    let mut sockets = Vec::new();
    for (service, destinations) in &table.services {
        if destinations.is_empty() || rng.u8(..100) < 30 {
            continue;
        }
        let (mark, to, protocol) = match service.key {
            ServiceKey::Address { protocol, address } => (None, address, protocol),
            ServiceKey::Fwmark { mark, family } => {
                let host: IpAddr = match family {
                    Family::Inet => [192, 0, 2, 200].into(),
                    Family::Inet6 => [0x2001, 0xdb8, 0, 0, 0, 0, 0, 0xc8].into(),
                };
                (Some(mark), SocketAddr::new(host, 80), Protocol::Udp)
            }
        };
        let to = if to.port() == 0 { SocketAddr::new(to.ip(), 81) } else { to };
        match protocol {
            Protocol::Tcp => {
                for _ in 0..rng.usize(1..5) {
                    sockets.push(connect(to)?);
                }
            }
            Protocol::Udp => {
                for _ in 0..rng.usize(1..5) {
                    sockets.push(send(to, mark, rng.usize(1..5), rng.usize(0..1000))?);
                }
            }
            // The kernel may have no SCTP of its own.
            Protocol::Sctp => {}
        }
    }
    Ok(sockets)
}

/// More than 100 million bytes for [`random_table::BULK`](crate::random_table::BULK).
pub(crate) fn bulk() -> Result<Socket> {
    send(BULK, None, 1700, 60_000)
}

/// Sends a SYN, which nobody answers.
fn connect(to: SocketAddr) -> Result<Socket> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    // Whatever becomes of it: it was counted on its way.
    let _ = socket.connect(&to.into());
    Ok(socket)
}

/// Sends datagrams, which nobody takes.
fn send(to: SocketAddr, mark: Option<u32>, count: usize, size: usize) -> Result<Socket> {
    let socket = Socket::new(Domain::for_address(to), Type::DGRAM, None)?;
    if let Some(mark) = mark {
        socket.set_mark(mark)?;
    }
    let datagram = vec![0; size];
    for _ in 0..count {
        // As above.
        let _ = socket.send_to(&datagram, &to.into());
    }
    Ok(socket)
}
