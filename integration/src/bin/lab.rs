//! `lab`: a running cluster to play with, see `make lab`.

use std::io::{IsTerminal, stdin, stdout};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use integration::kernel::{self, Place};
use integration::lab;
use integration::vm::Options;

fn main() -> ExitCode {
    match run() {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("lab: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<u8> {
    let interactive = stdin().is_terminal() && stdout().is_terminal();
    match Place::detect()? {
        Place::Here => {
            kernel::deps()?;
            lab::run(interactive)?;
            Ok(0)
        }
        Place::VirtualMachine => {
            let program = std::env::current_exe().context("reading this program's own path")?;
            let deadline = (!interactive).then_some(Duration::from_secs(600));
            let options = Options { interactive, deadline, ..Options::default() };
            kernel::run(&[program.display().to_string()], &options)
        }
    }
}
