//! A client that pings a virtual address each millisecond, and counts for how long nobody answers.

use std::io::{self, ErrorKind, Read};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use socket2::{Domain, Protocol, Socket, Type};

use crate::host::Host;

/// From one ping to the next.
const STEP: Duration = Duration::from_millis(1);
/// So long a late answer is waited for at the end.
const LAST_ANSWER: Duration = Duration::from_millis(300);

/// One ping: when it was sent, and whether it was answered.
#[derive(Debug, Clone, Copy)]
struct Ping {
    sent: Instant,
    answered: bool,
}

/// A running client. Stopped when dropped.
#[derive(Debug)]
pub struct Pings {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<Result<()>>>,
}

#[derive(Debug, Default)]
struct Shared {
    pings: Mutex<Vec<Ping>>,
    stop: AtomicBool,
}

impl Pings {
    /// Starts pinging `address` from `client`.
    ///
    /// # Errors
    /// When the socket cannot be opened.
    pub fn start(client: &Host, address: IpAddr) -> Result<Self> {
        let socket = Arc::new(open(client, address)?);
        let shared = Arc::new(Shared::default());
        let sender = {
            let (socket, shared) = (Arc::clone(&socket), Arc::clone(&shared));
            thread::spawn(move || send(&socket, address.is_ipv4(), &shared))
        };
        let receiver = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || receive(&socket, &shared))
        };
        Ok(Self { shared, threads: vec![sender, receiver] })
    }

    /// Whether one ping is answered within `patience`.
    ///
    /// # Errors
    /// When the socket cannot be opened, or the ping not be sent.
    pub fn one(client: &Host, address: IpAddr, patience: Duration) -> Result<bool> {
        let socket = open(client, address)?;
        socket.set_read_timeout(Some(patience))?;
        socket.send(&packet(address.is_ipv4(), 0)).context("sending a ping")?;
        match (&socket).read(&mut [0; 64]) {
            Ok(_) => Ok(true),
            Err(error) if is_silence(&error) => Ok(false),
            Err(error) => Err(error).context("receiving an answer"),
        }
    }

    /// Stops, and tells the longest time without an answer: from the last ping that was answered
    /// before it to the first one after it, less the one step that is always between two pings.
    ///
    /// # Errors
    /// When the client broke down, or nothing at all was answered.
    pub fn stop(mut self) -> Result<Duration> {
        thread::sleep(LAST_ANSWER);
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            match thread.join() {
                Ok(result) => result?,
                Err(_) => bail!("a thread of the client panicked"),
            }
        }
        let pings = self.shared.pings.lock().unwrap_or_else(PoisonError::into_inner);
        longest_outage(&pings).context("no ping was answered")
    }
}

impl Drop for Pings {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

/// `None` when nothing was answered.
fn longest_outage(pings: &[Ping]) -> Option<Duration> {
    let answered: Vec<_> = pings.iter().filter(|ping| ping.answered).collect();
    let gaps = answered.windows(2).map(|two| (two[1].sent - two[0].sent).saturating_sub(STEP));
    answered.first().map(|_| gaps.max().unwrap_or_default())
}

fn open(client: &Host, target: IpAddr) -> Result<Socket> {
    client.set_sysctl("net/ipv4/ping_group_range", "0 2147483647")?;
    let (domain, protocol) = match target {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
    };
    let open = || -> io::Result<Socket> {
        let socket = Socket::new(domain, Type::DGRAM, Some(protocol))?;
        socket.set_read_timeout(Some(Duration::from_millis(50)))?;
        socket.connect(&SocketAddr::new(target, 0).into())?;
        Ok(socket)
    };
    client.namespace().enter(|| open().context("opening a ping socket"))
}

/// An echo request: type, code, checksum (the kernel's), identifier (the kernel's), sequence
/// number, and a number as payload.
fn packet(ipv4: bool, number: u32) -> [u8; 12] {
    let request = if ipv4 { 8 } else { 128 };
    let mut packet = [request, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    packet[8..].copy_from_slice(&number.to_be_bytes());
    packet
}

/// Nothing has come, or somebody says that the address is nowhere.
fn is_silence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock
            | ErrorKind::TimedOut
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::ConnectionRefused
    )
}

fn send(socket: &Socket, ipv4: bool, shared: &Shared) -> Result<()> {
    let mut next = Instant::now();
    while !shared.stop.load(Ordering::Relaxed) {
        let number = {
            let mut pings = shared.pings.lock().unwrap_or_else(PoisonError::into_inner);
            pings.push(Ping { sent: Instant::now(), answered: false });
            u32::try_from(pings.len() - 1).context("too many pings")?
        };
        // No route, a full queue, an ICMP error for an earlier one: this ping is lost.
        let _ = socket.send(&packet(ipv4, number));
        next += STEP;
        let now = Instant::now();
        if next > now {
            thread::sleep(next - now);
        } else {
            next = now;
        }
    }
    Ok(())
}

fn receive(socket: &Socket, shared: &Shared) -> Result<()> {
    let mut socket = socket;
    let mut buffer = [0; 64];
    while !shared.stop.load(Ordering::Relaxed) {
        match socket.read(&mut buffer) {
            Ok(size) => answered(&buffer[..size], shared),
            Err(error) if is_silence(&error) => {}
            Err(error) => return Err(error).context("receiving an answer"),
        }
    }
    Ok(())
}

/// Notes an answer: an ICMP header and the number of the ping.
fn answered(packet: &[u8], shared: &Shared) {
    let number = packet.get(8..12).and_then(|bytes| bytes.try_into().ok());
    let Some(number) = number.map(u32::from_be_bytes) else { return };
    let mut pings = shared.pings.lock().unwrap_or_else(PoisonError::into_inner);
    let ping = usize::try_from(number).ok().and_then(|index| pings.get_mut(index));
    if let Some(ping) = ping {
        ping.answered = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_lies_between_two_answers() {
        let start = Instant::now();
        let pings = |answers: &[bool]| -> Vec<Ping> {
            let sent = (0..).map(|step| start + STEP * step);
            let both = answers.iter().zip(sent);
            both.map(|(&answered, sent)| Ping { sent, answered }).collect()
        };
        let outage = |answers: &[bool]| longest_outage(&pings(answers));
        assert_eq!(outage(&[false, false]), None);
        assert_eq!(outage(&[true, true, true]), Some(Duration::ZERO));
        assert_eq!(outage(&[true, false, false, true, false, true]), Some(2 * STEP));
    }
}
