//! A host of the lab: a network namespace with a name, a folder and programs.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};

use crate::namespace::Namespace;
use crate::process::Process;
use crate::table;

/// A host. Clones are the same host.
#[derive(Debug, Clone)]
pub struct Host {
    name: String,
    namespace: Arc<Namespace>,
    folder: PathBuf,
}

impl Host {
    pub(crate) fn new(name: &str, namespace: Namespace, folder: &Path) -> Result<Self> {
        let folder = folder.join(name);
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        Ok(Self { name: name.to_owned(), namespace: Arc::new(namespace), folder })
    }

    /// The name, for example `lb1`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its network namespace.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// The folder for its files, empty at the start, gone with the lab.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Runs a command line, split at blanks, and returns what it printed.
    ///
    /// # Errors
    /// When it cannot be started or its exit status is not 0: the error carries its output.
    pub fn exec(&self, line: &str) -> Result<String> {
        let output = self.output(line)?;
        ensure!(
            output.status.success(),
            "{}: `{line}` ended with {}: {}{}",
            self.name,
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        String::from_utf8(output.stdout).with_context(|| format!("output of `{line}`"))
    }

    /// Runs a command line, split at blanks, whatever its exit status.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn output(&self, line: &str) -> Result<Output> {
        let mut words = line.split_whitespace();
        let mut command = Command::new(words.next().context("an empty command line")?);
        command.args(words);
        self.output_of(command)
    }

    /// Runs a command whatever its exit status.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn output_of(&self, mut command: Command) -> Result<Output> {
        self.namespace.enter(|| {
            command.output().with_context(|| {
                format!("{}: starting {}", self.name, command.get_program().display())
            })
        })
    }

    /// Starts a command whose output goes to `NAME.log` in the host's folder.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(&self, name: &str, command: Command) -> Result<Process> {
        let log = self.folder.join(format!("{name}.log"));
        let name = format!("{name} on {}", self.name);
        self.namespace.enter(|| Process::start(&name, command, log))
    }

    /// Sets a kernel parameter below `/proc/sys`, for example `net/ipv4/ip_forward`.
    ///
    /// # Errors
    /// When the kernel has no such parameter or refuses the value.
    pub fn set_sysctl(&self, name: &str, value: &str) -> Result<()> {
        // The network part of /proc/sys is that of the reading thread's namespace.
        self.namespace.enter(|| {
            fs::write(Path::new("/proc/sys").join(name), value)
                .with_context(|| format!("{}: setting {name} to {value}", self.name))
        })
    }

    /// Whether one of its interfaces has the address now.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn has_address(&self, address: IpAddr) -> Result<bool> {
        self.namespace.enter(|| {
            let mut all = nix::ifaddrs::getifaddrs().context("reading addresses")?;
            Ok(all.any(|interface| {
                interface.address.is_some_and(|storage| {
                    let v4 = storage.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
                    let v6 = storage.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip()));
                    v4.or(v6) == Some(address)
                })
            }))
        })
    }

    /// The weight of each destination of an IPv4 TCP service in the kernel's table, without the
    /// cost of starting `ipvsadm`. None when there is no such service.
    ///
    /// # Errors
    /// When the kernel's table cannot be read.
    pub fn weights(&self, service: SocketAddrV4) -> Result<Option<BTreeMap<SocketAddrV4, u32>>> {
        let text = self.namespace.enter(|| {
            // /proc/net would be that of the process's first thread.
            fs::read_to_string("/proc/thread-self/net/ip_vs").context("reading the IPVS table")
        })?;
        table::weights(&text, service)
    }
}
