//! `tls` of a check.

use checkers::Tls;

use super::connect::host;
use crate::error::Finding;
use crate::leaf;
use crate::reader::Value;

/// What `https = true` alone means.
pub(super) const VERIFIED: Tls = Tls { verify: true, server_name: None, ca_file: None };

pub(super) fn tls(value: Value<'_>) -> Option<Tls> {
    value.table("`tls`", |t| {
        let verify = t.or("verify", VERIFIED.verify, Value::bool);
        let server_name = t.optional("server_name", host);
        let ca_file = t.optional("ca_file", leaf::absolute_path);
        let verify = verify?;
        if let Some(ca_file) = ca_file.as_ref().filter(|_| !verify.value) {
            let finding =
                Finding::new(ca_file.place, "`ca_file` without `verify`", "has no effect");
            let help = "remove `ca_file`, or remove `verify = false`";
            t.report.add(finding.related(verify.place, "nothing is verified").help(help));
        }
        Some(Tls {
            verify: verify.value,
            server_name: server_name.map(|name| name.value),
            ca_file: ca_file.map(|file| file.value),
        })
    })
}
