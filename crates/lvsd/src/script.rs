//! Scripts that lvsd runs beside the checks.

use std::time::Duration;

use checkers::ProbeResult;
use checkers::probe::{Program, run_program};
use config::Script;

/// Runs a script with further arguments to its end, or kills it after `timeout`.
pub(crate) async fn run(
    script: Script,
    arguments: impl IntoIterator<Item = String>,
    environment: Vec<(&'static str, String)>,
    timeout: Duration,
) -> ProbeResult {
    let mut command = script.command;
    command.extend(arguments);
    let program = Program { command, user: script.user, group: None, directory: None, environment };
    run_program(program, timeout).await
}

/// The same for one whose end is only worth a log line.
pub(crate) async fn run_and_log(
    script: Script,
    arguments: Vec<String>,
    environment: Vec<(&'static str, String)>,
    timeout: Duration,
) {
    let name = script.command.iter().chain(&arguments).cloned().collect::<Vec<_>>().join(" ");
    match run(script, arguments, environment, timeout).await {
        ProbeResult::Passed => tracing::info!("script {name}: done"),
        failed => tracing::warn!("script {name}: {failed}"),
    }
}
