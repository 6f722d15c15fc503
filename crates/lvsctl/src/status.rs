//! `lvsctl status`: the director's view.

mod vrrp;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use api::{
    AppliedBy, CheckState, DaemonStatus, DefinitionsStatus, RealServerStatus, ReloadStatus,
    RollbackStatus, Since, Status, UnmanagedService, VirtualServerStatus,
};

use crate::apply::moment;
use crate::columns::columns;

pub(crate) fn run(socket: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let client = api::Client::connect(socket)?;
    let status = crate::ask(client.status())??;
    crate::answer(json, &status, text)?;
    Ok(ExitCode::SUCCESS)
}

/// The two largest units: `3h 12m`, `45s`.
pub(crate) fn ago(since: &Since) -> String {
    let text = humantime::format_duration(Duration::from_secs(since.seconds_ago)).to_string();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

fn text(status: &Status) -> String {
    let daemon = &status.daemon;
    let mut text = format!(
        "{}: lvsd {}, up {}, {}\n",
        status.router_id,
        daemon.version,
        ago(&daemon.started),
        daemon.config_file
    );
    // What was applied after a reload has made it old news.
    let newer =
        |reload: &&ReloadStatus| reload.when.seconds_ago <= daemon.definitions.when.seconds_ago;
    if let Some(reload) = daemon.last_reload.as_ref().filter(newer) {
        match &reload.error {
            None => text.push_str(&format!("reloaded {} ago\n", ago(&reload.when))),
            Some(error) => text.push_str(&format!(
                "reload refused {} ago; the definitions before it are in force:\n{}\n",
                ago(&reload.when),
                indented(error)
            )),
        }
    }
    text.push_str(&definitions(daemon));
    if let Some(error) = &status.ipvs_error {
        text.push_str(&format!("the kernel's table cannot be read: {error}\n"));
    }
    if !status.failing.is_empty() {
        text.push_str("\nThe kernel refused these operations; they are tried again:\n");
        for failing in &status.failing {
            text.push_str(&format!("  {}\n", failing.error));
        }
    }
    let checks = &status.checks;
    if checks.waiting > 0 {
        text.push_str(&format!(
            "{} of {} checks are due and wait for others to end; {} run, and 1 of 100 started more \
             than {} ms late\n",
            checks.waiting,
            checks.count,
            checks.running,
            checks.late_p99_microseconds / 1000
        ));
    }
    if !status.vrrp_instances.is_empty() {
        text.push_str("\nVRRP\n");
        text.push_str(&vrrp::text(&status.vrrp_instances, &status.vrrp_groups));
    }
    for server in &status.virtual_servers {
        text.push('\n');
        text.push_str(&virtual_server(server));
    }
    if !status.unmanaged.is_empty() {
        text.push_str("\nUnmanaged: in the kernel, in no file, left alone\n");
        text.push_str(&unmanaged(&status.unmanaged));
    }
    text
}

/// Where the definitions in force come from, unless it is what everybody expects.
fn definitions(daemon: &DaemonStatus) -> String {
    let DefinitionsStatus { file, by, when, trial } = &daemon.definitions;
    let mut text = String::new();
    if let AppliedBy::User(user) = by {
        text.push_str(&match trial {
            Some(trial) => format!(
                "ON TRIAL until {}, `lvsctl confirm` keeps it: {file}, applied by {user}\n",
                moment(trial)
            ),
            None => format!("in force: {file}, applied {} ago by {user}\n", ago(when)),
        });
    }
    if let Some(RollbackStatus { file, when, why, own_file }) = &daemon.rolled_back {
        text.push_str(&format!(
            "ROLLED BACK {} ago, {why}: {file}; the definitions before it are in force\n",
            ago(when)
        ));
        if *own_file {
            text.push_str("  The file has not changed: mend it before the next reload or start.\n");
        }
    }
    text
}

fn indented(lines: &str) -> String {
    lines.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

fn virtual_server(server: &VirtualServerStatus) -> String {
    let real = server.real_servers.iter().filter(|s| !s.sorry);
    // What the kernel has not taken serves nobody, whatever its checks say.
    let up = real.clone().filter(|s| s.in_service && s.kernel_weight.is_some()).count();
    let mut text = format!(
        "{}  {}  {}  {up} of {} in service{}\n",
        server.name,
        server.service,
        server.scheduler,
        real.count(),
        if server.in_kernel { "" } else { "  NOT IN THE KERNEL" },
    );
    if server.quorum_reached == Some(false) {
        text.push_str(&format!(
            "  QUORUM LOST: live weight {} of {}\n",
            server.live_weight, server.quorum
        ));
    }
    if let Some(reason) = &server.panic {
        text.push_str(&format!("  PANIC: {reason}\n"));
    }
    let mut rows = vec![row(["SERVER", "STATE", "WEIGHT", "ACTIVE", "INACTIVE", "SINCE", "WHY"])];
    rows.extend(server.real_servers.iter().map(real_server));
    text.push_str(&columns(2, &rows));
    text
}

/// One word for a real server's state; capitals where somebody should look.
pub(crate) fn state_word(server: &RealServerStatus) -> &'static str {
    match (server.state, server.in_service) {
        _ if server.sorry => "sorry",
        (CheckState::Up, _) => "up",
        (CheckState::Down, _) => "DOWN",
        (CheckState::Unknown, true) => "adopted",
        (CheckState::Unknown, false) => "waiting",
    }
}

fn real_server(server: &RealServerStatus) -> Vec<String> {
    let state = state_word(server);
    let (weight, active, inactive) = match server.kernel_weight {
        Some(weight) => (
            weight.to_string(),
            server.active_connections.to_string(),
            server.inactive_connections.to_string(),
        ),
        None => ("-".to_owned(), "-".to_owned(), "-".to_owned()),
    };
    vec![
        server.address.clone(),
        state.to_owned(),
        weight,
        active,
        inactive,
        server.since.as_ref().map_or_else(|| "-".to_owned(), ago),
        server.why.clone(),
    ]
}

fn unmanaged(services: &[UnmanagedService]) -> String {
    let mut rows = Vec::new();
    for service in services {
        rows.push(vec![service.service.clone(), service.scheduler.clone()]);
        for d in &service.destinations {
            rows.push(vec![
                format!("-> {}", d.address),
                format!("{} weight {}", d.forward, d.weight),
            ]);
        }
    }
    columns(2, &rows)
}
