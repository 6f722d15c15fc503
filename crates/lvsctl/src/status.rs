//! `lvsctl status`: the director's view.

mod vrrp;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use api::{
    AppliedBy, CheckState, CheckTrouble, ChecksStatus, DaemonStatus, DefinitionsStatus,
    RealServerStatus, ReloadStatus, RollbackStatus, Since, Status, UnmanagedService,
    VirtualServerStatus,
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
    text.push_str(&troubles(&status.checks));
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

/// More lines of one sort would hide everything else.
const MOST_TROUBLES: usize = 20;

/// What somebody should look at although no verdict tells: first that checks do not run.
fn troubles(checks: &ChecksStatus) -> String {
    let (cannot_run, warnings): (Vec<&CheckTrouble>, Vec<&CheckTrouble>) =
        checks.troubles.iter().partition(|trouble| trouble.cannot_run);
    let mut text = String::new();
    if !cannot_run.is_empty() {
        text.push_str(&format!(
            "\nTROUBLE: {} of {} checks cannot run, for reasons on this director. The verdicts \
             before that stand, and may be old news:\n",
            cannot_run.len(),
            checks.count
        ));
        text.push_str(&trouble_rows(&cannot_run));
    }
    if !warnings.is_empty() {
        text.push_str("\nWARNING: these checks pass, and soon may not:\n");
        text.push_str(&trouble_rows(&warnings));
    }
    text
}

fn trouble_rows(troubles: &[&CheckTrouble]) -> String {
    let cells = |trouble: &&CheckTrouble| {
        let via = trouble.via.map_or_else(String::new, |address| format!(" via {address}"));
        vec![
            trouble.server.clone(),
            format!("{}{via}", trouble.check),
            format!("for {}", ago(&trouble.since)),
            trouble.text.clone(),
        ]
    };
    let rows: Vec<Vec<String>> = troubles.iter().take(MOST_TROUBLES).map(cells).collect();
    let mut text = columns(2, &rows);
    if let Some(more) = troubles.len().checked_sub(MOST_TROUBLES).filter(|&more| more > 0) {
        text.push_str(&format!("  and {more} more, see `lvsctl status --json`\n"));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn trouble(number: u64, cannot_run: bool, text: &str) -> CheckTrouble {
        CheckTrouble {
            check: "http_get".to_owned(),
            server: format!("198.51.100.{number}:80"),
            via: (number == 12).then(|| [192, 0, 2, 10].into()),
            cannot_run,
            since: Since { seconds_ago: 61 * number, at: "2026-11-21T03:00:00Z".to_owned() },
            text: text.to_owned(),
        }
    }

    #[test]
    fn checks_that_cannot_run_come_first_and_warnings_after_them() {
        let checks = ChecksStatus {
            count: 40,
            troubles: vec![
                trouble(7, false, "TLS: the certificate expires in 12 days"),
                trouble(12, true, "no port"),
                trouble(111, true, "no memory"),
            ],
            ..ChecksStatus::default()
        };
        let text = troubles(&checks);
        println!("{text}");
        assert_eq!(
            text,
            "\nTROUBLE: 2 of 40 checks cannot run, for reasons on this director. The verdicts \
             before that stand, and may be old news:\n\
             \x20 198.51.100.12:80   http_get via 192.0.2.10  for 12m 12s  no port\n\
             \x20 198.51.100.111:80  http_get                 for 1h 52m   no memory\n\
             \nWARNING: these checks pass, and soon may not:\n\
             \x20 198.51.100.7:80  http_get  for 7m 7s  TLS: the certificate expires in 12 days\n"
        );
        assert_eq!(troubles(&ChecksStatus::default()), "");
    }

    #[test]
    fn thousands_of_troubles_do_not_hide_the_rest() {
        let troubles_of_all: Vec<_> = (0..1000).map(|n| trouble(n, true, "no port")).collect();
        let checks = ChecksStatus { troubles: troubles_of_all, ..ChecksStatus::default() };
        let text = troubles(&checks);
        assert!(text.ends_with("\n  and 980 more, see `lvsctl status --json`\n"), "{text}");
        assert_eq!(text.lines().count(), 1 + 1 + 20 + 1);
    }
}
