//! Which kernel the lab runs on: this one, or the virtual machine's.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::addresses::CLIENT;
use crate::network::Network;
use crate::paths;
use crate::vm::{self, Options};

/// Overrides the choice: `host` or `vm`. The virtual machine sets it to `host` for what it runs.
pub const VARIABLE: &str = "LVSD_LAB";

/// Where the lab's namespaces are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// On the running kernel.
    Here,
    /// In the small virtual machine.
    VirtualMachine,
}

impl Place {
    /// The running kernel where it has IPVS and the caller may use it, else the virtual machine.
    ///
    /// # Errors
    /// When [`VARIABLE`] is set to anything else than `host` or `vm`.
    pub fn detect() -> Result<Self> {
        match std::env::var(VARIABLE).as_deref() {
            Ok("host") => Ok(Self::Here),
            Ok("vm") => Ok(Self::VirtualMachine),
            Ok(other) => bail!("{VARIABLE} is {other:?}; it may be `host` or `vm`"),
            Err(_) => Ok(if is_usable() { Self::Here } else { Self::VirtualMachine }),
        }
    }
}

/// Brings the Debian packages that the lab needs at the place that [`Place::detect`] names.
///
/// # Errors
/// When a package cannot be had.
pub fn deps() -> Result<()> {
    match Place::detect()? {
        Place::Here => paths::deps(&["host".as_ref()]),
        Place::VirtualMachine => vm::deps(),
    }
}

/// Runs a command here if [`Place::detect`] says so, else in the virtual machine, and returns its
/// exit status. `options` count for the virtual machine only.
///
/// # Errors
/// When packages cannot be had, the command cannot be started, or the virtual machine fails.
pub fn run(command: &[String], options: &Options) -> Result<u8> {
    run_at(Place::detect()?, command, options)
}

/// Runs a command at this place; otherwise as [`run`].
///
/// # Errors
/// As [`run`].
pub fn run_at(place: Place, command: &[String], options: &Options) -> Result<u8> {
    if place == Place::VirtualMachine {
        eprintln!("Booting a small virtual machine whose kernel has IPVS ...");
        return vm::run(command, options);
    }
    let [program, arguments @ ..] = command else { bail!("no command to run") };
    deps()?;
    let status = Command::new(program).args(arguments).env(VARIABLE, "host").status()?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

/// Fails with a sentence that says what to do when this kernel cannot carry the lab.
///
/// # Errors
/// When the caller is not root or the kernel has no IPVS.
pub fn require_ipvs() -> Result<()> {
    if !is_usable() {
        bail!(
            "this test needs root and a kernel with IPVS, and here is none: \
             run `make test-integration`, which brings a virtual machine that has one"
        );
    }
    Ok(())
}

/// Fails with a sentence that says why when this kernel cannot carry a LAN of namespaces.
///
/// # Errors
/// When the caller is not root, the kernel has no network namespaces for it, or `ip` is missing.
pub fn require_namespaces() -> Result<()> {
    if !nix::unistd::geteuid().is_root() {
        bail!("only root makes network namespaces");
    }
    let network = Network::new().context("making a network namespace here")?;
    network.add_hosts([("probe", CLIENT)]).context("making a host here").map(drop)
}

fn is_usable() -> bool {
    let has_ipvs = || Path::new("/proc/net/ip_vs").exists();
    let usable =
        nix::unistd::geteuid().is_root() && (has_ipvs() || (modprobe(&["ip_vs"]) && has_ipvs()));
    if usable {
        // The kernel would load these under its lock of the tables, where they wait for a namespace
        // that is being taken down, which waits for that lock: nothing of IPVS ever moves again.
        modprobe(&["ip_vs_lblc", "ip_vs_lblcr", "ip_vs_pe_sip"]);
    }
    usable
}

/// Whether modprobe says that it loaded the modules; a machine without modprobe has none to load.
fn modprobe(modules: &[&str]) -> bool {
    Command::new("modprobe")
        .args(["-q", "-a"])
        .args(modules)
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
