//! `make lab`: a cluster to play with. Every action waits for what it brings about, and says what
//! the clients noticed of it.

mod prompt;
mod tour;

use std::fs;
use std::net::{IpAddr, SocketAddrV4};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::addresses::{CLIENT, DIRECTORS, SERVERS, SERVICE, VIP};
use crate::cluster::Cluster;
use crate::director::{Lvsd, lvsctl};
use crate::host::Host;
use crate::kernel::require_ipvs;
use crate::load::{self, Load, Report};
use crate::network::{INTERFACE, Network};
use crate::wait::{FAR, wait_for, wait_until};

/// Within that the virtual address is on a director: three advert intervals and a second, on a
/// machine many times too slow.
const TAKEOVER: Duration = Duration::from_secs(20);

/// How many requests an action lets pass before it tells what became of them: one second's.
const AFTERMATH: usize = 60;

/// Runs the lab on this kernel: with a prompt, or as a tour that ends by itself.
///
/// # Errors
/// When the cluster cannot be started, or something that the tour shows did not happen.
pub fn run(interactive: bool) -> Result<()> {
    require_ipvs()?;
    println!("Starting a client, two directors (lvsd) and three real servers (nginx) ...");
    let mut lab = Lab::start()?;
    lab.introduce();
    if interactive { prompt::run(&mut lab) } else { tour::run(&mut lab) }
}

/// The running lab.
struct Lab {
    cluster: Cluster,
    /// lvsd on lb1 and on lb2; none on a director that is down.
    lvsd: [Option<Lvsd>; 2],
    load: Load,
}

impl Lab {
    fn start() -> Result<Self> {
        let cluster = Cluster::start(Network::new()?)?;
        let lb1 = Lvsd::start(&cluster.lb1, &definitions("lb1")?)?;
        let lb2 = Lvsd::start(&cluster.lb2, &definitions("lb2")?)?;
        for director in [&cluster.lb1, &cluster.lb2] {
            wait_until(&format!("three real servers on {}", director.name()), FAR, || {
                Ok(director.weights(SERVICE)?.is_some_and(|weights| weights.len() == 3))
            })?;
        }
        let lb1_is_active = || cluster.lb1.has_address(IpAddr::V4(VIP));
        wait_until("the virtual address on lb1", FAR, lb1_is_active)?;
        let load = Load::start(&cluster.client, SERVICE, load::Options::default())?;
        load.wait_requests(AFTERMATH, FAR)?;
        Ok(Self { cluster, lvsd: [Some(lb1), Some(lb2)], load })
    }

    fn introduce(&self) {
        let [lb1, lb2] = DIRECTORS;
        let [rs1, rs2, rs3] = SERVERS;
        let rate = load::Options::default().rate;
        println!(
            "
  client {CLIENT}   {rate} requests a second to {SERVICE}
     |
     +-- lb1 {lb1}     director, master: holds {VIP}
     +-- lb2 {lb2}     director, backup
     |
     +-- rs1 {rs1}    real servers, direct routing
     +-- rs2 {rs2}
     +-- rs3 {rs3}
"
        );
    }

    fn directors(&self) -> [&Host; 2] {
        [&self.cluster.lb1, &self.cluster.lb2]
    }

    /// The number in [`Self::lvsd`] of the director with that name.
    fn director(&self, name: &str) -> Result<usize> {
        let found = self.directors().iter().position(|host| host.name() == name);
        found.with_context(|| format!("there is no director {name}; they are lb1 and lb2"))
    }

    /// The director that holds the virtual address.
    fn active(&self) -> Result<Host> {
        wait_for("a director with the virtual address", TAKEOVER, || {
            for (host, lvsd) in self.directors().into_iter().zip(&self.lvsd) {
                if lvsd.is_some() && host.has_address(IpAddr::V4(VIP))? {
                    return Ok(Some(host.clone()));
                }
            }
            Ok(None)
        })
    }

    fn is_active(&self, name: &str) -> Result<bool> {
        Ok(self.active()?.name() == name)
    }

