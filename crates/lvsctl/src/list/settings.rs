//! The sync daemons and the timeouts as ipvsadm lists them.

use ipvs::{Daemon, DaemonRole, Timeouts};

/// The sync daemons as `ipvsadm -L --daemon` prints them.
pub(super) fn render_daemons(daemons: &[Daemon]) -> String {
    daemons.iter().map(render_daemon).collect()
}

fn render_daemon(daemon: &Daemon) -> String {
    let role = match daemon.role {
        DaemonRole::Master => "master",
        DaemonRole::Backup => "backup",
    };
    let mut text =
        format!("{role} sync daemon (mcast={}, syncid={}", daemon.interface, daemon.sync_id);
    if let Some(length) = daemon.max_length {
        text += &format!(", maxlen={length}");
    }
    if let Some(group) = daemon.group {
        text += &format!(", group={group}");
    }
    if let Some(port) = daemon.port {
        text += &format!(", port={port}");
    }
    if let Some(ttl) = daemon.ttl {
        text += &format!(", ttl={ttl}");
    }
    text + ")\n"
}

/// The timeouts as `ipvsadm -L --timeout` prints them.
pub(super) fn render_timeouts(timeouts: Timeouts) -> String {
    let Timeouts { tcp, tcp_fin, udp } = timeouts;
    format!("Timeout (tcp tcpfin udp): {tcp} {tcp_fin} {udp}\n")
}
