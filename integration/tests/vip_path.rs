//! `via = "vip"`: checks that go the way of a client's packet, on directors that hold the VIP.

mod common;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use common::{
    HTTP_CHECK, all_weights, no_failure_since, operations, real_server, wait_weights, web,
};
use integration::addresses::{CLIENT6, SERVICE, VIP, VIP6};
use integration::wait::{FAR, wait_until};
use integration::{Cluster, Host, Load, Lvsd, load};

const TOLD: &str = "application up, but it does not answer for the VIP";

/// [`HTTP_CHECK`] of the server itself, and the same through the VIP.
fn both_checks() -> String {
    let timing = HTTP_CHECK.split("http_get").next().unwrap_or_default();
    let via = "http_get = { path = \"/healthz\", via = \"vip\" }";
    format!("{HTTP_CHECK}\n[[virtual_server.web.checks]]\n{timing}{via}\n")
}

fn explained(lvsd: &Lvsd, server: SocketAddr) -> Result<String> {
    let output = lvsd.lvsctl(&format!("explain {server}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Two of three real servers serve the VIP; the third is healthy, but nothing there has the VIP.
#[test]
fn a_server_without_the_virtual_address_is_told_from_a_broken_one() {
    Cluster::run(|cluster| {
        let rs2 = cluster.servers[1].address();
        cluster.servers[1].host.exec(&format!("ip addr del {VIP}/32 dev lo"))?;
        cluster.lb1.exec(&format!("ip addr add {VIP}/32 dev eth0"))?;
        let mut lvsd = Lvsd::start(&cluster.lb1, &web(&both_checks()))?;
        let mut without = all_weights(cluster);
        without.remove(&rs2);
        wait_weights(&cluster.lb1, &without, FAR)?;
        wait_until("the cause is told", FAR, || Ok(explained(&lvsd, rs2.into())?.contains(TOLD)))?;
        let healthy = explained(&lvsd, cluster.servers[0].address().into())?;
        ensure!(!healthy.contains(TOLD) && healthy.contains(&format!(", via {VIP}")), "{healthy}");
        lvsd.wait_log("accept_local set to 1", FAR)?;
        let status = lvsd.status()?;
        ensure!(status["virtual_servers"].as_array().is_some_and(|v| v.len() == 1), "{status}");
        ensure!(status["unmanaged"].as_array().is_some_and(Vec::is_empty), "{status}");

        cluster.servers[1].host.exec(&format!("ip addr add {VIP}/32 dev lo"))?;
        wait_weights(&cluster.lb1, &all_weights(cluster), FAR)?;
        let load = Load::start(&cluster.client, SERVICE, load::Options::default())?;
        no_failure_since(&load, Instant::now(), 60)?;
        println!("{}", load.stop()?);
        Ok(())
    });
}

#[test]
fn over_ipv6_too() {
    Cluster::run(|cluster| {
        let [rs1, rs2, rs3] = [11, 12, 13].map(|number: u16| {
            SocketAddr::from((Ipv6Addr::new(0xfd00, 0x77, 0, 0, 0, 0, 0, number), 80))
        });
        let give = |host: &Host, address: &str, interface: &str| {
            host.exec(&format!("ip -6 addr add {address} dev {interface} nodad"))
        };
        for (server, address) in cluster.servers.iter().zip([rs1, rs2, rs3]) {
            give(&server.host, &format!("{}/64", address.ip()), "eth0")?;
        }
        for server in [&cluster.servers[0], &cluster.servers[2]] {
            give(&server.host, &format!("{VIP6}/128"), "lo")?;
        }
        give(&cluster.lb1, "fd00:77::2/64", "eth0")?;
        // Deprecated, as VRRP gives it, or it would be the source of the checks.
        give(&cluster.lb1, &format!("{VIP6}/128"), "eth0 preferred_lft 0")?;
        give(&cluster.client, &format!("{CLIENT6}/64"), "eth0")?;

        let mut toml = format!(
            "[virtual_server.web]\naddress = \"[{VIP6}]:80\"\nscheduler = \"rr\"\n\
             [[virtual_server.web.checks]]\n{}",
            both_checks()
        );
        for address in [rs1, rs2, rs3] {
            toml += &format!("[[virtual_server.web.real_servers]]\naddress = \"{address}\"\n");
        }
        let lvsd = Lvsd::start(&cluster.lb1, &toml)?;
        let states = || -> Result<Vec<bool>> {
            [rs1, rs2, rs3]
                .map(|server| Ok(real_server(&lvsd, server)?["state"] == "up"))
                .into_iter()
                .collect()
        };
        wait_until("rs1 and rs3 up", FAR, || Ok(states()? == [true, false, true]))?;
        wait_until("the cause is told", FAR, || Ok(explained(&lvsd, rs2)?.contains(TOLD)))?;
        let healthy = explained(&lvsd, rs1)?;
        ensure!(!healthy.contains(TOLD) && healthy.contains(&format!(", via {VIP6}")), "{healthy}");
        ensure!(names(&cluster.client, 8)? == ["rs1", "rs3"].map(str::to_owned).into());

        give(&cluster.servers[1].host, &format!("{VIP6}/128"), "lo")?;
        wait_until("all up", FAR, || Ok(states()? == [true, true, true]))?;
        ensure!(names(&cluster.client, 12)? == ["rs1", "rs2", "rs3"].map(str::to_owned).into());
        Ok(())
    });
}

/// Who answers so many requests for the IPv6 VIP.
fn names(client: &Host, requests: usize) -> Result<BTreeSet<String>> {
    client.namespace().enter(|| {
        let name = |_| {
            let mut stream = TcpStream::connect(SocketAddrV6::new(VIP6, 80, 0, 0))?;
            stream.set_read_timeout(Some(FAR))?;
            stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            let body = answer.split("\r\n\r\n").nth(1).context("an answer without a body")?;
            Ok(body.trim().to_owned())
        };
        (0..requests).map(name).collect()
    })
}

/// The probes of all servers share a few source ports: were there an entry of a connection, one
/// server's datagrams would soon go where another one's went.
#[test]
fn datagrams_from_the_same_ports_reach_their_own_servers() {
    Cluster::run(|cluster| {
        cluster.servers[1].host.exec(&format!("ip addr del {VIP}/32 dev lo"))?;
        cluster.lb1.exec(&format!("ip addr add {VIP}/32 dev eth0"))?;
        cluster.lb1.set_sysctl("net/ipv4/ip_local_port_range", "40000 40015")?;
        let mut toml =
            format!("[virtual_server.names]\naddress = \"{VIP}:5300\"\nprotocol = \"udp\"\n");
        for server in &cluster.servers {
            let (ip, name) = (*server.address().ip(), server.host.name());
            toml += &format!(
                "[[virtual_server.names.real_servers]]\naddress = \"{ip}:5300\"\n\
                 [[virtual_server.names.real_servers.checks]]\n\
                 interval = \"200ms\"\ntimeout = \"200ms\"\nrise = 1\nfall = 1\n\
                 udp_check = {{ via = \"vip\", send = \"who?\", expect = \"{name}\" }}\n"
            );
        }
        let ended = AtomicBool::new(false);
        thread::scope(|scope| {
            let answering = [&cluster.servers[0].host, &cluster.servers[2].host].map(|host| {
                let ended = &ended;
                scope.spawn(move || tell_name(host, ended))
            });
            let watched = (|| -> Result<_> {
                let mut lvsd = Lvsd::start(&cluster.lb1, &toml)?;
                wait_until("150 checks", FAR, || {
                    Ok(lvsd.status()?["checks"]["starts"].as_u64().is_some_and(|n| n > 150))
                })?;
                Ok((lvsd.status()?, operations(&lvsd.process().log())))
            })();
            ended.store(true, Ordering::Relaxed);
            for host in answering {
                integration::namespace::joined(host)?;
            }
            let (status, operations) = watched?;
            let servers = status["virtual_servers"][0]["real_servers"].as_array();
            let states: Vec<_> = servers.into_iter().flatten().map(|s| &s["state"]).collect();
            ensure!(states == ["up", "down", "up"], "{status}");
            // Who comes in stays in.
            ensure!(!operations.iter().any(|line| line.starts_with("DEL_DEST")), "{operations:?}");
            Ok(())
        })
    });
}

/// Answers every datagram to the VIP with the host's name.
fn tell_name(host: &Host, ended: &AtomicBool) -> Result<()> {
    host.namespace().enter_on_this_thread()?;
    let socket = UdpSocket::bind((VIP, 5300)).context("listening on the VIP")?;
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    while !ended.load(Ordering::Relaxed) {
        if let Ok((_, client)) = socket.recv_from(&mut [0; 64]) {
            socket.send_to(host.name().as_bytes(), client)?;
        }
    }
    Ok(())
}
