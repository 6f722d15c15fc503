//! The kernel's table under lvsd's care: drift, other programs' services, reloads, plans.

mod common;

use std::time::{Duration, Instant};

use anyhow::ensure;
use common::{
    HTTP_CHECK, all_weights, fixed_director, no_failure_since, operations, wait_weights, web,
    within,
};
use integration::addresses::{SERVERS, SERVICE};
use integration::director::lvsctl;
use integration::wait::{FAR, wait_until};
use integration::{Cluster, Load, Lvsd, load};

/// `resync_interval` of the tests' definitions, and what a slow machine may add to it.
const RESYNC: Duration = Duration::from_millis(1000 + 100);

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn drift_is_repaired_and_named() {
    Cluster::run(|cluster| {
        let mut lvsd = fixed_director(cluster, &web(HTTP_CHECK))?;
        let load = Load::start(&cluster.client, SERVICE, load::Options::default())?;
        load.wait_requests(60, FAR)?;
        let rs2 = SERVERS[1];
        let cases = [
            (
                format!("ipvsadm -e -t {SERVICE} -r {rs2}:80 -g -w 77"),
                format!(
                    "SET_DEST tcp {SERVICE} -> {rs2}:80: changed by another program: weight 77 -> 3"
                ),
            ),
            (
                format!("ipvsadm -d -t {SERVICE} -r {rs2}:80"),
                format!(
                    "NEW_DEST tcp {SERVICE} -> {rs2}:80: changed by another program: \
                     the destination was removed"
                ),
            ),
            (
                "ipvsadm -C".to_owned(),
                format!(
                    "NEW_SERVICE tcp {SERVICE}: changed by another program: the service was removed"
                ),
            ),
        ];
        for (command, line) in cases {
            within(&format!("`{command}` to its repair"), RESYNC, || {
                cluster.lb1.exec(&command)?;
                let done = Instant::now();
                wait_weights(&cluster.lb1, &all_weights(cluster), FAR)?;
                Ok(done.elapsed())
            })?;
            lvsd.wait_log(&line, FAR)?;
        }
        let repaired = Instant::now();
        no_failure_since(&load, repaired, 60)
    });
}

#[test]
fn a_service_added_by_hand_stays_and_is_shown() {
    Cluster::run(|cluster| {
        cluster.lb1.exec("ipvsadm -A -t 192.0.2.99:22 -s rr")?;
        cluster.lb1.exec("ipvsadm -a -t 192.0.2.99:22 -r 198.51.100.1:22 -g -w 4")?;
        let lvsd = fixed_director(cluster, &web(HTTP_CHECK))?;
        cluster.lb1.exec("ipvsadm -A -f 7 -s rr")?;
        // lvsd looks at the table, repairs what is its own, and leaves the rest.
        cluster.lb1.exec(&format!("ipvsadm -d -t {SERVICE} -r {}:80", SERVERS[0]))?;
        wait_weights(&cluster.lb1, &all_weights(cluster), FAR)?;
        lvsd.reload(&web(""))?;
        wait_until("the reload", FAR, || Ok(!lvsd.status()?["daemon"]["last_reload"].is_null()))?;

        let listed = cluster.lb1.exec("ipvsadm -Sn")?;
        for line in ["-A -t 192.0.2.99:22 -s rr", "-A -f 7 -s rr"] {
            ensure!(listed.lines().any(|listed| listed == line), "{line} in:\n{listed}");
        }
        let status = lvsd.status()?;
        let unmanaged = status["unmanaged"].as_array().cloned().unwrap_or_default();
        let names: Vec<_> = unmanaged.iter().map(|one| one["service"].clone()).collect();
        ensure!(names.len() == 2 && names.iter().any(|n| n == "tcp 192.0.2.99:22"), "{status}");
        let shown = text(&lvsd.lvsctl("status")?.stdout);
        ensure!(shown.contains("Unmanaged") && shown.contains("fwmark 7"), "{shown}");
        Ok(())
    });
}

