//! `udp_check`: a datagram, and what comes back.

use std::net::SocketAddr;

use super::{Deadline, Passed, Stop, socket};
use crate::spec::{UdpCheck, UdpReply};
use crate::wire;

pub(super) async fn run(
    target: SocketAddr,
    check: &UdpCheck,
    deadline: &Deadline,
) -> Result<Passed, Stop> {
    let socket = socket::datagram(target, &check.connect)?;
    socket.send(&check.send).await.map_err(|error| socket::way_stop("send a datagram", &error))?;
    let mut buffer = vec![0; UdpReply::LOOKED_AT];
    match deadline.within("waiting for an answer", socket::receive(&socket, &mut buffer)).await {
        Ok(Ok(size)) => wire::udp::judge(&check.reply, &buffer[..size])
            .map(|()| Passed::default())
            .map_err(Stop::Failed),
        Ok(Err(error)) => Err(socket::receive_stop(&error)),
        // Nobody refused.
        Err(_) if check.reply == UdpReply::Optional => Ok(Passed::default()),
        Err(late) => Err(late),
    }
}
