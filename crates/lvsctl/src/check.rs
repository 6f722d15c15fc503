//! `lvsctl check`.

use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

use config::VirtualServer;

/// Prints all errors of the file to standard error.
pub(crate) fn run(file: &Path) -> anyhow::Result<ExitCode> {
    match config::load(file) {
        Ok(config) => {
            crate::print(&format!(
                "{}: valid; virtual servers: {}, VRRP instances: {}\n",
                file.display(),
                config.virtual_servers.len(),
                config.vrrp_instances.len()
            ))?;
            let doubts = config.virtual_servers.iter().flat_map(VirtualServer::doubts);
            let lacking = config.lacking();
            let lacking = lacking.iter().map(|what| format!("not on this host: {what}"));
            for note in doubts.chain(lacking) {
                crate::print(&format!("note: {note}\n"))?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(errors) => {
            eprintln!("{}", errors.render(std::io::stderr().is_terminal()));
            Ok(ExitCode::FAILURE)
        }
    }
}