#[test]
fn a_broken_file_changes_nothing() {
    Cluster::run(|cluster| {
        let mut lvsd = fixed_director(cluster, &web(HTTP_CHECK))?;
        let load = Load::start(&cluster.client, SERVICE, load::Options::default())?;
        let before = cluster.lb1.exec("ipvsadm -Sn")?;
        lvsd.reload(&web(HTTP_CHECK).replace("scheduler =", "schedular ="))?;
        lvsd.wait_log("reload: nothing changes", FAR)?;
        lvsd.wait_log("schedular", FAR)?;
        wait_until("the error in the status", FAR, || {
            let error = &lvsd.status()?["daemon"]["last_reload"]["error"];
            Ok(error.as_str().is_some_and(|error| error.contains("schedular")))
        })?;
        let shown = text(&lvsd.lvsctl("status")?.stdout);
        ensure!(shown.contains("reload refused") && shown.contains("schedular"), "{shown}");
        ensure!(cluster.lb1.exec("ipvsadm -Sn")? == before);

        let file = integration::director::configuration(&cluster.lb1);
        let check = lvsd.lvsctl(&format!("check {}", file.display()))?;
        ensure!(check.status.code() == Some(1), "{check:?}");
        ensure!(text(&check.stderr).contains("schedular"), "{check:?}");
        no_failure_since(&load, Instant::now() - Duration::from_secs(1), 60)?;
        Ok(())
    });
}

/// One sentence tells what is missing; the other services do not suffer.
#[test]
fn a_kernel_without_the_scheduler_and_a_state_dir_that_is_none() {
    Cluster::run(|cluster| {
        // The lab's `state_dir`.
        let state = cluster.lb1.folder().join("state");
        std::fs::write(&state, "")?;
        let toml = format!(
            "{}[virtual_server.other]\nfwmark = 5\n\
             scheduler = \"wlcc\"\nreal_servers = [{{ address = \"{}:0\" }}]\n",
            web(HTTP_CHECK),
            SERVERS[0]
        );
        let mut lvsd = fixed_director(cluster, &toml)?;
        lvsd.wait_log("scheduler wlcc is not in this kernel (modprobe ip_vs_wlcc)", FAR)?;
        lvsd.wait_log("did you mean `wlc`?", FAR)?;
        let line = lvsd.wait_log("after a restart, services that lvsd created", FAR)?;
        let file = format!("state file {}/owned.json", state.display());
        ensure!(line.contains(&file), "{line}");
        let shown = text(&lvsd.lvsctl("status")?.stdout);
        ensure!(shown.contains("scheduler wlcc is not in this kernel"), "{shown}");
        Ok(())
    });
}

#[test]
fn a_sync_daemon_runs_on_with_short_messages_and_stops_with_its_section() {
    Cluster::run(|cluster| {
        let table = web(HTTP_CHECK);
        let daemon = "[ipvs.sync_daemon]\ninterface = \"eth0\"\nrole = \"both\"\n\
                      max_length = 512\n\n[virtual_server.web]";
        let mut lvsd = fixed_director(cluster, &table.replace("[virtual_server.web]", daemon))?;
        lvsd.wait_log("NEW_DAEMON Master on eth0", FAR)?;
        lvsd.wait_log("NEW_DAEMON Backup on eth0", FAR)?;
        // A repair means that lvsd has looked at the table since.
        for _ in 0..2 {
            cluster.lb1.exec(&format!("ipvsadm -d -t {SERVICE} -r {}:80", SERVERS[0]))?;
            wait_weights(&cluster.lb1, &all_weights(cluster), FAR)?;
        }
        let log = lvsd.log();
        ensure!(!log.contains("the sync daemon's settings differ"), "{log}");

        // The kernel takes no real server of the other family beside it.
        cluster.lb1.exec("ipvsadm -A -f 9 -s rr")?;
        let refused = cluster.lb1.output("ipvsadm -a -f 9 -r [2001:db8::1]:0 -i")?;
        ensure!(!refused.status.success(), "{refused:?}");

        lvsd.reload(&table)?;
        lvsd.wait_log("DEL_DAEMON Backup: the sync daemon is no longer defined", FAR)?;
        let running = cluster.lb1.exec("ipvsadm -Ln --daemon")?;
        ensure!(!running.contains("eth0"), "{running}");
        cluster.lb1.exec("ipvsadm -a -f 9 -r [2001:db8::1]:0 -i")?;
        Ok(())
    });
}

