//! The small virtual machine that brings a kernel with IPVS to a host that has none.
//!
//! The guest sees the host's whole file system read-only, with a layer in memory over it that
//! takes changes and is gone with the guest. Only `Exchange`, one folder per run, is written
//! from inside: the exit status travels through it. A command therefore runs in the guest as it
//! would here, from binaries that were built before the boot.

mod image;
mod qemu;

use std::fs;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::paths;

/// How a command runs in the guest.
#[derive(Debug, Clone)]
pub struct Options {
    /// The guest's memory in MiB.
    pub memory: u32,
    /// After this long the guest is ended and the run has failed. None: it may take for ever.
    pub deadline: Option<Duration>,
    /// The caller's terminal becomes the command's terminal.
    pub interactive: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { memory: 4096, deadline: Some(Duration::from_secs(1800)), interactive: false }
    }
}

/// Brings the Debian packages that the guest is made of, into `target/vm/`.
///
/// # Errors
/// When a package cannot be had.
pub fn deps() -> Result<()> {
    paths::deps(&["vm".as_ref(), folder()?.as_os_str()])
}

/// What is kept between runs, and the folders of those under way.
fn folder() -> Result<PathBuf> {
    Ok(paths::target_dir()?.join("vm"))
}

/// Boots the guest, runs `command` in it as root in the caller's working directory, with its
/// output on the caller's, and returns its exit status.
///
/// # Errors
/// When packages cannot be had, the guest does not boot or does not end within the deadline.
pub fn run(command: &[String], options: &Options) -> Result<u8> {
    ensure!(!command.is_empty(), "no command to run in the virtual machine");
    deps()?;
    let folder = folder()?;
    let exchange = Exchange::new(&folder, command, options)?;
    let image = image::build(&folder.join("root"), exchange.path())?;
    let terminal = Terminal::save(options.interactive);
    let ended = qemu::boot(&folder, &image, exchange.path(), options);
    drop(terminal);
    ended.map_err(|error| exchange.explain(&error))?;
    exchange.status()
}

/// The folder shared with one guest. Removed at the end.
#[derive(Debug)]
struct Exchange {
    folder: tempfile::TempDir,
}

impl Exchange {
    fn new(parent: &Path, command: &[String], options: &Options) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("run-")
            .tempdir_in(parent)
            .with_context(|| format!("making a folder in {}", parent.display()))?;
        let write = |name: &str, text: &str| {
            fs::write(folder.path().join(name), text)
                .with_context(|| format!("writing {name} for the guest"))
        };
        write("start", include_str!("start.sh"))?;
        write("command", &script(command, options)?)?;
        if options.interactive {
            write("interactive", "")?;
        }
        Ok(Self { folder })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn status(&self) -> Result<u8> {
        let text = fs::read_to_string(self.path().join("status")).unwrap_or_default();
        text.trim().parse().map_err(|_| {
            self.explain(&anyhow::anyhow!("the virtual machine stopped before its command ended"))
        })
    }

    /// Adds the guest's last kernel messages to an error.
    fn explain(&self, error: &anyhow::Error) -> anyhow::Error {
        let console = fs::read(self.path().join(qemu::CONSOLE)).unwrap_or_default();
        let console = String::from_utf8_lossy(&console);
        let lines: Vec<&str> = console.lines().collect();
        let last = lines[lines.len().saturating_sub(15)..].join("\n");
        anyhow::anyhow!("{error:#}; the guest's console ends with:\n{last}")
    }
}

/// The shell script that the guest runs: environment, working directory, command.
fn script(command: &[String], options: &Options) -> Result<String> {
    let here = std::env::current_dir().context("reading the working directory")?;
    let mut text = String::new();
    for (name, value) in std::env::vars() {
        if is_passed_on(&name) {
            text += &format!("export {name}={}\n", quoted(&value));
        }
    }
    text += "export PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin\n";
    text += &format!("export {}=host\n", crate::kernel::VARIABLE);
    if options.interactive
        && let Some((rows, columns)) = terminal_size()
    {
        text += &format!("stty rows {rows} cols {columns}\n");
    }
    text += &format!("cd {} || exit 126\nexec", quoted(&here.to_string_lossy()));
    for word in command {
        text.push(' ');
        text += &quoted(word);
    }
    text.push('\n');
    Ok(text)
}

/// The variables that a test or a person sets for a program of this workspace.
fn is_passed_on(name: &str) -> bool {
    const NAMES: [&str; 6] = ["PATH", "HOME", "TERM", "LANG", "CI", "NO_COLOR"];
    const PREFIXES: [&str; 4] = ["LVSD_", "RUST_", "INSTA_", "CARGO_"];
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    plain && (NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix)))
}

/// `text` as one word of the shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Rows and columns, as stty(1) prints them.
fn terminal_size() -> Option<(u16, u16)> {
    let output = Command::new("stty").arg("size").stdin(Stdio::inherit()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (rows, columns) = text.trim().split_once(' ')?;
    Some((rows.parse().ok()?, columns.parse().ok()?))
}

/// Puts the terminal's settings back when dropped: QEMU makes it raw, and cannot tidy up when it
/// is ended by force.
#[derive(Debug)]
struct Terminal {
    settings: Option<String>,
}

impl Terminal {
    fn save(interactive: bool) -> Self {
        let stty = |argument: &str| {
            let output =
                Command::new("stty").arg(argument).stdin(Stdio::inherit()).output().ok()?;
            output.status.success().then(|| String::from_utf8(output.stdout).ok()).flatten()
        };
        let settings =
            (interactive && std::io::stdin().is_terminal()).then(|| stty("-g")).flatten();
        Self { settings: settings.map(|text| text.trim().to_owned()) }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some(settings) = &self.settings {
            // Nothing is left to do about a terminal that has gone.
            drop(Command::new("stty").arg(settings).stdin(Stdio::inherit()).status());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shell_reads_back_what_was_quoted() {
        for text in ["", "a b", "it's", "$HOME `x` \\ \"", "--x=*"] {
            let script = format!("printf %s {}", quoted(text));
            let output = Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), text);
        }
    }
}
