//! `misc_check`: a program's exit status decides.

use super::program::{self, Ended, Program};
use super::{Context, Deadline, Passed, Stop};
use crate::judge::State;
use crate::outcome::Advice;
use crate::spec::{MiscCheck, Monitor};

pub(super) async fn run(
    monitor: &Monitor,
    state: State,
    check: &MiscCheck,
    deadline: &Deadline,
    context: &Context,
) -> Result<Passed, Stop> {
    let program = Program {
        command: check.command.clone(),
        user: check.user.clone(),
        group: check.group.clone(),
        directory: check.directory.clone(),
        environment: vec![
            ("LVSD_VIRTUAL_SERVER", check.virtual_server.clone()),
            ("LVSD_SERVER", monitor.target.ip().to_string()),
            ("LVSD_PORT", monitor.target.port().to_string()),
            ("LVSD_WEIGHT", check.weight.to_string()),
            ("LVSD_STATE", state.to_string()),
        ],
    };
    let ended = program::run(program, deadline, &context.threads, monitor).await?;
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
