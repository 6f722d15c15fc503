//! `accept`: whether the master takes in what is sent to the virtual addresses.

mod common;

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use common::{HTTP_CHECK, all_weights, holds_vip, vrrp, wait_weights, web};
use integration::addresses::{DIRECTORS, SERVICE, VIP, VIP6};
use integration::router::{Definition, Pair, Pings};
use integration::wait::{FAR, wait_until};
use integration::{Cluster, Host, Lvsd};

const ADDRESS: IpAddr = IpAddr::V4(VIP);

/// So long nobody answers whose packets are dropped.
const SILENCE: Duration = Duration::from_millis(700);

fn definition(accept: bool) -> String {
    let mut one = Definition::new(150, ADDRESS);
    // The guard bears nearly twice that without a sign of life, however slow the machine is.
    one.interval = Duration::from_secs(1);
    one.lvsd_lines = format!("accept = {accept}\nexcluded_addresses = [\"{VIP6}/64\"]\n");
    one.lvsd()
}

fn answers_ping(from: &Host, address: IpAddr) -> Result<bool> {
    Pings::one(from, address, SILENCE)
}

/// Waits for an answer: the neighbours may have to be asked first.
fn wait_ping(from: &Host, address: IpAddr) -> Result<()> {
    let what = format!("an answer of {address}");
    wait_until(&what, FAR, || answers_ping(from, address)).map(drop)
}

/// Whether a connection comes about; `None` where nothing comes back.
fn connects(from: &Host, address: SocketAddr) -> Result<Option<bool>> {
    from.namespace().enter(|| match TcpStream::connect_timeout(&address, SILENCE) {
        Ok(_) => Ok(Some(true)),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(Some(false)),
        Err(error) if error.kind() == ErrorKind::TimedOut => Ok(None),
        Err(error) => Err(error).context("connecting"),
    })
}

/// Whether the table of nftables is there.
fn has_table(host: &Host) -> Result<bool> {
    Ok(host.exec("nft list tables")?.contains("table inet lvsd"))
}

#[test]
fn what_is_for_no_service_is_dropped() -> Result<()> {
    let pair = Pair::new()?;
    let host = &pair.hosts[0];
    let listener = host.namespace().enter(|| Ok(TcpListener::bind("[::]:8080")?))?;
    let both = [ADDRESS, VIP6.into()];
    let lvsd = Lvsd::start(host, &definition(true))?;
    pair.wait_master(0, ADDRESS, Duration::ZERO, FAR)?;
    for address in both {
        wait_ping(&pair.client, address)?;
        ensure!(connects(&pair.client, (address, 8080).into())? == Some(true), "{address}");
    }
    ensure!(!has_table(host)?, "nobody asked for it");

    let closed = || -> Result<()> {
        for address in both {
            // The neighbours must not know its MAC from before: they ask, and are answered.
            pair.client.exec(&format!("ip neighbour flush to {address}"))?;
            ensure!(!answers_ping(&pair.client, address)?, "{address}");
            ensure!(connects(&pair.client, (address, 8080).into())?.is_none(), "{address}");
            let neighbour = pair.client.exec(&format!("ip neighbour show {address}"))?;
            ensure!(neighbour.contains("lladdr"), "{address}: {neighbour}");
            // From itself, and to its own address, all is as before.
            ensure!(connects(host, (address, 8080).into())? == Some(true), "{address}");
        }
        wait_ping(&pair.client, DIRECTORS[0].into())?;
        Ok(())
    };
    lvsd.reload(&definition(false))?;
    wait_until("the table", FAR, || has_table(host))?;
    closed()?;
    let status = lvsd.status()?;
    ensure!(status["vrrp_instances"][0]["troubles"] == serde_json::json!([]), "{status}");

    // As a reload of the host's own rules does.
    host.exec("nft flush ruleset")?;
    wait_until("the table again", FAR, || has_table(host))?;
    closed()?;
    // The table stays, and lets everything in.
    host.exec("nft flush table inet lvsd")?;
    let drops = || Ok(host.exec("nft list table inet lvsd")?.contains("drop"));
    ensure!(!drops()?);
    wait_until("its rules again", FAR, drops)?;
    closed()?;

    // A crash leaves it, and the next start takes it over, or away.
    lvsd.kill()?;
    ensure!(has_table(host)?);
    let lvsd = Lvsd::start(host, &definition(true))?;
    wait_until("no table", FAR, || Ok(!has_table(host)?))?;
    pair.wait_master(0, ADDRESS, Duration::ZERO, FAR)?;
    wait_ping(&pair.client, ADDRESS)?;
    lvsd.stop()?;

    let lvsd = Lvsd::start(host, &definition(false))?;
    ensure!(has_table(host)?, "before the addresses");
    pair.wait_master(0, ADDRESS, Duration::ZERO, FAR)?;
    closed()?;
    lvsd.stop()?;
    ensure!(!has_table(host)?, "a stop takes it away");
    drop(listener);
    Ok(())
}

