//! `[global]`, `[ipvs]` and `[checks]`.

use std::time::Duration;

use checkers::Limits;
use ipvs::Timeouts;

use crate::leaf;
use crate::model::{Global, Ipvs, Policy};
use crate::reader::{Table, Value};
use crate::sync_daemon::{Instances, sync_daemon};

const DAY: Duration = Duration::from_secs(86_400);
/// The kernel refuses more than 2147483647 ticks, of which a second has up to 1000.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(24 * 86_400);

/// Reads `[global]`. The includes were followed before: here their key is known, no more.
pub(crate) fn global(table: Table<'_>) -> Option<Global> {
    table.read("`[global]`", |t| {
        let default = Global::default();
        t.value("include");
        let router_id = t.optional("router_id", leaf::text);
        let control_socket = t.or("control_socket", default.control_socket, leaf::absolute_path);
        let state_dir = t.or("state_dir", default.state_dir, leaf::absolute_path);
        let maintenance_dir = t.optional("maintenance_dir", leaf::absolute_path);
        let notify_fifo = t.optional("notify_fifo", leaf::absolute_path);
        Some(Global {
            router_id: router_id.map(|id| id.value),
            control_socket: control_socket?.value,
            state_dir: state_dir?.value,
            maintenance_dir: maintenance_dir.map(|directory| directory.value),
            notify_fifo: notify_fifo.map(|path| path.value),
        })
    })
}

/// Reads `[ipvs]`.
pub(crate) fn ipvs(table: Table<'_>, instances: Instances<'_>) -> Option<Ipvs> {
    let interval = leaf::duration(Duration::from_millis(100)..=DAY);
    table.read("`[ipvs]`", |t| {
        let default = Ipvs::default();
        let unmanaged = t.or("unmanaged", default.unmanaged, policy);
        let on_stop = t.or("on_stop", default.on_stop, policy);
        let resync_interval = t.or("resync_interval", default.resync_interval, interval);
        let timeouts = t.optional("timeouts", timeouts);
        let marks = 1..=i64::from(u32::MAX - 0xffff);
        let path_marks = t.or("path_marks", default.path_marks, |v| v.integer(marks, ""));
        let sync_daemon = t.optional("sync_daemon", |v| sync_daemon(v, instances));
        Some(Ipvs {
            unmanaged: unmanaged?.value,
            on_stop: on_stop?.value,
            resync_interval: resync_interval?.value,
            timeouts: timeouts.map(|timeouts| timeouts.value),
            path_marks: path_marks?.value,
            sync_daemon: sync_daemon.map(|daemon| daemon.value),
        })
    })
}

/// Reads `[checks]`.
pub(crate) fn checks(table: Table<'_>) -> Option<Limits> {
    let spread = leaf::duration(Duration::from_millis(100)..=Duration::from_secs(3600));
    table.read("`[checks]`", |t| {
        let default = Limits::default();
        // One for those that do not answer, and one for the others.
        let total = t.or("max_running", default.total, |v| v.integer(2..=65_536, ""));
        let per_host =
            t.or("max_running_per_host", default.per_host, |v| v.integer(1..=65_536, ""));
        let first_runs = t.or("first_runs", default.first_runs, spread);
        Some(Limits {
            total: total?.value,
            per_host: per_host?.value,
            first_runs: first_runs?.value,
        })
    })
}

fn policy(value: Value<'_>) -> Option<Policy> {
    value.choice(&[("keep", Policy::Keep), ("remove", Policy::Remove)])
}

fn timeouts(value: Value<'_>) -> Option<Timeouts> {
    value.table("`timeouts`", |t| {
        let seconds = leaf::seconds(Duration::ZERO..=LONGEST_TIMEOUT);
        let tcp = t.or("tcp", 0, &seconds);
        let tcp_fin = t.or("tcp_fin", 0, &seconds);
        let udp = t.or("udp", 0, &seconds);
        Some(Timeouts { tcp: tcp?.value, tcp_fin: tcp_fin?.value, udp: udp?.value })
    })
}
