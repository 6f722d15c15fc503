//! lvsd, the daemon of a Linux Virtual Server director.

mod accept;
mod apply;
mod clock;
mod definitions;
mod director;
mod explain;
mod health;
mod instances;
mod kept;
mod maintenance;
mod notify;
mod owned;
mod reply;
mod report;
mod run;
mod saver;
mod script;
mod server;
mod socket;
mod state;
mod track;
mod trial;
mod upgrade;
mod wishes;
mod worker;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use lvsd_guard::{Setup, logging};

/// See `.cargo/config.toml` for its settings.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

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
    ///
    /// This process is the guard: it starts the worker, which does everything else, and watches it.
    Run(GuardArguments),
    /// The process that `run` starts and watches
    #[command(hide = true)]
    Worker(RunArguments),
    /// Whether this program takes a configuration: asked before an upgrade
    #[command(hide = true)]
    Check(RunArguments),
}

/// Arguments of `lvsd run`.
#[derive(Debug, clap::Args)]
struct GuardArguments {
    #[command(flatten)]
    run: RunArguments,

    /// Go on for the guard before an upgrade, which left its state in this descriptor
    #[arg(long, value_name = "DESCRIPTOR", hide = true)]
    resume: Option<i32>,
}

/// What the guard and the worker are told.
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

impl RunArguments {
    /// The same on a command line.
    fn words(&self) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec!["--config".into(), self.config.clone().into()];
        if let Some(socket) = &self.socket {
            words.extend(["--socket".into(), socket.clone().into()]);
        }
        words.extend(["--log".into(), self.log.clone().into()]);
        words
    }
}

fn guard(arguments: &GuardArguments) -> anyhow::Result<ExitCode> {
    let setup = Setup::of_this_program(arguments.run.words(), arguments.resume)?;
    let Err(error) = setup.become_guard();
    logging::init(&arguments.run.log)?;
    tracing::debug!("lvsd is its own guard: {error:#}");
    lvsd_guard::run(&setup)
}

fn main() -> ExitCode {
    let done = |()| ExitCode::SUCCESS;
    let result = match Arguments::parse().command {
        Command::Run(arguments) => guard(&arguments),
        Command::Worker(arguments) => {
            logging::init(&arguments.log).and_then(|()| run::run(&arguments)).map(done)
        }
        Command::Check(arguments) => run::load(&arguments.config).map(drop).map(done),
    };
    result.unwrap_or_else(|error| {
        eprintln!("lvsd: {error:#}");
        ExitCode::FAILURE
    })
}
