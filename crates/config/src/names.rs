//! Hints for keys that are not known.

/// Keys that the configuration will have, but not in this version.
const NOT_YET: &[&str] = &["bfd_check"];

/// keepalived's keywords, and what stands in their place here.
const KEEPALIVED: &[(&str, &str)] = &[
    ("advert_int", "`advert_interval`"),
    ("auth_pass", "`authentication = { type = \"pass\", password = \"...\" }`"),
    ("auth_type", "`authentication = { type = \"pass\", password = \"...\" }`"),
    ("bind_if", "`interface`"),
    ("bindto", "`source`"),
    ("connect_ip", "`address`"),
    ("connect_port", "`port`"),
    ("connect_timeout", "`timeout`, beside the check's kind"),
    ("delay_loop", "`interval` in each of the `checks`"),
    ("dev", "`interface`"),
    ("dns_check", "`dns_check` in one of the `checks`"),
    ("fwmark", "`mark`"),
    ("file_check", "`file_check` in one of the `checks`"),
    ("garp_master_delay", "`announce.delay`"),
    ("garp_master_refresh", "`announce.refresh`"),
    ("garp_master_repeat", "`announce.repeat`"),
    ("global_defs", "`[global]`"),
    ("group", "`instances`"),
    ("http_get", "`http_get` in one of the `checks`"),
    ("inhibit_on_failure", "`on_failure = \"weight_zero\"`"),
    ("init_fail", "`initial = \"down\"`"),
    ("inst", "`follows`"),
    ("ip_family", "`family`"),
    ("lb_algo", "`scheduler`"),
    ("lb_kind", "`forward`"),
    ("lthreshold", "`lower_threshold`"),
    ("lvs_flush", "`unmanaged = \"remove\"` in `[ipvs]`"),
    ("lvs_flush_on_stop", "`on_stop = \"remove\"` in `[ipvs]`"),
    ("lvs_method", "`forward`"),
    ("lvs_sched", "`scheduler`"),
    ("lvs_sync_daemon", "`sync_daemon` in `[ipvs]`"),
    ("lvs_sync_daemon_interface", "`sync_daemon` in `[ipvs]`"),
    ("lvs_timeouts", "`timeouts` in `[ipvs]`"),
    ("maxlen", "`max_length`"),
    ("mcast_src_ip", "`source_address`"),
    ("min_reply_length", "`expect.hex`, in which `??` stands for any byte"),
    ("max_reply_length", "`expect.regex`"),
    ("min_ttl", "`unicast_min_ttl`"),
    ("misc_path", "`command`, an array: program and arguments"),
    ("misc_timeout", "`timeout`, beside the check's kind"),
    ("no_accept", "`accept = false`"),
    ("nopreempt", "`preempt = false`"),
    ("notify_backup", "`notify.backup`"),
    ("notify_fault", "`notify.fault`"),
    ("notify_master", "`notify.master`"),
    ("notify_stop", "`notify.stop`"),
    ("onlink", "`on_link`"),
    ("ops", "`one_packet = true`"),
    ("payload", "`send`"),
    ("persistence_granularity", "`persistence.netmask`, or `persistence.prefix` for IPv6"),
    ("persistence_timeout", "`persistence = { timeout = \"6m\" }`"),
    ("ping_check", "`ping_check` in one of the `checks`"),
    ("preference", "`priority`"),
    ("real_server", "`real_servers`"),
    ("retry", "`fall`, which is `retry` + 1"),
    ("smtp_check", "`smtp_check` in one of the `checks`"),
    ("sni_name", "`tls.server_name`"),
    ("sorry_server", "`sorry_servers`, an array"),
    ("sorry_server_lvs_method", "`forward` in one of the `sorry_servers`"),
    ("src", "`source`"),
    ("ssl_get", "`http_get` with `https = true`"),
    ("state", "`priority` alone: 255 is the owner, the highest one is master"),
    ("status_code", "`status`"),
    ("tcp_check", "`tcp_check` in one of the `checks`"),
    ("track_file", "`track.files`"),
    ("track_interface", "`track.interfaces`"),
    ("track_process", "`track.processes`"),
    ("track_script", "`track.scripts`"),
    ("udp_check", "`udp_check` in one of the `checks`"),
    ("unicast_peer", "`unicast_peers`"),
    ("unicast_src_ip", "`source_address`"),
    ("uthreshold", "`upper_threshold`"),
    ("virtual_ipaddress", "`virtual_addresses`"),
    ("virtual_server_group", "`addresses`"),
    ("virtualhost", "`host`"),
    ("vrrp_instance", "`[vrrp_instance.NAME]`"),
    ("vrrp_notify_fifo", "`notify_fifo` in `[global]`"),
    ("vrrp_script", "`[track_script.NAME]`"),
    ("vrrp_track_file", "`[track_file.NAME]`"),
    ("vrrp_track_process", "`[track_process.NAME]`"),
    ("vrrp_version", "`version` in each VRRP instance"),
    ("warmup", "`jitter`, which spreads the runs from the first one on"),
];

/// What to do about `key`, which is none of `known`.
pub(crate) fn hint(key: &str, known: &[&str]) -> String {
    if NOT_YET.contains(&key) {
        return format!("this version does not have `{key}` yet");
    }
    let keyword = key.to_ascii_lowercase();
    if let Some((_, here)) = KEEPALIVED.iter().find(|(name, _)| *name == keyword) {
        return format!("keepalived's `{key}` is here {here}");
    }
    if let Some(near) = nearest(key, known) {
        return format!("did you mean `{near}`?");
    }
    one_of("known keys", known)
}

/// `INTRO: a, b, c`.
pub(crate) fn one_of(intro: &str, names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    format!("{intro}: {}", names.join(", "))
}

/// The name that `word` may be a slip of: at most a third of it differs, swapped neighbours
/// counting once, upper case not counting at all.
pub(crate) fn nearest<'a>(word: &str, names: &[&'a str]) -> Option<&'a str> {
    let word = word.to_lowercase();
    let limit = (word.chars().count() / 3).clamp(1, 4);
    names
        .iter()
        .map(|name| (strsim::osa_distance(&word, &name.to_lowercase()), *name))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keepaliveds_words_are_translated() {
        let known = ["interface", "unicast_min_ttl"];
        assert_eq!(hint("min_ttl", &known), "keepalived's `min_ttl` is here `unicast_min_ttl`");
    }

    #[test]
    fn slips_are_recognised_and_other_words_are_not() {
        let names = ["scheduler", "scheduler_flags", "address", "addresses", "path"];
        assert_eq!(nearest("shceduler", &names), Some("scheduler"));
        assert_eq!(nearest("Address", &names), Some("address"));
        assert_eq!(nearest("adresses", &names), Some("addresses"));
        assert_eq!(nearest("pth", &names), Some("path"));
        assert_eq!(nearest("colour", &names), None);
        assert_eq!(nearest("x", &names), None);
    }
}
