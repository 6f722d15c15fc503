//! The cluster that most tests use: a client, two directors and three real servers on one LAN.

use std::fs;
use std::path::Path;
use std::thread;

use anyhow::{Result, anyhow};

use crate::addresses::{CLIENT, DIRECTORS, SERVERS};
use crate::host::Host;
use crate::kernel::require_ipvs;
use crate::namespace::joined;
use crate::network::Network;
use crate::nginx::Server;

/// A running cluster. The directors are bare hosts: a test starts on them what it wants.
#[derive(Debug)]
pub struct Cluster {
    /// The client.
    pub client: Host,
    /// The director with the lower address.
    pub lb1: Host,
    /// The director with the higher address.
    pub lb2: Host,
    /// The real servers `rs1` to `rs3`, running.
    pub servers: [Server; 3],
    /// The LAN between them, whose cables can be pulled.
    pub network: Network,
}

impl Cluster {
    /// Starts a cluster for `test` and ends it afterwards, whatever happens. When the test fails,
    /// the logs of everything that ran in it are printed.
    ///
    /// # Panics
    /// When the cluster cannot be started or the test fails.
    #[track_caller]
    pub fn run(test: impl FnOnce(&mut Self) -> Result<()>) {
        let started = require_ipvs().and_then(|()| Network::new()).and_then(Self::start);
        let mut cluster = match started {
            Ok(cluster) => cluster,
            Err(error) => panic!("{error:#}"),
        };
        if let Err(error) = test(&mut cluster) {
            panic!("{error:#}");
        }
    }

    /// Starts a cluster on an empty network.
    ///
    /// # Errors
    /// When a host or a server cannot be started.
    pub fn start(network: Network) -> Result<Self> {
        let [client, lb1, lb2, rs1, rs2, rs3] = network.add_hosts([
            ("client", CLIENT),
            ("lb1", DIRECTORS[0]),
            ("lb2", DIRECTORS[1]),
            ("rs1", SERVERS[0]),
            ("rs2", SERVERS[1]),
            ("rs3", SERVERS[2]),
        ])?;
        let servers = thread::scope(|scope| {
            let hosts = [rs1, rs2, rs3].into_iter().zip(SERVERS);
            let starting: Vec<_> = hosts
                .map(|(host, address)| scope.spawn(move || Server::start_on(host, address)))
                .collect();
            starting.into_iter().map(joined).collect::<Result<Vec<_>>>()
        })?;
        let servers = servers.try_into().map_err(|_| anyhow!("one server for each name"))?;
        Ok(Self { client, lb1, lb2, servers, network })
    }

    /// The real server with that name.
    ///
    /// # Errors
    /// When there is none.
    pub fn server(&mut self, name: &str) -> Result<&mut Server> {
        let mut servers = self.servers.iter_mut();
        servers
            .find(|server| server.host.name() == name)
            .ok_or_else(|| anyhow!("there is no real server {name}; they are rs1, rs2 and rs3"))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if thread::panicking() {
            print_logs(self.network.folder());
        }
    }
}

/// Prints the end of every log below `folder`.
fn print_logs(folder: &Path) {
    const LINES: usize = 200;
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            print_logs(&path);
        } else if path.extension().is_some_and(|extension| extension == "log") {
            let text = fs::read(&path).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let lines: Vec<&str> = text.lines().collect();
            println!("--- {}", path.display());
            for line in &lines[lines.len().saturating_sub(LINES)..] {
                println!("{line}");
            }
        }
    }
}
