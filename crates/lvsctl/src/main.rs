//! lvsctl, the operator's command of lvsd.

mod check;
mod columns;
mod list;
mod plan;
mod real_server;
mod status;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};

/// Looks at and steers the director of a Linux Virtual Server.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The control socket of lvsd
    #[arg(long, global = true, value_name = "PATH", env = "LVSD_SOCKET", default_value = api::DEFAULT_SOCKET)]
    socket: PathBuf,

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
    /// Takes the health of the real servers from the running lvsd, if there is one. Exit status: 0
    /// nothing would change, 2 something would, 1 error.
    Plan {
        /// The configuration file
        file: PathBuf,
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
    let socket = arguments.socket;
    match arguments.command {
        Command::Check { file } => Ok(check::run(&file)),
        Command::Plan { file, json } => plan::run(&socket, &file, json),
        Command::Status { json } => status::run(&socket, json),
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

/// Asks lvsd one thing.
fn ask<T>(question: impl Future<Output = T>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(question))
}
