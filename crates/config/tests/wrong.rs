//! Wrong files: each error is at its place, and the whole text is as recorded in `snapshots/`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use config::Errors;

/// Name of a file in `wrong/`, and line, column and part of the message of each of its errors.
/// Written by hand.
type Wrong = (&'static str, &'static [(usize, usize, &'static str)]);

const WRONG: &[Wrong] = &[
    (
        "bad_addresses",
        &[
            (3, 5, "`192.0.2.10` is no address with port"),
            (4, 5, "`2001:db8::10:80` is no address with port"),
            (5, 5, "`192.0.2.10:http` is no address with port"),
            (6, 5, "`www.example.com:80` is no address with port"),
            (7, 5, "`2001:db8::10` is no address with port"),
            (8, 5, "a service cannot be at 224.0.0.18"),
            (9, 5, "`[fe80::1%2]:80` has a zone"),
        ],
    ),
    (
        "check_kinds",
        &[
            (5, 1, "a check without a kind"),
            (10, 12, "not both `tcp_check` and `http_get`"),
            (13, 1, "unknown key `htp_get`"),
        ],
    ),
    (
        "check_times",
        &[
            (7, 11, "a timeout of 3s is longer than the interval of 1s"),
            (11, 12, "`interval` is an integer, not a duration"),
            (12, 11, "`1,5s` is no duration"),
            (13, 8, "`rise` is out of range"),
            (14, 8, "`fall` is a string, not an integer"),
            (15, 10, "`jitter` is out of range"),
            (19, 12, "`1m30s` is no duration"),
            (20, 11, "`timeout` is out of range"),
            (24, 17, "a fast interval of 3s is longer than the interval of 2s"),
            (25, 17, "`down_interval` is out of range"),
            (26, 11, "`initial` cannot be `alpha`"),
            (27, 16, "`flap_damping` needs `within`"),
            (27, 26, "`falls` is out of range"),
        ],
    ),
    (
        "dns_check",
        &[
            (8, 13, "`transport` cannot be `tls`"),
            (9, 8, "`www..example.com` is no domain name"),
            (10, 8, "`type` cannot be `aaaa`"),
            (11, 9, "`rcode` is an integer"),
            (12, 9, "`match` without `answers`"),
            (13, 15, "`min_answers` is out of range"),
            (16, 37, "an error has no records"),
            (16, 38, "`2001:db8::1` cannot be the answer"),
            (19, 41, "`192.0.2.1` cannot be the answer"),
            (22, 25, "`answers` is empty"),
            (25, 29, "an error has no records"),
            (28, 40, "`answers` of records of type TLSA"),
        ],
    ),
    ("duplicate_key", &[(6, 1, "`scheduler` is there twice")]),
    ("duplicate_name", &[(5, 17, "`web` is there twice")]),
    ("duplicate_real_server", &[(11, 11, "the real server 198.51.100.11:80 is defined twice")]),
    ("duplicate_service", &[(6, 31, "the service tcp 192.0.2.10:80 is defined twice")]),
    (
        "families",
        &[
            (3, 26, "`prefix` without an IPv6 service"),
            (6, 11, "2001:db8::11 is not of the address family of its service"),
            (14, 36, "no connection from 2001:db8::1 to 198.51.100.13"),
        ],
    ),
    (
        "families_sync_daemon",
        &[
            (7, 18, "2001:db8::99 is not of the address family of its service"),
            (10, 11, "2001:db8::11 is not of the address family of its service"),
            (19, 29, "198.51.100.13 is not of the address family of its service"),
        ],
    ),
    (
        "further_checks",
        &[
            (7, 13, "`helo_name` is no host"),
            (8, 14, "`encryption` cannot be `STARTTLS`"),
            (11, 22, "`tls` without encryption"),
            (14, 14, "`file_check` needs `path`"),
            (14, 24, "`value` cannot be `percentage`"),
            (17, 23, "`path` is no absolute path"),
            (20, 32, "`0` is no bytes in hexadecimal"),
            (20, 39, "unknown key `agent`"),
            (23, 26, "`service` is empty"),
            (23, 37, "`host` is no host"),
        ],
    ),
    (
        "impossible_checks",
        &[
            (6, 48, "an answer of this status has no body"),
            (9, 44, "`user-agent` twice among the headers"),
            (12, 14, "a `max_latency` of 1s with a timeout of 1s"),
            (17, 16, "5 falls within 11s cannot be: with these intervals they take 12s at least"),
            (21, 31, "a server that chooses `http/1.1` does not speak gRPC"),
            (24, 29, "a name has no more than one record of this type"),
            (27, 24, "`expect` is longer than what is read"),
        ],
    ),
    (
        "http_get",
        &[
            (7, 8, "`healthz` is no path"),
            (8, 8, "`host` is no host"),
            (9, 13, "`X Probe` is no header name"),
            (9, 30, "`Host` among the headers"),
            (9, 65, "the value of `X-Line` cannot be sent"),
            (10, 10, "`status` is empty"),
            (14, 8, "`/a b` is no path"),
            (15, 11, "`200-` is no status"),
            (15, 19, "`status` is out of range"),
            (15, 24, "`299-200` is an empty range"),
            (15, 35, "`2xx` is no status"),
            (17, 7, "`tls` without HTTPS"),
            (17, 35, "`ca_file` without `verify`"),
            (20, 21, "`/#top` is no path"),
            (20, 48, "`ca_file` is no absolute path"),
            (20, 58, "unknown key `sni`"),
            (23, 21, "`/a<b` is no path"),
            (23, 36, "`[::1` cannot be asked for"),
            (26, 21, "`2001:db8::1` cannot be asked for"),
            (26, 58, "`www.example.org:443` is no server name"),
            (29, 23, "`www.example.org:http` cannot be asked for"),
        ],
    ),
    (
        "http_requests",
        &[
            (7, 8, "a GET request has no body"),
            (8, 22, "`contains` is empty"),
            (9, 9, "`regex` is no regular expression: unclosed group"),
            (10, 14, "`regex_not` is no regular expression: look-around"),
            (10, 27, "the expression of `regex_not` is too large"),
            (11, 7, "`d41d8cd98f00b204` is no md5 digest"),
            (12, 10, "`md5` is no sha256 digest"),
            (13, 14, "`body_limit` is out of range"),
            (14, 11, "`version` cannot be `3`"),
            (19, 8, "a HEAD request has no body"),
            (20, 12, "the answer to HEAD has no body"),
            (20, 12, "longer than what is read"),
            (21, 16, "no answer can contain this and not contain it"),
            (26, 8, "`path` beside `urls`"),
            (27, 24, "unknown key `hots` in a URL"),
            (27, 73, "`Content-Length` among the headers"),
            (28, 17, "a user without a colon"),
            (32, 8, "`urls` is empty"),
            (33, 10, "`method` cannot be `DELETE`"),
            (38, 8, "`auth` beside a header `Authorization`"),
        ],
    ),
    (
        "include_itself",
        &[
            (2, 12, "include_itself.toml is read a second time"),
            // In included/b.toml:
            (2, 12, "a.toml is read a second time"),
            (5, 1, "`on_stop` is there in two files"),
            (8, 17, "`web` is there in two files"),
            (13, 11, "the service tcp 192.0.2.10:80 is defined twice"),
            (14, 29, "`` is no address"),
        ],
    ),
    ("include_missing", &[(2, 29, "there is no file `no-such-file.toml`"), (2, 50, "`a**b`: ")]),
    (
        "many",
        &[
            (3, 1, "unknown key `router`"),
            (4, 13, "`state_dir` is no absolute path"),
            (7, 11, "`on_stop` cannot be `flush`"),
            (12, 20, "a flag of the scheduler `mh`, not of `sh`"),
            (16, 11, "a timeout of 2s"),
            (17, 21, "`healthz` is no path"),
            (17, 42, "`20` is no status"),
            (20, 11, "the real server's port 81 is not the service's 80"),
            (23, 1, "unknown key `adress`"),
            (24, 10, "`weight` is a float"),
            (26, 1, "a VRRP instance needs `interface`"),
            (27, 21, "`virtual_router_id` is out of range"),
            (28, 12, "`priority` is out of range"),
            (29, 39, "the virtual address 192.0.2.10 is there twice"),
            (31, 2, "unknown key `vrrp_instances`"),
        ],
    ),
    (
        "misc_check",
        &[
            (5, 32, "`command` is empty"),
            (6, 33, "the program `check-db` is no absolute path"),
            (7, 32, "`command` is a string, not an array"),
            (8, 20, "`misc_check` needs `command`"),
            (9, 54, "`user` is empty"),
            (10, 55, "`group` is empty"),
            (10, 71, "`directory` is no absolute path"),
            (10, 95, "`dynamic_weight` is an integer"),
        ],
    ),
    (
        "missing_keys",
        &[
            (1, 1, "a virtual server needs `address`, `addresses` or `fwmark`"),
            (1, 1, "a virtual server needs `real_servers`"),
            (6, 1, "a real server needs `address`"),
            (9, 1, "a VRRP instance needs `virtual_router_id`"),
            (9, 1, "a VRRP instance needs `virtual_addresses`"),
        ],
    ),
    ("names", &[(1, 17, "`the web` cannot be a name"), (5, 16, "`` cannot be a name")]),
    ("not_yet", &[(9, 1, "unknown key `bfd_check`")]),
    (
        "password_in_version_3",
        &[
            (4, 18, "`authentication` with version 3"),
            (13, 8, "`type` cannot be `ah`"),
            (14, 1, "unknown key `pasword`"),
        ],
    ),
    (
        "password_syntax",
        &[
            (2, 57, "missing comma between key-value pairs"),
            (2, 63, "invalid literal string"),
            (4, 21, "invalid basic string"),
        ],
    ),
    ("password_too_long", &[(5, 46, "the password has 14 bytes")]),
    (
        "ping_check",
        &[
            (7, 9, "`count` is out of range"),
            (8, 11, "`1us` is no duration"),
            (9, 12, "a loss of 100 % passes"),
            (10, 15, "`max_latency` is an integer"),
            (11, 1, "unknown key `port`"),
            (15, 14, "the last of 6 requests would be sent after 500ms"),
        ],
    ),
    (
        "ports",
        &[
            (5, 11, "the real server's port 8080 is not the service's 80"),
            (8, 11, "the real server 198.51.100.12 has no port"),
            (15, 11, "the real server 198.51.100.14 has no port"),
            (19, 11, "the service tcp 192.0.2.11:0 without persistence"),
            (20, 25, "`tcp_check` has no port to connect to"),
        ],
    ),
    (
        "quorum",
        &[
            (3, 10, "`quorum` 5 is above the sum of the weights, 4"),
            (12, 14, "`quorum` 3 and `hysteresis` 2 are above the sum of the weights, 4"),
            (17, 10, "`quorum` 2 is above the sum of the weights, 0"),
            (22, 14, "`hysteresis` 1 is not below `quorum` 1"),
            (28, 14, "`hysteresis` 2 is not below `quorum` 2"),
            (33, 10, "`quorum` is out of range"),
            (34, 14, "`hysteresis` is out of range"),
            (41, 58, "`weight` is out of range"),
        ],
    ),
    (
        "ranges",
        &[
            (3, 5, "`192.0.2.20-10:80` is no range with port"),
            (4, 5, "`192.0.2.10-256:80` is no range with port"),
            (5, 5, "`192.0.2.10-2001:db8::1:80` is no range with port"),
            (6, 5, "`192.0.2.17/28:80` is no range with port"),
            (7, 5, "`192.0.2.0/33:80` is no range with port"),
            (8, 5, "`192.0.2.0/-1:80` is no range with port"),
            (9, 5, "`192.0.2.10-20` is no range with port"),
            (10, 5, "`192.0.2.10-20:+80` is no range with port"),
            (11, 5, "`[2001:db8::ffff-1]:80` is no range with port"),
            (12, 5, "`[2001:db8::1-10000]:80` is no range with port"),
            (13, 5, "`[2001:db8::1/120]:80` is no range with port"),
            (14, 5, "`[2001:db8::/129]:80` is no range with port"),
            (15, 5, "`2001:db8::10-20:80` is no address with port"),
            (16, 5, "a service cannot be at 224.0.0.0"),
            (21, 34, "the service tcp 192.0.2.48:80 is defined twice"),
            (22, 29, "`198.51.100.11-12:80` is a range"),
            (25, 11, "more than 4096 services"),
            (29, 32, "more than 4096 services"),
            (33, 11, "more than 4096 services"),
            (38, 29, "the real server's port 8080 is not the service's 80"),
        ],
    ),
    (
        "scheduler",
        &[
            (4, 31, "a flag of the scheduler `sh`, not of `mh`"),
            (4, 42, "`scheduler_flags` cannot be `mh-prt`"),
            (5, 14, "`one_packet` for tcp"),
            (10, 12, "`protocol` cannot be `UDP`"),
            (11, 13, "`weighted-least-connection` cannot be a `scheduler`"),
            (12, 22, "`persistence_engine` without `persistence`"),
        ],
    ),
    (
        "scripts",
        &[
            (3, 13, "`quorum_up` is a string, not an array"),
            (4, 16, "the program `tell` is no absolute path"),
            (9, 13, "a script needs `command`"),
            (9, 22, "`user` is empty"),
            (10, 27, "`command` is empty"),
            (10, 31, "unknown key `arguments` in a script"),
            (15, 13, "`quorum_up` is empty"),
            (16, 29, "`quorum_down` is an integer, not a string"),
        ],
    ),
    (
        "sip",
        &[
            (4, 22, "the engine `sip` for tcp"),
            (10, 22, "`persistence_engine` without `persistence`"),
            (10, 22, "the engine `sip` for sctp"),
        ],
    ),
    (
        "sorry_servers",
        &[
            (4, 5, "the sorry server's port 8080 is not the service's 80"),
            (5, 5, "2001:db8::90 is not of the address family of its service"),
            (5, 5, "the sorry server 2001:db8::90 has no port"),
            (6, 46, "`weight` is out of range"),
            (7, 37, "unknown key `checks` in a sorry server"),
            (8, 5, "the sorry server 198.51.100.11:80 is a real server too"),
            (10, 17, "the sorry server 198.51.100.93:80 is defined twice"),
            (11, 5, "a sorry server needs `address`"),
            (12, 5, "`sorry_servers` is an integer, not a string"),
            (13, 5, "a sorry server cannot be 224.0.0.1"),
            (14, 63, "`tunnel` without `forward = \"tunnel\"`"),
            (22, 9, "`panic = \"sorry\"` without `sorry_servers`"),
            (27, 9, "`panic = \"sorry\"` without `sorry_servers`"),
            (34, 18, "the sorry server 198.51.100.90 has no port"),
            (36, 1, "unknown key `sorry_server`"),
        ],
    ),
    (
        "sync_daemon",
        &[
            (2, 13, "`eth 1` cannot be an interface"),
            (3, 6, "`id` is out of range"),
            (4, 11, "there is no VRRP instance `VI-1`"),
            (5, 8, "a sync daemon has `follows` or `role`, not both"),
            (6, 9, "192.0.2.1 is no multicast group"),
            (7, 8, "`port` is out of range"),
            (8, 7, "`ttl` is out of range"),
            (9, 14, "`max_length` is out of range"),
            (10, 1, "unknown key `syncid` in `sync_daemon`"),
        ],
    ),
    ("sync_daemon_broken", &[(8, 21, "`virtual_router_id` is out of range")]),
    ("sync_daemon_length", &[(5, 14, "`max_length` of 65488 bytes with an IPv6 group")]),
    ("sync_daemon_nobody", &[(3, 11, "there is no VRRP instance `VI_1`")]),
    (
        "sync_daemon_role",
        &[(1, 1, "a sync daemon without a role"), (1, 1, "`sync_daemon` needs `interface`")],
    ),
    ("syntax", &[(2, 13, "string values must be quoted"), (5, 25, "invalid basic string")]),
    (
        "sync_groups",
        &[
            (10, 12, "two priorities in the sync group `pair`"),
            (12, 21, "interface eth2 is tracked differently in the sync group `pair`"),
            (21, 30, "there is no VRRP instance `VI_4`"),
            (21, 38, "the instance `VI_1` is in two groups, or twice in one"),
            (25, 21, "interface eth3 has weight -5 with priority 255"),
            (28, 14, "the instance `VI_2` is in two groups, or twice in one"),
            (31, 13, "a sync group without instances"),
            (33, 1, "a sync group needs `instances`"),
            (34, 1, "unknown key `group`"),
        ],
    ),
    (
        "tcp_check",
        &[
            (6, 22, "`send` is empty"),
            (6, 35, "`expect` needs `hex` or `regex`"),
            (9, 30, "`0d 0` is no bytes in hexadecimal"),
            (9, 57, "`xx` is no bytes in hexadecimal"),
            (12, 22, "`send` needs `hex`"),
            (12, 24, "unknown key `text` in `send`"),
            (12, 47, "`expect` has one of `hex` and `regex`, not both"),
            (15, 22, "`send` is an integer, not a string"),
            (15, 44, "`regex` is no regular expression: unclosed character class"),
        ],
    ),
    (
        "thresholds_and_weights",
        &[
            (3, 27, "`timeout` is not in seconds"),
            (3, 47, "`netmask` is out of range"),
            (7, 10, "`weight` is out of range"),
            (9, 19, "`lower_threshold` 200 is above `upper_threshold` 100"),
            (13, 10, "`weight` is out of range"),
            (14, 19, "`lower_threshold` 10 is above `upper_threshold` 0"),
            (18, 19, "`upper_threshold` is out of range"),
        ],
    ),
    (
        "timeouts",
        &[
            (2, 20, "`15min` is no duration"),
            (2, 39, "`tcp_fin` is not in seconds"),
            (2, 55, "`udp` is an integer, not a duration"),
            (2, 60, "unknown key `tcpfin` in `timeouts`"),
            (3, 15, "`sync_daemon` is a string, not a table"),
            (4, 1, "unknown key `lvs_timeouts`"),
        ],
    ),
    (
        "timeouts_range",
        &[(2, 19, "`maintenance_dir` is no absolute path"), (5, 20, "`tcp` is out of range")],
    ),
    (
        "tracking",
        &[
            (2, 11, "`command` is a string, not an array"),
            (4, 11, "a timeout of 2s is longer than the interval of 1s"),
            (5, 10, "`weight` is out of range"),
            (6, 11, "`initial` cannot be `failed`"),
            (9, 1, "unknown key `comand`"),
            (12, 8, "`path` is no absolute path"),
            (13, 10, "`weight` is a float"),
            (16, 11, "`process` is empty"),
            (17, 10, "`quorum` 3 is above `quorum_max` 2"),
            (24, 29, "interface eth1 is tracked twice"),
            (25, 18, "there is no tracked script `ngnix`"),
            (25, 54, "`weight` is out of range"),
            (25, 61, "an entry of `track` needs `name`"),
            (26, 16, "there is no tracked file `cpu`"),
            (27, 26, "there is no virtual server `web`"),
            (28, 1, "unknown key `track_script`"),
            (29, 22, "the program `on-master` is no absolute path"),
            (29, 36, "unknown key `slave`"),
            (29, 69, "`timeout` is out of range"),
            (36, 21, "interface eth1 has weight -5 with priority 255"),
        ],
    ),
    (
        "tls",
        &[
            (6, 44, "a server that chooses `http/1.1` does not speak HTTP/2"),
            (9, 29, "a server that chooses `h2` does not speak HTTP/1"),
            (12, 34, "`key_file` without `certificate_file`"),
            (16, 28, "`certificate_file` is no absolute path"),
            (16, 57, "no warning before the failure"),
            (19, 40, "`expiry_warning` is out of range"),
            (19, 54, "`alpn` is empty"),
        ],
    ),
    (
        "tunnels",
        &[
            (3, 10, "`tunnel` without `forward = \"tunnel\"`"),
            (10, 10, "`tunnel` without `forward = \"tunnel\"`"),
            (16, 55, "a gue tunnel needs `port`"),
            (17, 73, "this tunnel has no such checksum"),
            (18, 55, "only a gue tunnel has a port"),
            (19, 55, "`type` cannot be `vxlan`"),
        ],
    ),
    (
        "two_kinds_of_key",
        &[
            (3, 10, "a virtual server has `address` or `fwmark`, not both"),
            (7, 13, "`addresses` is empty"),
            (11, 10, "`fwmark` is out of range"),
            (16, 12, "`protocol` beside `fwmark`"),
            (21, 10, "`family` without `fwmark`"),
        ],
    ),
    (
        "udp_check",
        &[
            (8, 8, "`send` is empty"),
            (9, 10, "`expect` has one of `hex` and `regex`"),
            (12, 30, "`00 ??` is no bytes in hexadecimal"),
            (12, 58, "`0` is not hexadecimal"),
            (12, 65, "unknown key `payload`"),
            (15, 32, "`xy` is not hexadecimal"),
            (18, 32, "`hex` is empty"),
            (21, 24, "`expect` needs `hex` or `regex`"),
            (24, 56, "`require_reply = false`"),
        ],
    ),
    (
        "unknown_key",
        &[
            (3, 1, "unknown key `shceduler`"),
            (4, 1, "unknown key `colour`"),
            (5, 1, "unknown key `lb_kind`"),
            (9, 1, "unknown key `weigth`"),
        ],
    ),
    (
        "via",
        &[
            (4, 33, "`via = \"vip\"` with `forward = \"nat\"`"),
            (9, 32, "`via = \"vip\"` in a service by `fwmark`"),
            (14, 33, "`via = \"vip\"` with a real server of another address family"),
            (23, 38, "`address` beside `via = \"vip\"`"),
            (23, 64, "`interface` beside `via = \"vip\"`"),
            (23, 79, "`mark` beside `via = \"vip\"`"),
            (26, 21, "`via` cannot be `lo`"),
            (29, 16, "unknown key `via`"),
        ],
    ),
    (
        "vrrp_accept",
        &[
            (8, 5, "a route from 192.0.2.10, which takes nothing in"),
            (15, 10, "`accept` is a string, not `true` or `false`"),
        ],
    ),
    (
        "vrrp_addresses",
        &[
            (5, 5, "`33` is no prefix length"),
            (6, 5, "`192.0.2.300/24` is no address"),
            (7, 5, "a virtual address cannot be 224.0.0.1"),
            (8, 42, "the label `eth1:1` does not start with `eth0`"),
            (9, 42, "the label `eth0:a-long-word` has 16 bytes"),
            (10, 5, "2001:db8::10 among IPv4 addresses"),
            (10, 44, "a label for 2001:db8::10"),
            (11, 7, "unknown key `adress`"),
            (12, 5, "`virtual_addresses` is an integer"),
            (18, 11, "version 2 over IPv6"),
            (19, 22, "the virtual address 2001:db8::10 is there twice"),
            (20, 40, "the virtual address 2001:db8::10 is there twice"),
            (26, 42, "`scope` cannot be `world`"),
            (27, 5, "2001:db8::11 among IPv4 addresses"),
            (27, 44, "a scope for 2001:db8::11"),
        ],
    ),
    (
        "vrrp_duplicates",
        &[
            (4, 39, "the virtual address 192.0.2.10 is there twice"),
            (8, 21, "two instances with virtual router identifier 51 on eth0"),
            (15, 22, "the virtual address 192.0.2.11 is there twice"),
        ],
    ),
    (
        "vrrp_heartbeats",
        &[
            (6, 5, "a heartbeat over eth0, which has the adverts already"),
            (8, 5, "the heartbeat over eth1 to 10.9.0.2 is there twice"),
            (9, 34, "fe80::2 is no IPv4 address"),
            (10, 5, "a heartbeat needs `interface`"),
            (12, 20, "`on_silent_master` cannot be `wait`"),
        ],
    ),
    (
        "vrrp_owner",
        &[
            (5, 11, "`preempt = false` with priority 255"),
            (6, 17, "`preempt_delay` without preemption"),
            (6, 17, "`preempt_delay` with priority 255"),
            (7, 10, "`accept = false` with priority 255"),
            (13, 1, "unknown key `state`"),
            (14, 1, "unknown key `nopreempt`"),
            (16, 23, "`repeat` is out of range"),
            (16, 34, "`delay` is out of range"),
        ],
    ),
    (
        "vrrp_peers",
        &[
            (5, 18, "the peer 192.0.2.1 is this director itself"),
            (5, 44, "the peer 192.0.2.2 is there twice"),
            (5, 57, "a director cannot be at 224.0.0.18"),
            (5, 71, "2001:db8::2 is no IPv4 address"),
        ],
    ),
    (
        "vrrp_ranges",
        &[
            (2, 13, "`a-name-that-is-too-long` cannot be an interface"),
            (3, 21, "`virtual_router_id` is out of range"),
            (4, 12, "`priority` is out of range"),
            (5, 11, "`version` is out of range"),
            (7, 11, "`preempt` is a string"),
            (8, 21, "`virtual_addresses` is empty"),
            (13, 19, "version 3 cannot have this `advert_interval`"),
            (20, 19, "version 2 cannot have this `advert_interval`"),
            (26, 19, "version 3 cannot have this `advert_interval`"),
        ],
    ),
    (
        "vrrp_routes",
        &[
            (6, 5, "a virtual route needs `via` or `interface`"),
            (7, 12, "10.1.0.5 has bits beyond the prefix of 16"),
            (8, 12, "`33` is no prefix length"),
            (9, 12, "`lan` is no network"),
            (10, 33, "2001:db8::1 is no IPv4 address"),
            (10, 57, "2001:db8::2 is no IPv4 address"),
            (11, 29, "no host is at 0.0.0.0"),
            (12, 54, "`table` is out of range"),
            (12, 66, "`metric` is out of range"),
            (12, 76, "`mtu` is out of range"),
            (14, 5, "a route to 10.4.0.0/16 with this metric is in table 254 already"),
            (15, 53, "`via` with the type `blackhole`"),
            (16, 34, "`type` cannot be `throw`"),
            (17, 56, "`on_link` without `via` and `interface`"),
            (18, 59, "a scope for an IPv6 route"),
            (19, 5, "a virtual route needs `to`"),
            (19, 26, "unknown key `dev`"),
            (20, 5, "`virtual_routes` is a string, not a table"),
            (28, 5, "a route to 10.4.0.0/16 with this metric is in table 254 already"),
            (30, 5, "a route to default with this metric is in table 254 already"),
            (31, 37, "fe80::1 without `interface`"),
        ],
    ),
    (
        "vrrp_rules",
        &[
            (6, 5, "a virtual rule needs `priority`"),
            (7, 5, "a virtual rule needs `table`"),
            (8, 39, "`priority` is out of range"),
            (8, 50, "`table` is out of range"),
            (9, 33, "2001:db8:: is no IPv4 address"),
            (10, 53, "`table` with the type `prohibit`"),
            (11, 16, "`fwmask` without `fwmark`"),
            (12, 16, "the mark 0x100 has bits outside of its mask"),
            (15, 5, "the rule is there twice"),
            (16, 5, "one of two rules with equal priority holds the other"),
            (17, 65, "`type` cannot be `throw`"),
            (25, 5, "the rule is there twice"),
        ],
    ),
    (
        "vrrp_transport",
        &[
            (4, 19, "`unicast_min_ttl` without `unicast_peers`"),
            (5, 12, "`checksum` cannot be `none`"),
            (13, 19, "`unicast_min_ttl` is out of range"),
            (14, 12, "`checksum` with version 2"),
            (15, 15, "`start_delay` is out of range"),
            (22, 18, "192.0.2.1 is no IPv6 address"),
            (23, 18, "192.0.2.2 is no IPv6 address"),
            (24, 12, "`checksum` with IPv6"),
        ],
    ),
    (
        "vrrp_families",
        &[
            (5, 37, "2001:db8::1 among IPv4 addresses"),
            (11, 5, "fe80::10 among IPv4 addresses"),
            (12, 5, "2001:db8::2 among IPv4 addresses"),
            (21, 5, "a virtual address cannot be 127.0.0.1"),
            (22, 5, "a virtual address cannot be 0.1.2.3"),
            (23, 5, "a virtual address cannot be 10.0.1.0/24"),
            (24, 5, "a virtual address cannot be 10.0.1.255/24"),
            (28, 23, "a virtual address cannot be ::1"),
            (28, 34, "a virtual address cannot be ::ffff:10.0.0.4"),
        ],
    ),
    (
        "vrrp_vmac",
        &[
            (4, 18, "`vmac_interface` without `use_vmac`"),
            (11, 18, "`eth0` cannot be on top of itself"),
            (24, 12, "two instances whose virtual MAC is on `vrrp.53`"),
            (25, 59, "the label `eth1:1` does not start with `vrrp.53`"),
        ],
    ),
    (
        "when_it_fails",
        &[
            (3, 14, "`on_failure` cannot be `weight-zero`"),
            (4, 1, "unknown key `inhibit_on_failure`"),
            (5, 9, "`panic` cannot be `keep_last`"),
            (6, 15, "`max_ejected` is an integer, not per cent"),
            (7, 14, "`slow_start` is out of range"),
            (11, 12, "`10` is no duration"),
            (12, 7, "`udp` is a boolean, not a string"),
            (13, 14, "`persistent = \"wait\"` without `persistence`"),
            (17, 15, "`max_ejected` cannot be `101%`"),
            (22, 15, "`max_ejected` cannot be `50`"),
            (28, 14, "`slow_start` with the scheduler `mh`"),
            (33, 14, "`slow_start` with the scheduler `lc`"),
            (39, 14, "`slow_start` with the scheduler `fo`"),
            (45, 14, "`slow_start` with the scheduler `ovf`"),
        ],
    ),
    (
        "wrong_types",
        &[
            (2, 11, "`include` is a string, not an array"),
            (3, 13, "`router_id` is an integer, not a string"),
            (6, 13, "`unmanaged` is a boolean, not a string"),
            (7, 19, "`resync_interval` is an integer, not a duration"),
            (10, 11, "`address` is an integer, not a string"),
            (11, 14, "`one_packet` is a string, not `true` or `false`"),
            (12, 16, "`real_servers` is a table, not an array"),
            (15, 7, "`dns` is a string, not a table"),
        ],
    ),
];

fn errors(name: &str) -> Errors {
    // Relative, so that the texts do not depend on where the sources are.
    let path = PathBuf::from("tests/wrong").join(name).with_extension("toml");
    config::load(&path).expect_err(name)
}

#[test]
fn each_error_is_at_its_place() {
    for (name, expected) in WRONG {
        let errors = errors(name);
        let found: Vec<_> = errors
            .iter()
            .map(|error| {
                let position = error.position.unwrap_or_else(|| panic!("{name}: {error}"));
                (position.line, position.column, error.message.as_str())
            })
            .collect();
        let as_expected = found.len() == expected.len()
            && found.iter().zip(*expected).all(|(found, expected)| {
                (found.0, found.1) == (expected.0, expected.1) && found.2.contains(expected.2)
            });
        assert!(as_expected, "{name}\nfound: {found:#?}\nexpected: {expected:#?}");
    }
}

#[test]
fn every_wrong_file_is_in_the_table() {
    let files: BTreeSet<_> = Path::new("tests/wrong")
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let table: BTreeSet<_> = WRONG.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(files, table);
}

#[test]
fn the_texts_are_as_recorded() {
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        for (name, _) in WRONG {
            insta::assert_snapshot!(*name, errors(name).to_string());
        }
    });
}

#[test]
fn no_error_shows_a_password() {
    for name in ["password_too_long", "password_in_version_3", "password_syntax"] {
        let errors = errors(name);
        for text in [errors.render(false), errors.render(true), format!("{errors:?}")] {
            assert!(!text.contains("hush"), "{text}");
        }
    }
}

#[test]
fn colours_are_added_on_request_only() {
    let errors = errors("many");
    assert!(!errors.render(false).contains('\u{1b}'));
    assert!(errors.render(true).contains('\u{1b}'));
}

#[test]
fn the_second_place_of_a_duplicate_may_be_in_another_file() {
    let errors = errors("include_itself");
    let error = errors.iter().find(|error| error.message.contains("`web`")).unwrap();
    assert_eq!(error.file, Path::new("tests/wrong/included/b.toml"));
    let related = &error.related[0];
    assert_eq!(related.file, Path::new("tests/wrong/included/a.toml"));
    assert_eq!((related.position.line, related.position.column), (5, 17));
}
