//! `ping_check`: ICMP echo.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::Instant;

use super::{Deadline, Passed, Stop, random, socket};
use crate::outcome::Cause;
use crate::spec::PingCheck;
use crate::wire::icmp::{self, Echo};

/// Length of the data of a request: what ping(8) sends.
const DATA: usize = 56;
/// The longest reply that is read whole: the data behind two headers, the first of 60 bytes at
/// most.
const LONGEST: usize = 60 + 8 + DATA;

pub(super) async fn run(
    target: SocketAddr,
    check: &PingCheck,
    deadline: &Deadline,
) -> Result<Passed, Stop> {
    let socket = socket::icmp(target, &check.connect)?;
    let host = check.connect.destination(target).ip();
    let mut pings = Pings::new(host, check.count.max(1));
    let all = pings.exchange(&socket, check.spacing);
    match deadline.within("waiting for the echo reply", all).await {
        Ok(done) => done?,
        Err(late) if pings.round_trips().next().is_none() => return Err(late),
        // What is lost by now is lost.
        Err(_) => {}
    }
    let round_trips: Vec<_> = pings.round_trips().collect();
    judge(check, &round_trips)
}

/// The requests of one run.
struct Pings {
    host: IpAddr,
    identifier: u16,
    data: [u8; DATA],
    requests: Vec<Request>,
    count: u16,
}

/// A request that was sent.
struct Request {
    sent: Instant,
    round_trip: Option<Duration>,
}

impl Pings {
    fn new(host: IpAddr, count: u16) -> Self {
        // Another program on this machine may use the same identifier; the data tell us apart.
        let token = random().to_ne_bytes();
        let mut data = [0; DATA];
        for (byte, value) in data.iter_mut().zip(token.iter().cycle()) {
            *byte = *value;
        }
        let identifier = u16::from_ne_bytes([token[0], token[1]]);
        Self { host, identifier, data, requests: Vec::new(), count }
    }

    /// Sends all requests, and waits until each is answered.
    async fn exchange(&mut self, socket: &UdpSocket, spacing: Duration) -> Result<(), Stop> {
        let mut buffer = vec![0; LONGEST];
        let mut next = Instant::now();
        loop {
            let left = self.requests.len() < usize::from(self.count);
            if !left && self.requests.iter().all(|request| request.round_trip.is_some()) {
                return Ok(());
            }
            tokio::select! {
                biased;
                received = socket::receive(socket, &mut buffer) => {
                    let size = received.map_err(|error| socket::receive_stop(&error))?;
                    self.take(&buffer[..size], Instant::now());
                }
                () = tokio::time::sleep_until(next), if left => {
                    self.send(socket).await?;
                    next += spacing;
                }
            }
        }
    }

    async fn send(&mut self, socket: &UdpSocket) -> Result<(), Stop> {
        let sequence = u16::try_from(self.requests.len()).unwrap_or(u16::MAX);
        let echo = Echo { identifier: self.identifier, sequence, data: &self.data };
        self.requests.push(Request { sent: Instant::now(), round_trip: None });
        let sent = socket.send(&echo.request(self.host)).await;
        sent.map(|_| ()).map_err(|error| socket::io_stop("send an echo request", &error))
    }

    /// Notes the reply to one of the requests; anything else is not for us, a second reply to the
    /// same one no news.
    fn take(&mut self, packet: &[u8], now: Instant) {
        let Some(reply) = icmp::reply(self.host, packet) else { return };
        if reply.identifier != self.identifier || reply.data != self.data {
            return;
        }
        if let Some(request) = self.requests.get_mut(usize::from(reply.sequence)) {
            request.round_trip.get_or_insert(now - request.sent);
        }
    }

    fn round_trips(&self) -> impl Iterator<Item = Duration> {
        self.requests.iter().filter_map(|request| request.round_trip)
    }
}

/// Judges the round trips of the requests that were answered, which are at least one.
fn judge(check: &PingCheck, round_trips: &[Duration]) -> Result<Passed, Stop> {
    let sent = usize::from(check.count.max(1));
    let answered = round_trips.len();
    let lost = sent - answered.min(sent);
    if lost * 100 > usize::from(check.max_loss) * sent {
        let text = format!(
            "{lost} of {sent} echo requests unanswered (at most {} % may be)",
            check.max_loss
        );
        return Err(Stop::failed(Cause::Loss, text));
    }
    let sum: Duration = round_trips.iter().sum();
    let mean = sum / u32::try_from(answered).unwrap_or(u32::MAX).max(1);
    if let Some(max) = check.max_latency.filter(|max| mean > *max) {
        let text = format!("round trip of {mean:.2?} (at most {max:?})");
        return Err(Stop::failed(Cause::Slow, text));
    }
    let note = format!("{answered} of {sent} echo requests answered in {mean:.2?}");
    Ok(Passed { note: Some(note), ..Passed::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(count: u16, max_loss: u8) -> PingCheck {
        let max_latency = Some(Duration::from_millis(20));
        PingCheck { count, max_loss, max_latency, ..PingCheck::default() }
    }

    fn failure(check: &PingCheck, round_trips: &[u64]) -> (Cause, String) {
        match run(check, round_trips) {
            Err(Stop::Failed(failure)) => (failure.cause, failure.text),
            result => panic!("{result:?}"),
        }
    }

    fn run(check: &PingCheck, round_trips: &[u64]) -> Result<Passed, Stop> {
        let round_trips: Vec<_> = round_trips.iter().copied().map(Duration::from_millis).collect();
        judge(check, &round_trips)
    }

    #[test]
    fn so_many_may_get_lost() {
        let note = run(&check(4, 50), &[10, 20]).unwrap().note;
        assert_eq!(note.unwrap(), "2 of 4 echo requests answered in 15.00ms");
        let (cause, text) = failure(&check(4, 50), &[10]);
        assert_eq!(cause, Cause::Loss);
        assert_eq!(text, "3 of 4 echo requests unanswered (at most 50 % may be)");
        assert_eq!(failure(&check(2, 0), &[10]).0, Cause::Loss);
    }

    #[test]
    fn the_mean_round_trip_counts() {
        assert!(run(&check(2, 0), &[0, 40]).is_ok());
        let (cause, text) = failure(&check(2, 0), &[2, 40]);
        assert_eq!((cause, &*text), (Cause::Slow, "round trip of 21.00ms (at most 20ms)"));
    }
}
