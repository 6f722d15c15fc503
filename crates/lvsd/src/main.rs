//! lvsd, the daemon of a Linux Virtual Server director.

mod apply;
mod clock;
mod definitions;
mod director;
mod explain;
mod instances;
mod logging;
mod maintenance;
mod owned;
mod report;
mod run;
mod server;
mod socket;
mod state;
mod trial;
mod wishes;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Keeps the kernel's IPVS table equal to what the definitions and the health of the real servers
/// ask for, and moves virtual addresses between directors with VRRP.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run in the foreground until SIGTERM; SIGHUP reloads the configuration
    Run(RunArguments),
}

/// Arguments of `lvsd run`.
#[derive(Debug, clap::Args)]
struct RunArguments {
    /// The configuration file
    #[arg(long, value_name = "FILE", default_value = "/etc/lvsd/lvsd.toml")]
    config: PathBuf,

    /// The control socket, instead of the configuration's `control_socket`
    #[arg(long, value_name = "PATH", env = "LVSD_SOCKET")]
    socket: Option<PathBuf>,

    /// Least level of the log, on standard error: error, warn, info, debug, trace, or a
    /// tracing filter such as `info,lvsd::director=debug`
    #[arg(long, value_name = "FILTER", env = "LVSD_LOG", default_value = "info")]
    log: String,
}

fn main() -> ExitCode {
    let Command::Run(arguments) = Arguments::parse().command;
    let result = logging::init(&arguments.log).and_then(|()| run::run(&arguments));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lvsd: {error:#}");
            ExitCode::FAILURE
        }
    }
}
