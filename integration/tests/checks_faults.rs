//! Servers that cannot be reached, and what every check makes of it: at once where somebody says
//! so, such as a router (ICMP), and else after its timeout. The faults of servers that can be
//! reached are a table in the tests of `checkers`.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use checkers::probe::{self, Context};
use checkers::{Cause, Failure, Monitor, Outcome, ProbeResult, State};
use integration::addresses::{DIRECTORS, SERVERS};
use integration::paths::tool;
use integration::{Host, Network};

/// For checks that end by themselves: no answer takes this long.
const LONG: Duration = Duration::from_secs(20);
/// For checks that end by it.
const SHORT: Duration = Duration::from_millis(500);

/// Every check that needs the network.
const CHECKS: [&str; 12] = [
    "tcp_check = {}",
    "tcp_check = { tls = {} }",
    "http_get = {}",
    "http_get = { https = true }",
    "smtp_check = {}",
    "agent_check = { port = 8080 }",
    "grpc_check = {}",
    "dns_check = { transport = \"tcp\" }",
    "dns_check = {}",
    "udp_check = { require_reply = true }",
    UDP_WITHOUT_REPLY,
    PING,
];
const UDP_WITHOUT_REPLY: &str = "udp_check = {}";
const PING: &str = "ping_check = {}";

/// Servers, and by which cause and in which words a check of each fails.
const UNREACHABLE: [(&str, Cause, &str); 8] = [
    // The host is there, and nobody listens.
    ("10.77.0.11", Cause::Refused, "connection refused"),
    ("fd00:77::11", Cause::Refused, "connection refused"),
    // The host is off: nobody answers ARP, or neighbour solicitations.
    ("10.77.0.12", Cause::Unreachable, "host unreachable"),
    ("fd00:77::12", Cause::Unreachable, "host unreachable"),
    // The router says so.
    ("198.51.100.1", Cause::Unreachable, "host unreachable"),
    ("2001:db8:1::1", Cause::Unreachable, "host unreachable"),
    ("198.51.100.2", Cause::Unreachable, "host unreachable"),
    ("2001:db8:1::2", Cause::Unreachable, "refused by a firewall (ICMP: prohibited)"),
];

/// Servers to which the router lets nothing through, and says nothing.
const FILTERED: [&str; 2] = ["198.51.100.3", "2001:db8:1::3"];

fn monitor(server: &str, check: &str, timeout: Duration) -> Result<Monitor> {
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
         timeout = \"{}ms\"\n\
         {check}\n",
        timeout.as_millis()
    );
    let config = config::parse(Path::new("test.toml"), text).context("the definitions")?;
    let server = config.virtual_servers.first().and_then(|one| one.real_servers.first());
    let check = server.and_then(|server| server.checks.first()).context("no check")?;
    Ok(Monitor { target: address.parse()?, check: check.clone() })
}

/// What the router does: of the first server of each family "host unreachable" (code 1; of ICMPv6
/// "address unreachable", 3), of the second "administratively prohibited" (code 13; of ICMPv6 1), of
/// the third nothing.
const RULES: &str = "add table inet lab
add chain inet lab refusals { type filter hook prerouting priority 0; }
add rule inet lab refusals ip daddr 198.51.100.1 reject with icmp type host-unreachable
add rule inet lab refusals ip daddr 198.51.100.2 reject with icmp type admin-prohibited
add rule inet lab refusals ip6 daddr 2001:db8:1::1 reject with icmpv6 type addr-unreachable
add rule inet lab refusals ip6 daddr 2001:db8:1::2 reject with icmpv6 type admin-prohibited
add rule inet lab refusals ip daddr 198.51.100.3 drop
add rule inet lab refusals ip6 daddr 2001:db8:1::3 drop
";

/// A director, and a router to some of the servers, which is one itself.
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

/// Runs every check of one server after the other, and gives each outcome to `judge`. Of all servers
/// at once, the router would have to say more than a kernel does at a time (`icmp_msgs_burst`).
fn check_all(
    director: &Host,
    servers: &[&'static str],
    timeout: Duration,
    judge: impl Fn(&str, &str, &Outcome) -> Result<()> + Sync,
) -> Result<()> {
    director.namespace().enter(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let context = Arc::new(Context::new());
            for &server in servers {
                let mut runs = Vec::new();
                for check in CHECKS {
                    let (monitor, context) = (monitor(server, check, timeout)?, context.clone());
                    let run = async move { probe::run(&monitor, State::Up, &context).await };
                    runs.push((check, tokio::spawn(run)));
                }
                for (check, run) in runs {
                    let outcome = run.await?;
                    println!(
                        "{server:<14} {check:<40} {} [{:.0?}]",
                        outcome.result, outcome.latency
                    );
                    judge(server, check, &outcome)
                        .with_context(|| format!("{check} of {server}: {outcome:?}"))?;
                }
            }
            Ok(())
        })
    })
}

#[test]
fn who_cannot_be_reached_is_named_without_waiting() -> Result<()> {
    let (_network, [director, _router]) = lab()?;
    let servers = UNREACHABLE.map(|(server, ..)| server);
    check_all(&director, &servers, LONG, |server, check, outcome| {
        let (_, cause, words) =
            UNREACHABLE.iter().find(|(one, ..)| *one == server).context("no such row")?;
        let expected = match check {
            // It asks the host, and no port of it.
            PING if *cause == Cause::Refused => ProbeResult::Passed,
            _ => ProbeResult::Failed(Failure::new(*cause, *words)),
        };
        ensure!(outcome.result == expected, "expected {expected:?}");
        ensure!(outcome.latency < LONG / 2, "late");
        Ok(())
    })
}

/// No route leads there: nothing is known of the servers, so none of them is to go out.
#[test]
fn without_a_route_nothing_is_said_of_a_server() -> Result<()> {
    let (_network, [director, _router]) = lab()?;
    check_all(&director, &["203.0.113.1", "2001:db8:2::1"], LONG, |_, _, outcome| {
        let words = "Network is unreachable (no route to it here, or its link is down)";
        let local = matches!(&outcome.result, ProbeResult::Local(text) if text.ends_with(words));
        ensure!(local, "not local trouble");
        ensure!(outcome.latency < LONG / 2, "late");
        Ok(())
    })
}

#[test]
fn silence_costs_the_timeout_and_no_more() -> Result<()> {
    let (_network, [director, _router]) = lab()?;
    check_all(&director, &FILTERED, SHORT, |_, check, outcome| {
        let step = match check {
            // Silence is what it expects.
            UDP_WITHOUT_REPLY => None,
            "dns_check = {}" => Some("waiting for the answer"),
            "udp_check = { require_reply = true }" => Some("waiting for an answer"),
            PING => Some("waiting for the echo reply"),
            _ => Some("connecting"),
        };
        let expected = step.map_or(ProbeResult::Passed, |step| {
            let words = format!("timed out after {SHORT:?} while {step}");
            ProbeResult::Failed(Failure::new(Cause::TimedOut, words))
        });
        ensure!(outcome.result == expected, "expected {expected:?}");
        ensure!((SHORT..SHORT * 20).contains(&outcome.latency), "too early or late");
        Ok(())
    })
}
