//! `lvsctl explain`: all about single real servers.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use api::{CheckExplanation, Explanation, ServerExplanation};

use crate::columns::columns;
use crate::status::{ago, state_word};

pub(crate) fn run(socket: &Path, name: &str, json: bool) -> anyhow::Result<ExitCode> {
    let client = api::Client::connect(socket)?;
    let explanation = crate::ask(client.explain(name))??;
    crate::answer(json, &explanation, text)?;
    Ok(ExitCode::SUCCESS)
}

fn text(explanation: &Explanation) -> String {
    let parts: Vec<String> = explanation.servers.iter().map(server).collect();
    parts.join("\n")
}

fn server(server: &ServerExplanation) -> String {
    let status = &server.status;
    let mut text = format!(
        "{} in {} ({}): {}, {}{}\n  why: {}\n",
        status.address,
        server.virtual_server,
        server.service,
        state_word(status),
        if status.in_service { "in service" } else { "out of service" },
        status.since.as_ref().map_or_else(String::new, |since| format!(" for {}", ago(since))),
        status.why,
    );
    let kernel = match status.kernel_weight {
        Some(weight) => format!(
            "{weight} in the kernel, {} active and {} inactive connections",
            status.active_connections, status.inactive_connections
        ),
        None => "not in the kernel's table".to_owned(),
    };
    let wanted = if status.in_service {
        format!("{} wanted now", status.wanted_weight)
    } else {
        "none wanted now".to_owned()
    };
    text.push_str(&format!(
        "  weight: {} by definition, {wanted}, {kernel}\n",
        server.configured_weight
    ));
    if server.checks.is_empty() {
        text.push_str("  no checks\n");
    }
    for one in &server.checks {
        text.push_str(&check(one));
    }
    text
}

fn check(check: &CheckExplanation) -> String {
    let next = match check.next_run_milliseconds {
        Some(time) => format!("next run in {:.1} s", Duration::from_millis(time).as_secs_f64()),
        None => "running now".to_owned(),
    };
    let mut text = format!("  {}; {next}\n", check.why);
    let rows: Vec<Vec<String>> = check
        .results
        .iter()
        .rev()
        .map(|result| {
            let latency = Duration::from_micros(result.latency_microseconds);
            vec![
                result.started.at.clone(),
                format!("{:.1} ms", latency.as_secs_f64() * 1000.0),
                match &result.note {
                    Some(note) => format!("{}: {note}", result.result),
                    None => result.result.clone(),
                },
            ]
        })
        .collect();
    text.push_str(&columns(4, &rows));
    text
}
