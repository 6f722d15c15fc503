//! `REFERENCE.md` has every key that the reader knows, and no other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const REFERENCE: &str = include_str!("../REFERENCE.md");

/// A file with an unknown key in each table: the help of that error lists the known ones.
const UNKNOWN: &str = r#"
zzzzzzzz = 1
[global]
zzzzzzzz = 1
[ipvs]
zzzzzzzz = 1
timeouts = { zzzzzzzz = 1 }
sync_daemon = { zzzzzzzz = 1 }
[checks]
zzzzzzzz = 1
[virtual_server.web]
zzzzzzzz = 1
persistence = { zzzzzzzz = 1 }
tunnel = { zzzzzzzz = 1 }
real_servers = [{ zzzzzzzz = 1 }]
sorry_servers = [{ zzzzzzzz = 1 }]
quorum_up = { zzzzzzzz = 1 }
drain = { zzzzzzzz = 1 }
checks = [
    { zzzzzzzz = 1, flap_damping = { zzzzzzzz = 1 } },
    { tcp_check = { zzzzzzzz = 1, send = { zzzzzzzz = 1 }, expect = { zzzzzzzz = 1 } } },
    { http_get = { zzzzzzzz = 1, tls = { zzzzzzzz = 1 }, auth = { zzzzzzzz = 1 }, urls = [{ zzzzzzzz = 1 }] } },
    { misc_check = { zzzzzzzz = 1 } },
    { dns_check = { zzzzzzzz = 1 } },
    { udp_check = { zzzzzzzz = 1, expect = { zzzzzzzz = 1 } } },
    { ping_check = { zzzzzzzz = 1 } },
    { smtp_check = { zzzzzzzz = 1 } },
    { file_check = { zzzzzzzz = 1 } },
    { agent_check = { zzzzzzzz = 1 } },
    { grpc_check = { zzzzzzzz = 1 } },
]
[vrrp_instance.VI_1]
zzzzzzzz = 1
virtual_addresses = [{ zzzzzzzz = 1 }]
virtual_routes = [{ zzzzzzzz = 1 }]
virtual_rules = [{ zzzzzzzz = 1 }]
authentication = { zzzzzzzz = 1 }
announce = { zzzzzzzz = 1 }
heartbeats = [{ zzzzzzzz = 1 }]
notify = { zzzzzzzz = 1 }
track = { zzzzzzzz = 1, interfaces = [{ zzzzzzzz = 1 }], scripts = [{ zzzzzzzz = 1 }] }
[vrrp_sync_group.G]
zzzzzzzz = 1
[track_script.a]
zzzzzzzz = 1
[track_file.a]
zzzzzzzz = 1
[track_process.a]
zzzzzzzz = 1
"#;

/// What a table is called in an error, and its heading in the reference.
const HEADINGS: &[(&str, &str)] = &[
    ("a configuration", "The top of a file"),
    ("`[global]`", "`[global]`"),
    ("`[ipvs]`", "`[ipvs]`"),
    ("`[checks]`", "`[checks]`"),
    ("`timeouts`", "`timeouts`"),
    ("`sync_daemon`", "`sync_daemon`"),
    ("a virtual server", "`[virtual_server.NAME]`"),
    ("`persistence`", "`persistence`"),
    ("`tunnel`", "`tunnel`"),
    ("a real server", "`real_servers`"),
    ("a sorry server", "`sorry_servers`"),
    ("a script", "`quorum_up` and `quorum_down`"),
    ("`drain`", "`drain`"),
    ("a check", "`checks`"),
    ("`flap_damping`", "`flap_damping`"),
    ("`tcp_check`", "`tcp_check`"),
    ("`send`", "`send`"),
    ("`expect`", "`expect`"),
    ("`http_get`", "`http_get`"),
    ("a URL", "`urls`"),
    ("`auth`", "`auth`"),
    ("`tls`", "`tls`"),
    ("`misc_check`", "`misc_check`"),
    ("`dns_check`", "`dns_check`"),
    ("`udp_check`", "`udp_check`"),
    ("`udp_check.expect`", "`udp_check.expect`"),
    ("`ping_check`", "`ping_check`"),
    ("`smtp_check`", "`smtp_check`"),
    ("`file_check`", "`file_check`"),
    ("`agent_check`", "`agent_check`"),
    ("`grpc_check`", "`grpc_check`"),
    ("a VRRP instance", "`[vrrp_instance.NAME]`"),
    ("a virtual address", "`virtual_addresses` and `excluded_addresses`"),
    ("a virtual route", "`virtual_routes`"),
    ("a virtual rule", "`virtual_rules`"),
    ("`authentication`", "`authentication`"),
    ("`announce`", "`announce`"),
    ("a heartbeat", "`heartbeats`"),
    ("`notify`", "`notify`"),
    ("`track`", "`track`"),
    ("a tracked interface", "`track.interfaces`"),
    ("an entry of `track`", "the other entries of `track`"),
    ("a sync group", "`[vrrp_sync_group.NAME]`"),
    ("a tracked script", "`[track_script.NAME]`"),
    ("a tracked file", "`[track_file.NAME]`"),
    ("a tracked process", "`[track_process.NAME]`"),
];

/// The words between backticks.
fn words(text: &str) -> BTreeSet<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[test]
fn the_reference_has_every_key_and_no_other() {
    let errors = config::parse(Path::new("unknown.toml"), UNKNOWN).unwrap_err();
    let mut known = BTreeMap::new();
    for error in &errors {
        let table = error.message.strip_prefix("unknown key `zzzzzzzz` in ");
        let keys = error.help.as_deref().and_then(|help| help.strip_prefix("known keys: "));
        if let (Some(table), Some(keys)) = (table, keys) {
            known.insert(table, words(keys));
        }
    }
    let mut described = BTreeMap::new();
    for section in REFERENCE.split("\n## ").skip(1) {
        let (heading, text) = section.split_once('\n').unwrap();
        let (table, _) = HEADINGS.iter().find(|(_, known)| *known == heading).expect(heading);
        let keys = text.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
        described.insert(*table, keys.collect::<BTreeSet<_>>());
    }
    assert_eq!(known.len(), HEADINGS.len());
    assert_eq!(known, described);
}
