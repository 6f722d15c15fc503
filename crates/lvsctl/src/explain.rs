//! `lvsctl explain`: all about single real servers.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use api::{
    CheckExplanation, CheckResult, CheckState, Explanation, ServerExplanation, WeightCause,
    WeightStepStatus,
};

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
    let state = match check.state {
        CheckState::Up => "up",
        CheckState::Down => "DOWN",
        CheckState::Unknown => "not known yet",
    };
    let mut text = format!(
        "\n  {}{via}: {state} for {}, {next}\n    why: {}\n",
        check.kind,
        ago(&check.since),
        check.why
    );
    if let Some(last) = check.results.last() {
        if cause(last) == LOCAL {
            text.push_str("    TROUBLE: it cannot run, so the verdict may be old news\n");
        }
        if let Some(warning) = &last.warning {
            text.push_str(&format!("    WARNING: {warning}\n"));
        }
    }
    let rows: Vec<Vec<String>> = check
        .results
        .iter()
        .rev()
        .map(|result| {
            let latency = Duration::from_micros(result.latency_microseconds);
            vec![
                format!("{} ago", ago(&result.started)),
                result.started.at.clone(),
                format!("{:.1} ms", latency.as_secs_f64() * 1000.0),
                cause(result).to_owned(),
                words(result),
            ]
        })
        .collect();
    text.push_str(&columns(4, &rows));
    text
}

/// The cause of a check that could not run.
const LOCAL: &str = "local";

/// In one word. An older lvsd says only whether it passed.
fn cause(result: &CheckResult) -> &str {
    match result.cause.as_str() {
        "" if result.passed => "passed",
        "" => "failed",
        cause => cause,
    }
}

/// What more there is to say than that it passed. Lines of a program's output become one.
fn words(result: &CheckResult) -> String {
    let result_words = (!result.passed).then_some(result.result.as_str());
    let all = [result_words, result.warning.as_deref(), result.note.as_deref()];
    let lines: Vec<&str> = all.into_iter().flatten().flat_map(str::lines).collect();
    lines.join(" | ")
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

    fn since(seconds_ago: u64) -> api::Since {
        api::Since { seconds_ago, at: "2026-11-21T03:00:00Z".to_owned() }
    }

    fn result(cause: &str, text: &str) -> CheckResult {
        CheckResult {
            started: since(4),
            latency_microseconds: 1_250,
            result: text.to_owned(),
            cause: cause.to_owned(),
            passed: cause == "passed",
            note: None,
            warning: None,
        }
    }

    #[test]
    fn each_run_is_shown_with_its_cause_the_last_one_first() {
        let warned = CheckResult {
            warning: Some("TLS: the certificate expires in 3 days".to_owned()),
            note: Some("one\ntwo".to_owned()),
            ..result("passed", "passed")
        };
        let explained = CheckExplanation {
            kind: "http_get".to_owned(),
            via: None,
            state: CheckState::Up,
            since: since(3 * 3600 + 5 * 60),
            why: "http_get: passed".to_owned(),
            next_run_milliseconds: Some(1200),
            results: vec![result("timed_out", "timed out after 1s while connecting"), warned],
        };
        let text = check(&explained);
        println!("{text}");
        assert_eq!(
            text,
            "\n  http_get: up for 3h 5m, next run in 1.2 s\n    why: http_get: passed\n\
             \x20   WARNING: TLS: the certificate expires in 3 days\n\
             \x20   4s ago  2026-11-21T03:00:00Z  1.2 ms  passed     TLS: the certificate expires \
             in 3 days | one | two\n\
             \x20   4s ago  2026-11-21T03:00:00Z  1.2 ms  timed_out  timed out after 1s while \
             connecting\n"
        );
        let local = CheckExplanation {
            results: vec![result("local", "cannot check: no port")],
            ..explained
        };
        assert!(check(&local).contains("TROUBLE: it cannot run"), "{}", check(&local));
    }
}