#[test]
fn what_keeps_it_from_working_is_shown_and_no_more() -> Result<()> {
    let pair = Pair::new()?;
    let host = &pair.hosts[0];
    // Where the script goes is no folder.
    fs::write(host.folder().join("state"), "")?;
    let lvsd = Lvsd::start(host, &definition(false))?;
    pair.wait_master(0, ADDRESS, Duration::ZERO, FAR)?;
    let status = lvsd.status()?;
    let trouble = status["vrrp_instances"][0]["troubles"][0].as_str().unwrap_or_default();
    ensure!(trouble.starts_with("accept = false is not in force"), "{status}");
    Ok(())
}

/// IPVS has its packets before the table sees them; where the service's last resort is this host
/// itself, they are let in.
#[test]
fn virtual_services_are_served() {
    Cluster::run(|cluster| {
        let sorry = "[virtual_server.local]\naddress = \"10.77.0.100:81\"\nreal_servers = []\n\
                     sorry_servers = [\"127.0.0.1:81\"]\n\n";
        let instance = vrrp(150, "accept = false\n");
        let lvsd = Lvsd::start(&cluster.lb1, &format!("{}{sorry}{instance}", web(HTTP_CHECK)))?;
        wait_weights(&cluster.lb1, &all_weights(cluster), FAR)?;
        wait_until("the VIP", FAR, || holds_vip(&cluster.lb1))?;
        ensure!(has_table(&cluster.lb1)?);
        ensure!(!answers_ping(&cluster.client, ADDRESS)?);
        let get = || -> Result<String> {
            cluster.client.namespace().enter(|| {
                let mut stream = TcpStream::connect_timeout(&SERVICE.into(), FAR)?;
                stream.write_all(b"GET /healthz HTTP/1.0\r\n\r\n")?;
                let mut text = String::new();
                stream.read_to_string(&mut text)?;
                Ok(text)
            })
        };
        for _ in 0..10 {
            let text = get()?;
            ensure!(text.starts_with("HTTP/1.1 200"), "{text}");
        }
        let _listener = cluster.lb1.namespace().enter(|| Ok(TcpListener::bind("0.0.0.0:81")?))?;
        let local = SocketAddr::new(ADDRESS, 81);
        ensure!(connects(&cluster.client, local)? == Some(true), "a sorry server on this host");
        ensure!(connects(&cluster.client, SocketAddr::new(ADDRESS, 82))?.is_none());

        // Even where the table lets nothing in: IPVS comes first.
        cluster.lb1.exec("nft flush chain inet lvsd input")?;
        cluster.lb1.exec(&format!("nft add rule inet lvsd input ip daddr {VIP} counter drop"))?;
        ensure!(connects(&cluster.client, SocketAddr::new(ADDRESS, 82))?.is_none());
        for _ in 0..10 {
            let text = get()?;
            ensure!(text.starts_with("HTTP/1.1 200"), "{text}");
        }
        lvsd.stop().map(drop)
    });
}
