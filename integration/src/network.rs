//! One LAN: a bridge as its switch, and hosts with a cable each.

use std::fs;
use std::io::Write;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use anyhow::{Context, Result, ensure};

use crate::addresses::PREFIX_LENGTH;
use crate::host::Host;
use crate::namespace::{Namespace, joined};

/// The name of every host's interface to the LAN.
pub const INTERFACE: &str = "eth0";

/// A LAN without hosts at first. When dropped, everything in it is gone.
#[derive(Debug)]
pub struct Network {
    prefix: String,
    switch: Namespace,
    folder: tempfile::TempDir,
}

impl Network {
    /// Makes a switch. The names of its namespaces are of this process alone.
    ///
    /// # Errors
    /// When the caller is not root or the kernel lacks something.
    pub fn new() -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        Namespace::sweep("lab")?;
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("lab{}-{count}-", std::process::id());
        let folder = tempfile::Builder::new().prefix("lvsd-lab-").tempdir();
        let folder = folder.context("making the lab's folder")?;
        // Scripts that lvsd starts as another user have to reach their files.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(folder.path(), open).context("opening the lab's folder")?;
        let switch = Namespace::new(&format!("{prefix}switch"))?;
        // Without a querier on the LAN, snooping would end the adverts' multicast.
        ip(
            &switch,
            "link add br0 type bridge mcast_snooping 0 forward_delay 0\nlink set br0 up\n",
        )?;
        Ok(Self { prefix, switch, folder })
    }

    /// The folder that holds one folder per host.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Adds hosts, each with a name and an address on the LAN.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn add_hosts<const N: usize>(&self, hosts: [(&str, Ipv4Addr); N]) -> Result<[Host; N]> {
        let mut cables = String::new();
        let mut added = Vec::new();
        for (name, _) in hosts {
            let namespace = Namespace::new(&format!("{}{name}", self.prefix))?;
            cables += &format!(
                "link add {name} type veth peer name {INTERFACE} netns {}\n\
                 link set {name} master br0 up\n",
                namespace.name()
            );
            added.push(Host::new(name, namespace, self.folder())?);
        }
        ip(&self.switch, &cables)?;
        thread::scope(|scope| {
            let set_up: Vec<_> = added
                .iter()
                .zip(hosts)
                .map(|(host, (_, address))| scope.spawn(move || bring_up(host, address)))
                .collect();
            set_up.into_iter().try_for_each(joined)
        })?;
        added.try_into().map_err(|_| anyhow::anyhow!("one host for each name"))
    }

    /// Pulls the host's cable: its interface loses the carrier.
    ///
    /// # Errors
    /// When the host is not of this network.
    pub fn unplug(&self, host: &Host) -> Result<()> {
        self.set_port(host, "down")
    }

    /// Plugs the host's cable in again.
    ///
    /// # Errors
    /// When the host is not of this network.
    pub fn plug(&self, host: &Host) -> Result<()> {
        self.set_port(host, "up")
    }

    /// Makes the switch drop what goes to and comes from the host, which keeps its carrier: a
    /// cable broken behind another switch.
    ///
    /// # Errors
    /// When the host is not of this network.
    pub fn isolate(&self, host: &Host) -> Result<()> {
        self.set_port(host, "nomaster")
    }

    /// Undoes [`Self::isolate`].
    ///
    /// # Errors
    /// When the host is not of this network.
    pub fn join(&self, host: &Host) -> Result<()> {
        self.set_port(host, "master br0")
    }

    fn set_port(&self, host: &Host, state: &str) -> Result<()> {
        ip(&self.switch, &format!("link set {} {state}\n", host.name()))
    }
}

fn bring_up(host: &Host, address: Ipv4Addr) -> Result<()> {
    // A link-local IPv6 address is there at once, not after a second of duplicate detection.
    host.set_sysctl("net/ipv6/conf/default/accept_dad", "0")?;
    host.set_sysctl(&format!("net/ipv6/conf/{INTERFACE}/accept_dad"), "0")?;
    let commands = format!(
        "link set lo up\n\
         addr add {address}/{PREFIX_LENGTH} dev {INTERFACE}\n\
         link set {INTERFACE} up\n"
    );
    ip(host.namespace(), &commands)
}

/// Runs many `ip` commands at the price of one start.
fn ip(namespace: &Namespace, commands: &str) -> Result<()> {
    let output = namespace.enter(|| {
        let mut ip = Command::new("ip")
            .args(["-batch", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("starting ip")?;
        if let Some(mut input) = ip.stdin.take() {
            input.write_all(commands.as_bytes()).context("writing to ip")?;
        }
        ip.wait_with_output().context("waiting for ip")
    })?;
    ensure!(
        output.status.success(),
        "{}: ip: {}of the commands\n{commands}",
        namespace.name(),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
