//! `lvsctl drain`, `disable`, `enable`, `weight`: the operator's wishes.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use api::{OverrideAction, OverrideRequest};

/// The server that is meant, and why.
#[derive(Debug, clap::Args)]
pub(crate) struct Target {
    /// Address of the real server, with its port if only that one is meant
    #[arg(value_name = "SERVER")]
    server: String,

    /// Only in this virtual server
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
}

/// Why, and for how long.
#[derive(Debug, clap::Args)]
pub(crate) struct Terms {
    /// Why; shown wherever the server is shown
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,

    /// Take it back by itself after this time, such as 90s, 10m or 2h
    #[arg(long = "for", value_name = "DURATION", value_parser = humantime::parse_duration)]
    duration: Option<Duration>,
}

/// Sends a wish and says what it concerns.
pub(crate) fn run(
    socket: &Path,
    target: Target,
    terms: Option<Terms>,
    action: OverrideAction,
) -> anyhow::Result<ExitCode> {
    let (reason, duration) = terms.map_or((None, None), |terms| (terms.reason, terms.duration));
    let request = OverrideRequest {
        server: target.server,
        virtual_server: target.service,
        action,
        reason,
        for_seconds: duration.map(|duration| duration.as_secs().max(1)),
    };
    let client = api::Client::connect(socket)?;
    let answer = crate::ask(client.override_server(&request))??;
    let done = match action {
        OverrideAction::Enable => "enabled".to_owned(),
        OverrideAction::Disable => "disabled".to_owned(),
        OverrideAction::Drain { .. } => "draining".to_owned(),
        OverrideAction::Weight(weight) => format!("weight {weight}"),
    };
    let lines: Vec<String> =
        answer.servers.iter().map(|server| format!("{server}: {done}\n")).collect();
    crate::print(&lines.concat())?;
    for note in &answer.notes {
        crate::print(&format!("note: {note}\n"))?;
    }
    anyhow::ensure!(answer.held.is_empty(), "not enabled:\n  {}", answer.held.join("\n  "));
    Ok(ExitCode::SUCCESS)
}