    fn host(&self, name: &str) -> Result<&Host> {
        let Cluster { client, lb1, lb2, servers, .. } = &self.cluster;
        let servers = servers.iter().map(|server| &server.host);
        let mut hosts = [client, lb1, lb2].into_iter().chain(servers);
        hosts
            .find(|host| host.name() == name)
            .with_context(|| format!("there is no host {name}; try client, lb1, lb2, rs1"))
    }

    /// What the active director, or the one named, prints for an lvsctl command.
    fn print_lvsctl(&self, arguments: &str, director: Option<&str>) -> Result<()> {
        let host = match director {
            Some(name) => self.directors()[self.director(name)?].clone(),
            None => self.active()?,
        };
        let output = lvsctl(&host, arguments)?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "lvsctl {arguments} on {}: {errors}", host.name());
        println!("[{}] lvsctl {arguments}", host.name());
        print!("{}", String::from_utf8_lossy(&output.stdout));
        Ok(())
    }

    fn stop_server(&mut self, name: &str) -> Result<()> {
        let began = Instant::now();
        self.cluster.server(name)?.stop()?;
        let removed = self.wait_table(name, false)?;
        println!("nginx on {name} stopped; out of the table after {:.1?}", removed - began);
        self.tell_aftermath(began, removed)
    }

    fn start_server(&mut self, name: &str) -> Result<()> {
        let began = Instant::now();
        self.cluster.server(name)?.start()?;
        let back = self.wait_table(name, true)?;
        println!("nginx on {name} started; back in the table after {:.1?}", back - began);
        self.tell_aftermath(began, back)
    }

    fn fail_health(&mut self, name: &str) -> Result<()> {
        let began = Instant::now();
        self.cluster.server(name)?.fail_health()?;
        let removed = self.wait_table(name, false)?;
        let took = removed - began;
        println!("{name} answers 500 to the health check; out of the table after {took:.1?}");
        self.tell_aftermath(began, removed)
    }

    fn heal(&mut self, name: &str) -> Result<()> {
        let began = Instant::now();
        self.cluster.server(name)?.heal()?;
        let back = self.wait_table(name, true)?;
        println!("{name} is healthy; back in the table after {:.1?}", back - began);
        self.tell_aftermath(began, back)
    }

    /// Waits until the active director's table has, or has no more, the server, and tells when.
    fn wait_table(&mut self, server: &str, present: bool) -> Result<Instant> {
        let address: SocketAddrV4 = self.cluster.server(server)?.address();
        let active = self.active()?;
        let what = format!("{server} {} the table", if present { "in" } else { "out of" });
        wait_until(&what, FAR, || {
            let weights = active.weights(SERVICE)?.unwrap_or_default();
            Ok(weights.get(&address).is_some_and(|weight| *weight > 0) == present)
        })?;
        Ok(Instant::now())
    }

    /// As if its power had gone: no lvsd, no network.
    fn kill_director(&mut self, name: &str) -> Result<()> {
        let number = self.director(name)?;
        ensure!(self.lvsd[number].is_some(), "{name} is down already");
        let was_active = self.is_active(name)?;
        let began = Instant::now();
        self.cluster.network.unplug(self.directors()[number])?;
        if let Some(lvsd) = self.lvsd[number].take() {
            lvsd.kill()?;
        }
        println!("{name} is dead: lvsd killed, cable pulled");
        if was_active { self.tell_takeover(1 - number, began) } else { Ok(()) }
    }

    /// As after a boot: without addresses and tables of before.
    fn start_director(&mut self, name: &str) -> Result<()> {
        let number = self.director(name)?;
        ensure!(self.lvsd[number].is_none(), "{name} is up already");
        let host = self.directors()[number].clone();
        if host.has_address(IpAddr::V4(VIP))? {
            host.exec(&format!("ip addr del {VIP}/24 dev {INTERFACE}"))?;
        }
        host.exec("ipvsadm -C")?;
        let began = Instant::now();
        self.cluster.network.plug(&host)?;
        self.lvsd[number] = Some(Lvsd::start_again(&host)?);
        println!("{name} is up");
        self.tell_return(number, began)
    }

    fn cut(&self, name: &str) -> Result<()> {
        let director = self.director(name);
        let was_active = director.is_ok() && self.is_active(name)?;
        let began = Instant::now();
        self.cluster.network.unplug(self.host(name)?)?;
        println!("the cable of {name} is out");
        match director {
            Ok(number) if was_active => self.tell_takeover(1 - number, began),
            _ => Ok(()),
        }
    }

    fn plug(&self, name: &str) -> Result<()> {
        let began = Instant::now();
        self.cluster.network.plug(self.host(name)?)?;
        println!("the cable of {name} is in");
        self.director(name).map_or(Ok(()), |number| self.tell_return(number, began))
    }

    /// lb1 has the higher priority and takes the address back.
    fn tell_return(&self, number: usize, began: Instant) -> Result<()> {
        if number == 0 && self.lvsd[0].is_some() {
            return self.tell_takeover(number, began);
        }
        Ok(())
    }

    /// Waits until a director has the virtual address, and tells what that meant for the client.
    fn tell_takeover(&self, number: usize, began: Instant) -> Result<()> {
        let host = self.directors()[number];
        ensure!(self.lvsd[number].is_some(), "no director is left; `start {}`", host.name());
        wait_until(&format!("{VIP} on {}", host.name()), TAKEOVER, || {
            host.has_address(IpAddr::V4(VIP))
        })?;
        println!("{VIP} is on {} after {:.1?}", host.name(), began.elapsed());
        self.load.wait_requests(AFTERMATH, FAR)?;
        tell_traffic(&self.load.so_far().since(began));
        Ok(())
    }

    /// What clients noticed between an action and its effect, and that they notice nothing since.
    fn tell_aftermath(&self, began: Instant, effect: Instant) -> Result<()> {
        self.load.wait_requests(AFTERMATH, FAR)?;
        let report = self.load.so_far();
        tell_traffic(&report.since(began).until(effect));
        let since = report.since(effect);
        ensure!(since.failures() == 0, "requests fail that should not: {since}");
        println!("since then: {} requests, none failed", since.count());
        Ok(())
    }

    /// The requests of the last ten seconds, and all.
    fn print_traffic(&self) {
        const RECENT: Duration = Duration::from_secs(10);
        let report = self.load.so_far();
        if let Some(from) = Instant::now().checked_sub(RECENT) {
            println!("last {RECENT:?}: {}", report.since(from));
        }
        println!("all: {report}");
    }

    /// A shell on a host of the lab.
    fn shell(&self, name: &str) -> Result<()> {
        let host = self.host(name)?;
        println!("a shell on {name}; `exit` leads back");
        let mut bash = Command::new("bash");
        bash.args(["--norc", "-i"]).env("PS1", format!("{name}# ")).current_dir(host.folder());
        bash.env("LVSD_SOCKET", crate::director::socket(host));
        let mut path = crate::paths::programs_dir()?.into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        bash.env("PATH", path);
        host.namespace().enter(|| bash.status().context("starting bash"))?;
        Ok(())
    }
}

fn tell_traffic(report: &Report) {
    let (count, failures) = (report.count(), report.failures());
    print!("the client meanwhile: {count} requests, {failures} failed");
    if report.outage() > Duration::ZERO {
        print!(", longest outage {:.1?}", report.outage());
    }
    println!();
}

/// A definition of `config-examples/director-pair/` with the lab's addresses in it.
fn definitions(director: &str) -> Result<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config-examples/director-pair");
    let path = folder.join(format!("{director}.toml"));
    let mut text =
        fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    // The longer ones first: each is the beginning of another.
    let [lb1, lb2] = DIRECTORS;
    let [rs1, rs2, rs3] = SERVERS;
    for (example, here) in [
        ("192.0.2.10", VIP),
        ("192.0.2.21", rs1),
        ("192.0.2.22", rs2),
        ("192.0.2.23", rs3),
        ("192.0.2.1", lb1),
        ("192.0.2.2", lb2),
    ] {
        text = text.replace(example, &here.to_string());
    }
    if text.contains("192.0.2.") {
        bail!("{} has an address that the lab does not know", path.display());
    }
    Ok(text)
}
