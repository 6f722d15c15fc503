//! lvsd comes and goes; the traffic does not notice.

mod common;

use std::collections::BTreeMap;
use std::net::SocketAddrV4;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use common::{HTTP_CHECK, all_weights, fixed_director, vrrp, wait_settled, wait_weights, web};
use integration::addresses::SERVICE;
use integration::wait::FAR;
use integration::{Cluster, Held, Host, Load, Lvsd, load};

const RESTARTS: usize = 20;

/// Restarts lvsd on `host` while a thread watches that the table never lacks an entry.
fn restart_watched(
    host: &Host,
    mut lvsd: Lvsd,
    expected: &BTreeMap<SocketAddrV4, u32>,
) -> Result<Lvsd> {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let watch = scope.spawn(|| -> Result<usize> {
            let mut looks = 0;
            while !stop.load(Ordering::Relaxed) {
                let weights = host.weights(SERVICE)?;
                ensure!(weights.as_ref() == Some(expected), "the table was {weights:?}");
                looks += 1;
                thread::sleep(Duration::from_millis(5));
            }
            Ok(looks)
        });
        let restarted = (|| {
            for _ in 0..RESTARTS {
                lvsd.stop()?;
                lvsd = Lvsd::start_again(host)?;
            }
            Ok(lvsd)
        })();
        stop.store(true, Ordering::Relaxed);
        let looks = watch.join().ok().context("the watching thread panicked")??;
        println!("{RESTARTS} restarts, the table was whole at each of {looks} looks");
        restarted
    })
}

#[test]
fn twenty_restarts_on_a_director_with_a_fixed_vip() {
    Cluster::run(|cluster| {
        let lvsd = fixed_director(cluster, &web(HTTP_CHECK))?;
        let held = Held::open(&cluster.client, SERVICE, 12)?;
        let load = Load::start(&cluster.client, SERVICE, load::Options::default())?;
        load.wait_requests(60, FAR)?;

        let mut lvsd = restart_watched(&cluster.lb1, lvsd, &all_weights(cluster))?;
        load.wait_requests(60, FAR)?;
        let report = load.stop()?;
        println!("{report}");
        ensure!(report.failures() == 0, "{report}");
        let held = held.close()?;
        println!("{} connections held, {} answers", held.opened, held.answers);
        ensure!(held.broken.is_empty() && held.opened == 12, "{held:?}");
        let operations = common::operations(&lvsd.process().log());
        // One service and three servers, once; no restart did anything.
        ensure!(operations.len() == 4, "{operations:#?}");
        Ok(())
    });
}

#[test]
fn twenty_restarts_on_the_backup_of_a_pair() {
    Cluster::run(|cluster| {
        let definitions = |priority| format!("{}{}", web(HTTP_CHECK), vrrp(priority, ""));
        let _lb1 = Lvsd::start(&cluster.lb1, &definitions(150))?;
        let lb2 = Lvsd::start(&cluster.lb2, &definitions(100))?;
        wait_settled(&cluster.lb1, &cluster.lb2)?;
        wait_weights(&cluster.lb1, &all_weights(cluster), FAR)?;
        wait_weights(&cluster.lb2, &all_weights(cluster), FAR)?;
        let held = Held::open(&cluster.client, SERVICE, 12)?;
        let load = Load::start(&cluster.client, SERVICE, load::Options::default())?;
        load.wait_requests(60, FAR)?;

        let _lb2 = restart_watched(&cluster.lb2, lb2, &all_weights(cluster))?;
        load.wait_requests(60, FAR)?;
        let report = load.stop()?;
        println!("{report}");
        ensure!(report.failures() == 0, "{report}");
        let held = held.close()?;
        ensure!(held.broken.is_empty() && held.opened == 12, "{held:?}");
        Ok(())
    });
}
