//! What routers say of a server (ICMP) counts at once: no check waits for its timeout.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use checkers::probe::{self, Context};
use checkers::{Cause, Monitor, ProbeResult, State};
use integration::addresses::{DIRECTORS, SERVERS};
use integration::paths::tool;
use integration::{Host, Network};

/// No answer takes this long, and no check has less time.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Servers of which the router says something, and nobody else does.
const REFUSED: [&str; 4] = ["198.51.100.1", "198.51.100.2", "2001:db8:1::1", "2001:db8:1::2"];

fn monitor(server: &str, check: &str) -> Result<Monitor> {
    let family = if server.contains(':') { "[2001:db8::10]:80" } else { "192.0.2.10:80" };
    let address =
        if server.contains(':') { format!("[{server}]:80") } else { format!("{server}:80") };
    let text = format!(
        "[virtual_server.web]\n\
         address = \"{family}\"\n\
         [[virtual_server.web.real_servers]]\n\
         address = \"{address}\"\n\
         [[virtual_server.web.real_servers.checks]]\n\
         interval = \"60s\"\n\
         timeout = \"{}s\"\n\
         {check}\n",
        TIMEOUT.as_secs()
    );
    let config = config::parse(Path::new("test.toml"), text).context("the definitions")?;
    let server = config.virtual_servers.first().and_then(|one| one.real_servers.first());
    let check = server.and_then(|server| server.checks.first()).context("no check")?;
    Ok(Monitor { target: address.parse()?, check: check.clone() })
}

/// What the router says: of the first server of each family "host unreachable" (code 1; of ICMPv6
/// "address unreachable", 3), of the second "administratively prohibited" (code 13; of ICMPv6 1).
const RULES: &str = "add table inet lab
add chain inet lab refusals { type filter hook prerouting priority 0; }
add rule inet lab refusals ip daddr 198.51.100.1 reject with icmp type host-unreachable
add rule inet lab refusals ip daddr 198.51.100.2 reject with icmp type admin-prohibited
add rule inet lab refusals ip6 daddr 2001:db8:1::1 reject with icmpv6 type addr-unreachable
add rule inet lab refusals ip6 daddr 2001:db8:1::2 reject with icmpv6 type admin-prohibited
";

/// A director whose way to [`REFUSED`] leads over a router, and that router.
fn lab() -> Result<(Network, [Host; 2])> {
    let network = Network::new()?;
    let [director, router] =
        network.add_hosts([("director", DIRECTORS[0]), ("router", SERVERS[0])])?;
    director.exec("ip -6 addr add fd00:77::2/64 dev eth0 nodad")?;
    router.exec("ip -6 addr add fd00:77::11/64 dev eth0 nodad")?;
    // By default a router says no more than one such word per second to a host.
    router.set_sysctl("net/ipv4/icmp_ratelimit", "0")?;
    router.set_sysctl("net/ipv6/icmp/ratelimit", "0")?;
    let rules = router.folder().join("rules");
    fs::write(&rules, RULES)?;
    let mut nft = tool("nft")?;
    nft.arg("-f").arg(rules);
    let output = router.output_of(nft)?;
    ensure!(output.status.success(), "{output:?}");
    director.exec(&format!("ip route add 198.51.100.0/24 via {}", SERVERS[0]))?;
    director.exec("ip -6 route add 2001:db8:1::/64 via fd00:77::11")?;
    Ok((network, [director, router]))
}

#[test]
fn every_kind_takes_a_routers_word() -> Result<()> {
    let (_network, [director, _router]) = lab()?;
    let checks = [
        "tcp_check = {}",
        "http_get = {}",
        "http_get = { https = true }",
        "smtp_check = {}",
        "agent_check = { port = 8080 }",
        "grpc_check = {}",
        "dns_check = { transport = \"tcp\" }",
        "dns_check = {}",
        "udp_check = { require_reply = true }",
        "udp_check = {}",
        "ping_check = {}",
    ];
    let mut monitors = Vec::new();
    for server in REFUSED {
        for check in checks {
            monitors.push((server, check, monitor(server, check)?));
        }
    }
    director.namespace().enter(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let context = Context::new();
            for (server, check, monitor) in &monitors {
                let outcome = probe::run(monitor, State::Up, &context).await;
                let unreachable = matches!(&outcome.result,
                    ProbeResult::Failed(failure) if failure.cause == Cause::Unreachable);
                ensure!(unreachable, "{check} of {server}: {outcome:?}");
                ensure!(outcome.latency < TIMEOUT / 2, "{check} of {server}: {outcome:?}");
            }
            Ok(())
        })
    })
}
