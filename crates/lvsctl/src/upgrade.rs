//! `lvsctl upgrade`: another program in the place of the running one.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::bail;

/// How long the new program may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// From one question to the next.
const PAUSE: Duration = Duration::from_millis(50);

pub(crate) fn run(socket: &Path) -> anyhow::Result<ExitCode> {
    let client = api::Client::connect(socket)?;
    let started = crate::ask(client.upgrade())??;
    let until = Instant::now() + PATIENCE;
    loop {
        // The socket is gone for a moment.
        let status = api::Client::connect(socket)
            .map_err(anyhow::Error::from)
            .and_then(|client| Ok(crate::ask(client.status())??));
        if let Ok(status) = status
            && status.daemon.pid != started.pid
        {
            let version = status.daemon.version;
            if version != started.to {
                bail!("lvsd {version} runs, and not lvsd {}; see its log", started.to);
            }
            crate::print(&format!(
                "lvsd {} -> lvsd {version}, process {} -> {}\n",
                started.from, started.pid, status.daemon.pid
            ))?;
            return Ok(ExitCode::SUCCESS);
        }
        if Instant::now() > until {
            bail!("lvsd {} has not answered within {PATIENCE:?}; see its log", started.to);
        }
        std::thread::sleep(PAUSE);
    }
}
