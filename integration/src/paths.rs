//! Where things are, and the script that brings packages.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The folder that holds this workspace's programs: `target/debug` or `target/release`, whichever
/// the running program was built into.
///
/// # Errors
/// When the running program's own path cannot be read.
pub fn programs_dir() -> Result<PathBuf> {
    let program = std::env::current_exe().context("reading this program's own path")?;
    let folder = program.parent().context("this program has no folder")?;
    // Test programs are one folder deeper.
    let folder = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    Ok(folder.to_owned())
}

/// Cargo's target folder.
///
/// # Errors
/// When the running program's own path cannot be read.
pub fn target_dir() -> Result<PathBuf> {
    let programs = programs_dir()?;
    Ok(programs.parent().context("this program has no target folder")?.to_owned())
}

/// The path of a program of this workspace, built beside the running one.
///
/// # Errors
/// When it has not been built.
pub fn program(name: &str) -> Result<PathBuf> {
    let path = programs_dir()?.join(name);
    ensure!(
        path.exists(),
        "{} is not there: `cargo build` makes it, and `make test-integration` does so by itself",
        path.display()
    );
    Ok(path)
}

/// Runs `deps.sh` with the given arguments: see there.
///
/// # Errors
/// When a package is missing and cannot be had; the script has said which on standard error.
pub fn deps(arguments: &[&OsStr]) -> Result<()> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("deps.sh");
    let status = Command::new(&script)
        .args(arguments)
        .status()
        .with_context(|| format!("running {}", script.display()))?;
    ensure!(status.success(), "{} could not bring what is missing", script.display());
    Ok(())
}
