//! The examples of VRRP do what they say: the files themselves, with the addresses of the lab.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use integration::addresses::VIP;
use integration::host::Host;
use integration::router::{Pair, Pings};
use integration::wait::{FAR, wait_until};
use integration::{Lvsd, paths};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const ADDRESS: IpAddr = IpAddr::V4(VIP);

/// Longer than a master may be silent at the default interval.
const CALM: Duration = Duration::from_secs(4);

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config-examples").join(name)
}

/// The text of an example on the lab's LAN.
fn example(name: &str) -> Result<String> {
    let path = file(name);
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    Ok(text.replace("192.0.2.", "10.77.0."))
}

fn start(host: &Host, directory: &str) -> Result<Lvsd> {
    Lvsd::start(host, &example(&format!("{directory}/{}.toml", host.name()))?)
}

#[test]
fn double_master() -> Result<()> {
    let pair = Pair::new()?;
    let other = IpAddr::from([10, 77, 0, 101]);
    let each_has_one = || -> Result<()> {
        pair.wait_master(0, ADDRESS, CALM, FAR).context("the first address")?;
        pair.wait_master(1, other, Duration::ZERO, FAR).context("the second address").map(drop)
    };
    let first = start(&pair.hosts[0], "double-master")?;
    let _second = start(&pair.hosts[1], "double-master")?;
    each_has_one()?;
    first.stop()?;
    pair.wait_master(1, ADDRESS, CALM, FAR).context("the second one has both")?;
    pair.wait_master(1, other, Duration::ZERO, FAR)?;
    let _first = Lvsd::start_again(&pair.hosts[0])?;
    each_has_one().context("each has its own again")
}

#[test]
fn no_preemption() -> Result<()> {
    let pair = Pair::new()?;
    let better = start(&pair.hosts[0], "no-preemption")?;
    pair.wait_master(0, ADDRESS, Duration::ZERO, FAR)?;
    let _worse = start(&pair.hosts[1], "no-preemption")?;
    better.stop()?;
    pair.wait_master(1, ADDRESS, Duration::ZERO, FAR).context("the better one is stopped")?;
    let _better = Lvsd::start_again(&pair.hosts[0])?;
    pair.wait_master(1, ADDRESS, CALM * 2, FAR).context("the better one is back").map(drop)
}

#[test]
fn second_path() -> Result<()> {
    let pair = Pair::new()?;
    pair.add_second_cable()?;
    let _first = start(&pair.hosts[0], "second-path")?;
    let _second = start(&pair.hosts[1], "second-path")?;
    pair.wait_master(0, ADDRESS, CALM, FAR)?;
    // Cut off from the LAN alone, the master is heard over the cable, and stays.
    pair.network.isolate(&pair.hosts[0])?;
    pair.wait_master(0, ADDRESS, CALM * 2, FAR).context("heard over the second path")?;
    pair.network.join(&pair.hosts[0])?;
    // It knows when its own link fails, and says so over the cable.
    pair.network.unplug(&pair.hosts[0])?;
    pair.wait_master(1, ADDRESS, CALM, FAR).context("told over the second path")?;
    pair.network.plug(&pair.hosts[0])?;
    pair.wait_master(0, ADDRESS, CALM, FAR).context("the link is back").map(drop)
}

#[test]
fn virtual_mac() -> Result<()> {
    let pair = Pair::new()?;
    let mac = || -> Result<String> {
        // Whoever is asked has to answer first.
        pair.client.output(&format!("ip neighbour flush to {ADDRESS}"))?;
        let pings = Pings::start(&pair.client, ADDRESS)?;
        pings.stop()?;
        pair.client.exec(&format!("ip neighbour show to {ADDRESS}"))
    };
    let virtual_router = "00:00:5e:00:01:33";
    let first = start(&pair.hosts[0], "virtual-mac")?;
    let _second = start(&pair.hosts[1], "virtual-mac")?;
    pair.wait_master(0, ADDRESS, CALM, FAR)?;
    let seen = mac()?;
    ensure!(seen.contains(virtual_router), "{seen}");
    first.stop()?;
    pair.wait_master(1, ADDRESS, CALM, FAR)?;
    let seen = mac()?;
    ensure!(seen.contains(virtual_router), "{seen}");
    Ok(())
}

/// nginx on a host, as the example wants it.
struct Nginx {
    host: Host,
    /// The words that start it.
    start: Vec<String>,
}

