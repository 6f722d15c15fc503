//! `tcp_check`: passes when a connection is made.

use std::net::SocketAddr;

use super::{Deadline, Passed, Stop, socket};
use crate::spec::TcpCheck;

pub(super) async fn run(
    target: SocketAddr,
    check: &TcpCheck,
    deadline: &Deadline,
) -> Result<Passed, Stop> {
    socket::connect(target, &check.connect, deadline).await.map(|_| Passed::default())
}
