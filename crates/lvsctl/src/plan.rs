//! `lvsctl plan`: what applying a file would change in the kernel now.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, anyhow};
use api::{PlannedAction, PlannedWish};
use config::Config;
use engine::{Engine, Health, Knowledge, Placement, Snapshot, Step, Wanted, Wish};
use ipvs::{Destination, DestinationKey, Operation, Service, Weight};

use crate::columns::columns;

/// Exit status when something would change.
const CHANGES: u8 = 2;

pub(crate) fn run(socket: &Path, file: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let config = config::load(file).map_err(|errors| anyhow!("{errors}"))?;
    let mut client = ipvs::Client::open()?;
    let kernel = Snapshot {
        table: client.table()?,
        timeouts: Some(client.timeouts()?),
        daemons: Some(client.daemons()?),
    };
    let knowledge = knowledge(socket)?;
    let Config { virtual_servers, ipvs: settings, .. } = &config;
    let (wanted, steps) = Engine::preview(virtual_servers, settings, &knowledge, &kernel);
    crate::answer(json, &document(&steps, &wanted), |_| text(&steps, &wanted))?;
    Ok(if steps.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(CHANGES) })
}

/// What the running lvsd knows; nothing where none runs.
fn knowledge(socket: &Path) -> anyhow::Result<Knowledge> {
    let client = match api::Client::connect(socket) {
        Ok(client) => client,
        Err(api::Error::NotRunning { .. }) => {
            eprintln!(
                "no lvsd runs: real servers that are not in the table count as not checked yet"
            );
            return Ok(Knowledge::default());
        }
        Err(error) => return Err(error.into()),
    };
    let planning = crate::ask(client.planning())??;
    let since = Instant::now();
    let health = planning.health.into_iter().map(|check| {
        let health =
            Health { state: check.state.into(), since, why: check.why, advice: check.advice };
        (check.monitor, health)
    });
    let owned = planning.owned.iter().map(|key| Ok(key.parse()?));
    let knowledge = Knowledge {
        health: health.collect(),
        owned: owned.collect::<anyhow::Result<_>>().context("lvsd's answer")?,
        masters: planning.masters.into_iter().collect(),
        wishes: planning
            .wishes
            .into_iter()
            .map(wish)
            .collect::<anyhow::Result<_>>()
            .context("lvsd's answer")?,
    };
    Ok(knowledge)
}

fn wish(planned: PlannedWish) -> anyhow::Result<((String, DestinationKey), Wish)> {
    let key = DestinationKey::new(planned.address.parse()?);
    let wish = match planned.action {
        PlannedAction::Out => Wish::Out(planned.why),
        PlannedAction::Drain => Wish::Drain(planned.why),
        PlannedAction::Weight(weight) => {
            Wish::Weight(Weight::new(weight).context("a weight that is too large")?, planned.why)
        }
    };
    Ok(((planned.virtual_server, key), wish))
}

/// One operation, for people.
struct Line {
    sign: char,
    object: String,
    settings: String,
}

fn line(operation: &Operation) -> Line {
    let (sign, object, settings) = match operation {
        Operation::NewService(s) => ('+', s.key.to_string(), service_settings(s)),
        Operation::SetService(s) => ('~', s.key.to_string(), service_settings(s)),
        Operation::DelService(key) => ('-', key.to_string(), String::new()),
        Operation::NewDestination(key, d) => {
            ('+', format!("{key} -> {}", d.key), destination_settings(d))
        }
        Operation::SetDestination(key, d) => {
            ('~', format!("{key} -> {}", d.key), destination_settings(d))
        }
        Operation::DelDestination(key, d) => ('-', format!("{key} -> {d}"), String::new()),
        other => ('!', other.to_string(), String::new()),
    };
    Line { sign, object, settings }
}

fn service_settings(service: &Service) -> String {
    service.scheduler.to_string()
}

fn destination_settings(destination: &Destination) -> String {
    format!("{} weight {}", destination.forward, destination.weight)
}

/// Real servers that would stay out, with the reason.
fn left_out(wanted: &Wanted) -> impl Iterator<Item = (String, &str)> {
    wanted.services.iter().flat_map(|(key, service)| {
        service
            .servers
            .iter()
            .filter(|(_, server)| server.verdict.placement == Placement::Out)
            .map(move |(server_key, s)| (format!("{key} -> {server_key}"), s.verdict.why.as_str()))
    })
}

fn text(steps: &[Step], wanted: &Wanted) -> String {
    let mut text = String::new();
    if steps.is_empty() {
        text.push_str("nothing would change\n");
    }
    let rows: Vec<Vec<String>> = steps
        .iter()
        .map(|step| {
            let line = line(&step.operation);
            let mut why = step.reason.to_string();
            if step.connections > 0 {
                why.push_str(&format!(" ({} connections)", step.connections));
            }
            vec![format!("{} {}", line.sign, line.object), line.settings, why]
        })
        .collect();
    text.push_str(&columns(0, &rows));
    let out: Vec<Vec<String>> =
        left_out(wanted).map(|(object, why)| vec![object, why.to_owned()]).collect();
    if !out.is_empty() {
        text.push_str("\nout of the table:\n");
        text.push_str(&columns(2, &out));
    }
    text
}

fn document(steps: &[Step], wanted: &Wanted) -> serde_json::Value {
    let operations = steps.iter().map(|step| {
        let line = line(&step.operation);
        let action = match line.sign {
            '+' => "add",
            '~' => "change",
            '-' => "remove",
            _ => "set",
        };
        serde_json::json!({
            "operation": step.operation.to_string(),
            "action": action,
            "object": line.object,
            "settings": line.settings,
            "reason": step.reason.to_string(),
            "connections": step.connections,
        })
    });
    let out =
        left_out(wanted).map(|(object, why)| serde_json::json!({ "object": object, "why": why }));
    serde_json::json!({
        "operations": operations.collect::<Vec<_>>(),
        "out": out.collect::<Vec<_>>(),
    })
}
