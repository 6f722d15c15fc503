//! A real server: nginx behind the virtual address, for direct routing.

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::addresses::VIP;
use crate::host::Host;
use crate::process::Process;
use crate::wait::{FAR, wait_until};

/// A real server of the cluster. `GET /` answers with its name, `GET /healthz` with 200 or, after
/// [`Server::fail_health`], with 500.
#[derive(Debug)]
pub struct Server {
    /// The host it runs on.
    pub host: Host,
    address: SocketAddrV4,
    nginx: Option<Process>,
}

impl Server {
    /// Makes the host a real server of [`VIP`] and starts its nginx.
    pub(crate) fn start_on(host: Host, address: Ipv4Addr) -> Result<Self> {
        take_virtual_address(&host, VIP)?;
        let mut server = Self { host, address: SocketAddrV4::new(address, 80), nginx: None };
        fs::write(server.configuration(), server.configuration_text())
            .with_context(|| format!("writing {}", server.configuration().display()))?;
        server.start()?;
        Ok(server)
    }

    /// Where nginx listens on its own address: the real server of a definition.
    #[must_use]
    pub fn address(&self) -> SocketAddrV4 {
        self.address
    }

    /// Starts nginx and waits until it accepts connections. Nothing to do when it runs.
    ///
    /// # Errors
    /// When nginx cannot be started or does not listen.
    pub fn start(&mut self) -> Result<()> {
        if self.is_running()? {
            return Ok(());
        }
        let mut command = Command::new("nginx");
        command.args(["-p".as_ref(), self.host.folder().as_os_str()]);
        command.args(["-c".as_ref(), self.configuration().as_os_str()]);
        command.args(["-e".as_ref(), self.host.folder().join("nginx.log").as_os_str()]);
        self.nginx = Some(self.host.spawn("nginx", command)?);
        let what = format!("nginx listening on {}", self.host.name());
        wait_until(&what, FAR, || {
            self.host.namespace().enter(|| Ok(TcpStream::connect(self.address).is_ok()))
        })?;
        Ok(())
    }

    /// Stops nginx with SIGTERM and waits for its end: from then on connections are refused.
    ///
    /// # Errors
    /// When it does not run.
    pub fn stop(&mut self) -> Result<()> {
        let mut nginx = self.nginx.take().context("nginx does not run")?;
        nginx.stop(FAR)?;
        Ok(())
    }

    /// Whether nginx runs.
    ///
    /// # Errors
    /// When the process cannot be asked.
    pub fn is_running(&mut self) -> Result<bool> {
        self.nginx.as_mut().map_or(Ok(false), |nginx| Ok(!nginx.has_ended()?))
    }

    /// From now on `/healthz` answers with 500, while everything else works.
    ///
    /// # Errors
    /// When the file that says so cannot be written.
    pub fn fail_health(&self) -> Result<()> {
        fs::write(self.unhealthy(), "").context("making the server unhealthy")
    }

    /// From now on `/healthz` answers with 200 again.
    ///
    /// # Errors
    /// When it did so already.
    pub fn heal(&self) -> Result<()> {
        fs::remove_file(self.unhealthy()).context("healing the server")
    }

    fn configuration(&self) -> PathBuf {
        self.host.folder().join("nginx.conf")
    }

    fn unhealthy(&self) -> PathBuf {
        self.host.folder().join("unhealthy")
    }

    /// One process, so that a signal to it is a signal to the whole server.
    fn configuration_text(&self) -> String {
        format!(
            "daemon off;
master_process off;
pid nginx.pid;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    keepalive_timeout 1h;
    keepalive_requests 1000000;
    server {{
        listen 80 backlog=4096;
        listen [::]:80 backlog=4096;
        location / {{ return 200 \"{name}\\n\"; }}
        location = /healthz {{
            if (-f {unhealthy}) {{ return 500 \"unhealthy\\n\"; }}
            return 200 \"healthy\\n\";
        }}
    }}
}}
",
            name = self.host.name(),
            unhealthy = self.unhealthy().display(),
        )
    }
}

/// Direct routing, the real server's side: the virtual address on `lo`, and silence about it on
/// the LAN, where only the director may answer for it.
fn take_virtual_address(host: &Host, address: Ipv4Addr) -> Result<()> {
    for interface in ["all", "lo"] {
        host.set_sysctl(&format!("net/ipv4/conf/{interface}/arp_ignore"), "1")?;
        host.set_sysctl(&format!("net/ipv4/conf/{interface}/arp_announce"), "2")?;
    }
    host.exec(&format!("ip addr add {address}/32 dev lo"))?;
    Ok(())
}
