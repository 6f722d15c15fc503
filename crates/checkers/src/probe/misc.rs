//! `misc_check`: passes when a program exits with status 0.

use std::net::SocketAddr;

use super::program::{self, Program};
use super::{Deadline, Passed, Stop};
use crate::spec::MiscCheck;

pub(super) async fn run(
    target: SocketAddr,
    check: &MiscCheck,
    deadline: &Deadline,
) -> Result<Passed, Stop> {
    let program = Program {
        command: check.command.clone(),
        user: check.user.clone(),
        environment: vec![
            ("LVSD_SERVER", target.ip().to_string()),
            ("LVSD_PORT", target.port().to_string()),
        ],
    };
    program::run(program, deadline).await.map(|()| Passed::default())
}
