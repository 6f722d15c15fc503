//! `lvsctl plan`: what applying a file would change in the kernel now.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use api::{Plan, PlannedAction};
use config::Config;
use engine::{Engine, Snapshot};

use crate::columns::columns;
use crate::definitions;

/// Exit status when something would change.
const CHANGES: u8 = 2;

pub(crate) fn run(socket: Option<&Path>, file: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let Some((config, definitions)) = definitions::read(file)? else {
        return Ok(ExitCode::FAILURE);
    };
    let socket = socket.unwrap_or(&config.global.control_socket);
    let plan = match api::Client::connect(socket) {
        Ok(client) => crate::ask(client.plan(&definitions))??,
        Err(api::Error::NotRunning { .. }) => {
            eprintln!(
                "no lvsd runs on {}: this is what one would do that starts now; real servers that \
                 are not in the table count as not checked yet",
                socket.display()
            );
            plan_of_a_start(config)?
        }
        Err(error) => return Err(error.into()),
    };
    crate::answer(json, &plan, text)?;
    Ok(if plan.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(CHANGES) })
}

fn plan_of_a_start(config: Config) -> anyhow::Result<Plan> {
    let mut client = ipvs::Client::open()?;
    let kernel = Snapshot {
        table: client.table()?,
        timeouts: Some(client.timeouts()?),
        daemons: Some(client.daemons()?),
    };
    let Config { virtual_servers, ipvs: settings, .. } = config;
    let preview = Engine::preview_start(virtual_servers, settings, &kernel, Instant::now());
    Ok(Plan::from(&preview))
}

/// A plan, for people.
pub(crate) fn text(plan: &Plan) -> String {
    let mut text = String::new();
    if plan.is_empty() {
        text.push_str("nothing would change\n");
    }
    let mut rows: Vec<Vec<String>> = plan
        .operations
        .iter()
        .map(|operation| {
            let mut why = operation.reason.clone();
            if operation.connections > 0 {
                why.push_str(&format!(" ({} connections)", operation.connections));
            }
            let object = format!("{} {}", sign(operation.action), operation.object);
            vec![object, operation.settings.clone(), why]
        })
        .collect();
    rows.extend(plan.vrrp_instances.iter().map(|instance| {
        let object = format!("{} vrrp_instance {}", sign(instance.action), instance.name);
        vec![object, String::new(), instance.words.clone()]
    }));
    text.push_str(&columns(0, &rows));
    if !plan.out.is_empty() {
        let out: Vec<Vec<String>> =
            plan.out.iter().map(|out| vec![out.object.clone(), out.why.clone()]).collect();
        text.push_str("\nout of the table:\n");
        text.push_str(&columns(2, &out));
    }
    text
}

fn sign(action: PlannedAction) -> char {
    match action {
        PlannedAction::Add => '+',
        PlannedAction::Change => '~',
        PlannedAction::Remove => '-',
        PlannedAction::Set => '!',
    }
}
