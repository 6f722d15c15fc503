//! `[global]` and `[ipvs]`.

use std::time::Duration;

use crate::leaf;
use crate::model::{Global, Ipvs, Policy};
use crate::reader::{Table, Value};

/// Reads `[global]`. The includes were followed before: here their key is known, no more.
pub(crate) fn global(table: Table<'_>) -> Option<Global> {
    table.read("`[global]`", |t| {
        let default = Global::default();
        t.value("include");
        let router_id = t.optional("router_id", leaf::text);
        let control_socket = t.or("control_socket", default.control_socket, leaf::absolute_path);
        let state_dir = t.or("state_dir", default.state_dir, leaf::absolute_path);
        Some(Global {
            router_id: router_id.map(|id| id.value),
            control_socket: control_socket?.value,
            state_dir: state_dir?.value,
        })
    })
}

/// Reads `[ipvs]`.
pub(crate) fn ipvs(table: Table<'_>) -> Option<Ipvs> {
    let interval = leaf::duration(Duration::from_millis(100)..=Duration::from_secs(86_400));
    table.read("`[ipvs]`", |t| {
        let default = Ipvs::default();
        let unmanaged = t.or("unmanaged", default.unmanaged, policy);
        let on_stop = t.or("on_stop", default.on_stop, policy);
        let resync_interval = t.or("resync_interval", default.resync_interval, interval);
        Some(Ipvs {
            unmanaged: unmanaged?.value,
            on_stop: on_stop?.value,
            resync_interval: resync_interval?.value,
        })
    })
}

fn policy(value: Value<'_>) -> Option<Policy> {
    value.choice(&[("keep", Policy::Keep), ("remove", Policy::Remove)])
}
