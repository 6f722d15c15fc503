//! `lvsctl explain`: all about single real servers.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use api::{CheckExplanation, Explanation, ServerExplanation, WeightCause, WeightStepStatus};

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
    if let Some(hint) = &server.hint {
        text.push_str(&format!("  hint: {hint}\n"));
    }
    text.push_str(&format!("  {}\n", weight(server)));
    text.push_str(&match status.kernel_weight {
        Some(weight) => format!(
            "  in the kernel: weight {weight}, {} active and {} inactive connections\n",
            status.active_connections, status.inactive_connections
        ),
        None => "  not in the kernel's table\n".to_owned(),
    });
    if server.checks.is_empty() {
        text.push_str("  no checks\n");
    }
    for one in &server.checks {
        text.push_str(&check(one));
    }
    text
}

/// `weight 1 = configured 3 x slow start 40 % (12 s of 30 s)`.
fn weight(server: &ServerExplanation) -> String {
    let steps: Vec<String> = server.weight_steps.iter().map(weight_step).collect();
    let steps = steps.concat();
    if server.status.in_service || server.status.kernel_weight.is_some() {
        format!("weight {} = {steps}", server.status.wanted_weight)
    } else {
        format!("no weight; in the table it would have {} = {steps}", server.status.wanted_weight)
    }
}

fn weight_step(step: &WeightStepStatus) -> String {
    let weight = step.weight;
    match &step.cause {
        WeightCause::Configured => format!("configured {weight}"),
        WeightCause::Check { check, asks } => format!(", {check} asks for {asks}: {weight}"),
        WeightCause::Adopted => format!(", in the table already with {weight}"),
        WeightCause::Operator => format!(", the operator asks for {weight}"),
        WeightCause::SlowStart { percent, elapsed_seconds, total_seconds } => {
            format!(" x slow start {percent} % ({elapsed_seconds} s of {total_seconds} s)")
        }
        WeightCause::Inhibited => ", 0 for no new connections".to_owned(),
    }
}

fn check(check: &CheckExplanation) -> String {
    let next = match check.next_run_milliseconds {
        Some(time) => format!("next run in {:.1} s", Duration::from_millis(time).as_secs_f64()),
        None => "running now".to_owned(),
    };
    let via = check.via.map_or_else(String::new, |address| format!(", via {address}"));
    let mut text = format!("  {}{via}; {next}\n", check.why);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn step(weight: u32, cause: WeightCause) -> WeightStepStatus {
        WeightStepStatus { weight, cause }
    }

    #[test]
    fn the_weight_is_shown_as_arithmetic() {
        let slow = WeightCause::SlowStart { percent: 40, elapsed_seconds: 12, total_seconds: 30 };
        let asks = "50 % of the weight".to_owned();
        let check = WeightCause::Check { check: "agent_check".to_owned(), asks };
        let words =
            |steps: &[WeightStepStatus]| steps.iter().map(weight_step).collect::<Vec<_>>().concat();
        assert_eq!(
            words(&[step(3, WeightCause::Configured), step(1, slow.clone())]),
            "configured 3 x slow start 40 % (12 s of 30 s)"
        );
        assert_eq!(
            words(&[
                step(4, WeightCause::Configured),
                step(2, check),
                step(10, WeightCause::Operator),
                step(4, slow),
                step(0, WeightCause::Inhibited),
            ]),
            "configured 4, agent_check asks for 50 % of the weight: 2, the operator asks for 10 \
             x slow start 40 % (12 s of 30 s), 0 for no new connections"
        );
    }
}
