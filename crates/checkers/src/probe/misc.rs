//! `misc_check`: a program's exit status decides.

use std::net::SocketAddr;

use super::program::{self, Ended, Program};
use super::{Deadline, Passed, Stop};
use crate::judge::State;
use crate::outcome::Advice;
use crate::spec::MiscCheck;

pub(super) async fn run(
    target: SocketAddr,
    state: State,
    check: &MiscCheck,
    deadline: &Deadline,
) -> Result<Passed, Stop> {
    let program = Program {
        command: check.command.clone(),
        user: check.user.clone(),
        group: check.group.clone(),
        directory: check.directory.clone(),
        environment: vec![
            ("LVSD_VIRTUAL_SERVER", check.virtual_server.clone()),
            ("LVSD_SERVER", target.ip().to_string()),
            ("LVSD_PORT", target.port().to_string()),
            ("LVSD_WEIGHT", check.weight.to_string()),
            ("LVSD_STATE", state.to_string()),
        ],
    };
    let ended = program::run(program, deadline).await?;
    match weight(&ended) {
        Some(weight) if check.dynamic_weight => {
            Ok(Passed { advice: Some(Advice::Weight(weight)), note: ended.output, warning: None })
        }
        _ => ended.succeeded().map(|note| Passed { note, ..Passed::default() }),
    }
}

/// The weight that an exit status stands for, as keepalived's `misc_dynamic` has it.
fn weight(ended: &Ended) -> Option<u32> {
    let code = ended.status.code().and_then(|code| u32::try_from(code).ok())?;
    code.checked_sub(2)
}