#[test]
fn a_reload_does_exactly_the_difference() {
    let first = format!(
        "[virtual_server.web]\naddress = \"{SERVICE}\"\nscheduler = \"wlc\"\n\
         real_servers = [\n\
           {{ address = \"{0}:80\" }},\n  {{ address = \"{1}:80\", weight = 3 }},\n]\n\
         [virtual_server.old]\naddress = \"10.77.0.101:81\"\n\
         real_servers = [{{ address = \"{0}:81\" }}]\n\
         [virtual_server.same]\nfwmark = 5\nreal_servers = [{{ address = \"{0}:0\" }}]\n",
        SERVERS[0], SERVERS[1],
    );
    let second = format!(
        "[virtual_server.web]\naddress = \"{SERVICE}\"\nscheduler = \"rr\"\n\
         real_servers = [\n\
           {{ address = \"{1}:80\", weight = 5 }},\n  {{ address = \"{2}:80\" }},\n]\n\
         [virtual_server.new]\naddress = \"10.77.0.101:53\"\nprotocol = \"udp\"\n\
         real_servers = [{{ address = \"{0}:53\" }}]\n\
         [virtual_server.same]\nfwmark = 5\nreal_servers = [{{ address = \"{0}:0\" }}]\n",
        SERVERS[0], SERVERS[1], SERVERS[2],
    );
    Cluster::run(|cluster| {
        let mut lvsd = Lvsd::start(&cluster.lb1, &first)?;
        lvsd.wait_log("NEW_SERVICE fwmark 5", FAR)?;
        wait_until("the first table", FAR, || Ok(operations(&lvsd.process().log()).len() == 7))?;
        lvsd.reload(&second)?;
        lvsd.wait_log("DEL_SERVICE", FAR)?;
        let done = operations(&lvsd.process().log()).split_off(7);
        let mut expected = [
            format!("SET_SERVICE tcp {SERVICE}: scheduler wlc -> rr"),
            format!("SET_DEST tcp {SERVICE} -> {}:80: weight 3 -> 5", SERVERS[1]),
            format!("NEW_DEST tcp {SERVICE} -> {}:80: no checks", SERVERS[2]),
            "NEW_SERVICE udp 10.77.0.101:53: virtual server new is defined".to_owned(),
            format!("NEW_DEST udp 10.77.0.101:53 -> {}:53: no checks", SERVERS[0]),
            format!(
                "DEL_DEST tcp {SERVICE} -> {}:80: no longer defined; no connections left",
                SERVERS[0]
            ),
            "DEL_SERVICE tcp 10.77.0.101:81: no longer defined; no connections left".to_owned(),
        ];
        let mut sorted = done.clone();
        sorted.sort();
        expected.sort();
        ensure!(sorted == expected, "{done:#?}");
        let removal = done.iter().position(|line| line.starts_with("DEL")).unwrap_or_default();
        let after = &done[removal..];
        ensure!(after.iter().all(|line| line.starts_with("DEL")), "adds come first: {done:#?}");

        let saved = cluster.lb1.exec("ipvsadm -Sn")?;
        let expected = format!(
            "-A -t {SERVICE} -s rr\n\
             -a -t {SERVICE} -r {1}:80 -g -w 5\n\
             -a -t {SERVICE} -r {2}:80 -g -w 1\n\
             -A -u {VIP2}:53 -s wlc\n\
             -a -u {VIP2}:53 -r {0}:53 -g -w 1\n\
             -A -f 5 -s wlc\n\
             -a -f 5 -r {0}:0 -g -w 1\n",
            SERVERS[0],
            SERVERS[1],
            SERVERS[2],
            VIP2 = "10.77.0.101",
        );
        let sort = |text: &str| {
            let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        ensure!(sort(&saved) == sort(&expected), "{saved}");
        Ok(())
    });
}

#[test]
fn a_plan_after_an_apply_is_empty() {
    Cluster::run(|cluster| {
        let lvsd = fixed_director(cluster, &web(HTTP_CHECK))?;
        let file = integration::director::configuration(&cluster.lb1);
        let plan = format!("plan {}", file.display());
        let output = lvsd.lvsctl(&plan)?;
        ensure!(output.status.code() == Some(0), "{output:?}");
        ensure!(text(&output.stdout) == "nothing would change\n", "{}", text(&output.stdout));

        // A server that is down is no difference.
        cluster.server("rs3")?.stop()?;
        let mut without = all_weights(cluster);
        without.remove(&cluster.servers[2].address());
        wait_weights(&cluster.lb1, &without, FAR)?;
        let output = lvsd.lvsctl(&plan)?;
        ensure!(output.status.code() == Some(0), "{output:?}");

        let changed = web(HTTP_CHECK).replace("weight = 3", "weight = 9");
        let other = cluster.lb1.folder().join("other.toml");
        std::fs::write(&other, changed)?;
        let output = lvsd.lvsctl(&format!("plan {} --json", other.display()))?;
        ensure!(output.status.code() == Some(2), "{output:?}");
        let document: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        let operations = document["operations"].as_array().cloned().unwrap_or_default();
        ensure!(
            operations.len() == 1 && operations[0]["reason"] == "weight 3 -> 9",
            "{document:#}"
        );

        // Without lvsd the plan is made from the kernel's table alone.
        lvsd.stop()?;
        let output = lvsctl(&cluster.lb1, &plan)?;
        ensure!(output.status.code() == Some(0), "{output:?}");
        Ok(())
    });
}

/// Services of every kind, as `ipvsadm` makes them.
const EVERY_KIND: &[&str] = &[
    "-A -t 192.0.2.10:80 -s wlc",
    "-a -t 192.0.2.10:80 -r 198.51.100.1:80 -g -w 3",
    "-a -t 192.0.2.10:80 -r 198.51.100.2:8080 -m -w 2 -x 1000 -y 800",
    "-a -t 192.0.2.10:80 -r 198.51.100.3:80 -i -w 1",
    "-a -t 192.0.2.10:80 -r 198.51.100.4:80 -i --tun-type gue --tun-port 6080 --tun-nocsum -w 1",
    "-a -t 192.0.2.10:80 -r 198.51.100.5:80 -i --tun-type gre --tun-csum -w 0",
    "-a -t 192.0.2.10:80 -r 10.77.0.2:80 -g -w 65535",
    "-A -u 192.0.2.10:53 -s rr -o",
    "-A -t [2001:db8::10]:443 -s sh -b sh-fallback,sh-port -p 600 -M 64",
    "-a -t [2001:db8::10]:443 -r [2001:db8:1::1]:443 -g",
    "-a -t [2001:db8::10]:443 -r [2001:db8:1:2:3:4:5:6]:443 -g -w 1000000",
    "-A -f 7 -s mh -b mh-port -p 300 -M 255.255.255.0",
    "-a -f 7 -r 198.51.100.9:0 -g",
    "-A -f 8 -6 -s rr",
    "-A --sctp-service 192.0.2.11:9999 -s rr",
    "-A -u 192.0.2.12:5060 -s rr -o --pe sip",
    "-A -t 192.0.2.13:0 -s wlc -p 360",
    "-A -t 192.0.2.13:25 -s lblcr",
    "-A -t 192.0.2.9:65535 -s sed",
];

#[test]
fn the_list_equals_ipvsadm_byte_for_byte() {
    Cluster::run(|cluster| {
        for arguments in EVERY_KIND {
            cluster.lb1.exec(&format!("ipvsadm {arguments}"))?;
        }
        let expected = cluster.lb1.exec("ipvsadm -Ln")?;
        let output = lvsctl(&cluster.lb1, "list -n")?;
        ensure!(output.status.success(), "{output:?}");
        print!("{expected}");
        ensure!(text(&output.stdout) == expected, "lvsctl printed:\n{}", text(&output.stdout));
        Ok(())
    });
}

#[test]
fn trouble_at_the_start_is_one_clear_sentence() {
    Cluster::run(|cluster| {
        let _lvsd = fixed_director(cluster, &web(HTTP_CHECK))?;
        let lvsd = integration::paths::program("lvsd")?;
        let file = integration::director::configuration(&cluster.lb1);
        let second =
            cluster.lb1.output(&format!("{} run --config {}", lvsd.display(), file.display()))?;
        ensure!(second.status.code() == Some(1), "{second:?}");
        let words = text(&second.stderr);
        ensure!(words.contains("another lvsd runs in this network namespace"), "{words}");

        let socket = std::env::temp_dir().join(format!("lvsd-{}.sock", std::process::id()));
        let unprivileged = cluster.lb2.output(&format!(
            "setpriv --reuid=65534 --regid=65534 --clear-groups {} run --config {} --socket {}",
            lvsd.display(),
            file.display(),
            socket.display()
        ))?;
        ensure!(unprivileged.status.code() == Some(1), "{unprivileged:?}");
        let words = text(&unprivileged.stderr);
        ensure!(words.contains("CAP_NET_ADMIN"), "{words}");
        ensure!(words.trim_end().lines().count() == 1, "{words}");
        Ok(())
    });
}
