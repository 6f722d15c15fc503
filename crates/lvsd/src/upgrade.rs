//! Whether another program can take this one's place.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use tokio::process::Command;

/// How long the new program may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Tries the program: it must run, be lvsd, and take the configuration. Returns its version.
///
/// # Errors
/// What it did instead.
pub(crate) async fn try_program(program: &Path, config: &Path) -> anyhow::Result<String> {
    let output = run(program, &["--version".as_ref()]).await?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let Some(version) = text.strip_prefix("lvsd ") else {
        bail!("{} says `{text}` to --version, and so is not lvsd", program.display());
    };
    run(program, &["check".as_ref(), "--config".as_ref(), config.as_os_str()])
        .await
        .with_context(|| format!("lvsd {version} does not take {}", config.display()))?;
    Ok(version.to_owned())
}

async fn run(program: &Path, arguments: &[&std::ffi::OsStr]) -> anyhow::Result<Output> {
    let mut command = Command::new(program);
    command.args(arguments).kill_on_drop(true).stdin(std::process::Stdio::null());
    let output = tokio::time::timeout(PATIENCE, command.output())
        .await
        .with_context(|| format!("{} does not answer within {PATIENCE:?}", program.display()))?
        .with_context(|| format!("starting {}", program.display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{} ended with {}: {}",
        program.display(),
        output.status,
        said.trim()
    );
    Ok(output)
}
