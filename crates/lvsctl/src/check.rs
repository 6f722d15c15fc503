//! `lvsctl check`.

use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

/// Prints all errors of the file to standard error.
pub(crate) fn run(file: &Path) -> ExitCode {
    match config::load(file) {
        Ok(config) => {
            println!(
                "{}: valid; {} virtual servers, {} VRRP instances",
                file.display(),
                config.virtual_servers.len(),
                config.vrrp_instances.len()
            );
            ExitCode::SUCCESS
        }
        Err(errors) => {
            eprintln!("{}", errors.render(std::io::stderr().is_terminal()));
            ExitCode::FAILURE
        }
    }
}