impl Nginx {
    fn new(host: &Host) -> Result<Self> {
        let folder = host.folder().display();
        let text = format!(
            "pid {folder}/nginx.pid;\nevents {{}}\nhttp {{ access_log off; \
             client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; \
             uwsgi_temp_path uwsgi; scgi_temp_path scgi; server {{ listen 80; }} }}\n"
        );
        fs::write(host.folder().join("nginx.conf"), text)?;
        let nginx = paths::tool("nginx")?;
        let mut start = vec!["/usr/bin/env".to_owned()];
        for (name, value) in nginx.get_envs() {
            let value = value.map(|value| value.display().to_string()).unwrap_or_default();
            start.push(format!("{}={value}", name.display()));
        }
        start.push(nginx.get_program().display().to_string());
        start.extend(["-p", "-c", "-e"].into_iter().zip(["", "nginx.conf", "nginx.log"]).flat_map(
            |(option, name)| [option.to_owned(), host.folder().join(name).display().to_string()],
        ));
        let nginx = Self { host: host.clone(), start };
        nginx.host.exec(&nginx.start.join(" "))?;
        Ok(nginx)
    }

    /// The example's text with this nginx.
    fn example(&self) -> Result<String> {
        let command = |words: &[String]| {
            words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ")
        };
        let name = |name: &Path| name.display().to_string();
        let alive = name(&file("nginx-failover/nginx-alive"));
        let mut words = vec![alive, name(&self.host.folder().join("nginx.pid"))];
        words.extend(self.start.iter().cloned());
        let text = example(&format!("nginx-failover/{}.toml", self.host.name()))?;
        let theirs = "\"/usr/local/bin/nginx-alive\", \"/run/nginx.pid\", \"systemctl\", \
                      \"restart\", \"nginx\"";
        ensure!(text.contains(theirs), "the example has another command");
        Ok(text.replace(theirs, &command(&words)))
    }

    fn pid(&self) -> Result<Pid> {
        let text = fs::read_to_string(self.host.folder().join("nginx.pid"))?;
        Ok(Pid::from_raw(text.trim().parse()?))
    }

    /// Master and workers, as a crash of the machine's memory would.
    fn kill(&self) -> Result<()> {
        let master = self.pid()?;
        let children = fs::read_to_string(format!("/proc/{master}/task/{master}/children"));
        kill(master, Signal::SIGKILL)?;
        for child in children.unwrap_or_default().split_whitespace() {
            let _ = kill(Pid::from_raw(child.parse()?), Signal::SIGKILL);
        }
        Ok(())
    }

    fn wait_other(&self, before: Pid) -> Result<()> {
        let alive = || Ok(self.pid().is_ok_and(|now| now != before && kill(now, None).is_ok()));
        wait_until("another nginx", FAR, alive).map(drop)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// A dead nginx is started again, and the address stays; if it cannot be started, the address
/// goes; and when it can, it comes back.
#[test]
fn nginx_failover() -> Result<()> {
    let pair = Pair::new()?;
    let nginx = [Nginx::new(&pair.hosts[0])?, Nginx::new(&pair.hosts[1])?];
    let mut routers = Vec::new();
    for nginx in &nginx {
        routers.push(Lvsd::start(&nginx.host, &nginx.example()?)?);
    }
    pair.wait_master(0, ADDRESS, CALM, FAR)?;

    let before = nginx[0].pid()?;
    nginx[0].kill()?;
    nginx[0].wait_other(before).context("the script starts nginx")?;
    pair.wait_master(0, ADDRESS, CALM, FAR).context("the address stays")?;
    let status = routers[1].status()?;
    let state = &status["vrrp_instances"][0]["state"];
    ensure!(state == "backup", "{status}");

    let configuration = nginx[0].host.folder().join("nginx.conf");
    let text = fs::read_to_string(&configuration)?;
    fs::write(&configuration, "broken")?;
    let before = nginx[0].pid()?;
    nginx[0].kill()?;
    pair.wait_master(1, ADDRESS, CALM, FAR).context("nginx cannot be started")?;
    let status = routers[0].status()?;
    let arithmetic = status["vrrp_instances"][0]["priority_arithmetic"].to_string();
    ensure!(arithmetic.contains("90 = 150 - 60 (script nginx: exit status 1"), "{arithmetic}");

    fs::write(&configuration, text)?;
    nginx[0].wait_other(before).context("nginx is mended")?;
    pair.wait_master(0, ADDRESS, CALM, FAR).context("the address comes back").map(drop)
}
