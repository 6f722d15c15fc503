//! lvsctl, the operator's command of lvsd.

mod apply;
mod check;
mod columns;
mod definitions;
mod explain;
mod list;
mod operator;
mod plan;
mod real_server;
mod status;
mod upgrade;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use api::OverrideAction;
use clap::{Parser, Subcommand};
use serde::Serialize;

/// Looks at and steers the director of a Linux Virtual Server.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The control socket of lvsd
    ///
    /// Default: /run/lvsd/lvsd.sock; for `plan` and `apply`, the file's own `control_socket`.
    #[arg(long, global = true, value_name = "PATH", env = "LVSD_SOCKET")]
    socket: Option<PathBuf>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check a configuration file; like `keepalived -t`
    ///
    /// Prints every error with its place. Exit status: 0 valid, 1 not.
    Check {
        /// The configuration file; its includes are read too
        file: PathBuf,
    },
    /// Show what applying a file would change in the kernel now
    ///
    /// The running lvsd is asked, so that all it knows counts: health, drains, slow starts,
    /// quorums, VRRP. Where none runs, it is what one would do that starts now. Exit status: 0
    /// nothing would change, 2 something would, 1 error.
    Plan {
        /// The configuration file
        file: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Put a file in force now, for good or on trial; prints the plan that is carried out
    ///
    /// With --confirm it is on trial: unless `lvsctl confirm` follows in time, lvsd goes back to
    /// what was in force before, whether or not anybody can still reach it. What the trial is about
    /// is the kernel's table and the VRRP instances, all that a reload changes. A second `apply`
    /// takes the place of a trial; a rollback still goes back to what was in force for good. A
    /// reload is refused during a trial. A stop ends it with nothing more, and a start loads lvsd's
    /// own configuration file, as it always does; no file is ever rewritten.
    ///
    /// The usual way: edit /etc/lvsd/lvsd.toml, `lvsctl apply /etc/lvsd/lvsd.toml --confirm 2m`,
    /// look, `lvsctl confirm`. Only root may. Exit status: 0 in force, 1 refused.
    Apply {
        /// The configuration file; its includes are read too
        file: PathBuf,
        /// Go back by itself after this time (1s to 24h), unless `lvsctl confirm` comes before
        #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
        confirm: Option<Duration>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Keep for good what `apply --confirm` has put on trial
    ///
    /// Only root may. Exit status: 0 kept, 1 nothing is on trial (any more).
    Confirm {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// End a trial now: back to what was in force before `apply --confirm`
    ///
    /// Only root may. Exit status: 0 done, 1 nothing is on trial (any more).
    Rollback {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show the director's view: services, real servers, health with reasons, VRRP
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Tell all about a real server, or about those of a virtual server
    ///
    /// State, since when and why, the weight, and the last results of each check with their times.
    Explain {
        /// Address of a real server (with or without port), or name of a virtual server
        name: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Take a real server out when its connections have ended
    ///
    /// It gets weight 0, and leaves the table when no connection is left, or at the deadline. It
    /// stays out until `lvsctl enable`, over restarts of lvsd too.
    Drain {
        #[command(flatten)]
        target: operator::Target,
        #[command(flatten)]
        terms: operator::Terms,
        /// Out after this time whatever is left, instead of the definitions' `drain.deadline`
        #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
        deadline: Option<Duration>,
    },
    /// Take a real server out at once, with all its connections; `drain` is kinder
    Disable {
        #[command(flatten)]
        target: operator::Target,
        #[command(flatten)]
        terms: operator::Terms,
    },
    /// Take back what `drain`, `disable` and `weight` asked
    ///
    /// Health decides again, unless something else still holds the server: a wish for more than
    /// SERVER, such as for all its ports or virtual servers, or a file in the maintenance
    /// directory. Then it says which, and the exit status is 1.
    Enable {
        #[command(flatten)]
        target: operator::Target,
    },
    /// Give a real server another weight than the definitions'
    ///
    /// It counts while the server is in: a weight brings back nobody that its checks or a file in
    /// the maintenance directory take out.
    Weight {
        #[command(flatten)]
        target: operator::Target,
        /// The weight, 0 to 2147483647
        weight: u32,
        #[command(flatten)]
        terms: operator::Terms,
    },
    /// Give lvsd's place to the program that its file holds now, such as after a package update
    ///
    /// The program is tried first: it must run and take the configuration. Addresses stay where
    /// they are, the kernel's table stands meanwhile, and the guard keeps its process id.
    Upgrade,
    /// Show the kernel's table exactly as `ipvsadm -L` does; needs no lvsd
    List(list::Arguments),
    /// Make this host a real server of a direct-routing cluster, or undo it
    #[command(subcommand)]
    RealServer(real_server::Command),
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("lvsctl: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let given = arguments.socket;
    let socket = given.clone().unwrap_or_else(|| api::DEFAULT_SOCKET.into());
    match arguments.command {
        Command::Check { file } => check::run(&file),
        Command::Plan { file, json } => plan::run(given.as_deref(), &file, json),
        Command::Apply { file, confirm, json } => {
            apply::run(given.as_deref(), &file, confirm, json)
        }
        Command::Confirm { json } => apply::confirm(&socket, json),
        Command::Rollback { json } => apply::roll_back(&socket, json),
        Command::Status { json } => status::run(&socket, json),
        Command::Explain { name, json } => explain::run(&socket, &name, json),
        Command::Drain { target, terms, deadline } => {
            let deadline_seconds = deadline.map(|deadline| deadline.as_secs());
            let action = OverrideAction::Drain { deadline_seconds };
            operator::run(&socket, target, Some(terms), action)
        }
        Command::Disable { target, terms } => {
            operator::run(&socket, target, Some(terms), OverrideAction::Disable)
        }
        Command::Enable { target } => operator::run(&socket, target, None, OverrideAction::Enable),
        Command::Weight { target, weight, terms } => {
            operator::run(&socket, target, Some(terms), OverrideAction::Weight(weight))
        }
        Command::Upgrade => upgrade::run(&socket),
        Command::List(arguments) => list::run(&arguments),
        Command::RealServer(command) => real_server::run(&command),
    }
}

/// Prints a whole answer. `lvsctl status | head` has seen enough when the pipe breaks.
fn print(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("writing the answer"),
    }
}

/// Prints a document as JSON, or as its text for people.
fn answer<T: Serialize>(
    json: bool,
    document: &T,
    text: impl FnOnce(&T) -> String,
) -> anyhow::Result<()> {
    if json {
        print(&(serde_json::to_string_pretty(document)? + "\n"))
    } else {
        print(&text(document))
    }
}

/// Asks lvsd one thing.
fn ask<T>(question: impl Future<Output = T>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(question))
}
