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

/// A Debian program: the system's own, or the copy that [`crate::vm::deps`] has fetched.
///
/// # Errors
/// When it is at neither place and cannot be fetched.
pub fn tool(name: &str) -> Result<Command> {
    let search = std::env::var_os("PATH").unwrap_or_default();
    let folders = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    let installed = std::env::split_paths(&search).chain(folders).any(|f| f.join(name).exists());
    if installed {
        return Ok(Command::new(name));
    }
    crate::vm::deps()?;
    let root = target_dir()?.join("vm/root/usr");
    let program = root.join("sbin").join(name);
    ensure!(program.exists(), "{} is not there", program.display());
    let mut command = Command::new(program);
    command.env("LD_LIBRARY_PATH", root.join("lib/x86_64-linux-gnu"));
    Ok(command)
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
