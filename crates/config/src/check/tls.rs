//! `tls` of a check.

use std::time::Duration;

use checkers::{ClientCertificate, Tls};

use super::connect::server_name;
use super::expect::protocol;
use crate::error::Finding;
use crate::leaf;
use crate::reader::{Table, Value};
use crate::source::Place;

const SHORTEST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(3650 * 86_400);

/// The settings, and the place of `alpn`.
pub(super) struct TlsDraft {
    pub(super) settings: Tls,
    pub(super) alpn: Option<Place>,
}

pub(super) fn tls(value: Value<'_>) -> Option<TlsDraft> {
    value.table("`tls`", |t| {
        let verify = t.or("verify", true, Value::bool);
        let server_name = t.optional("server_name", server_name);
        let ca_file = t.optional("ca_file", leaf::absolute_path);
        let client = client(t);
        let alpn = t.optional("alpn", |value| value.list(protocol));
        let (expiry_warning, expiry_failure) = expiry(t);
        let verify = verify?;
        if let Some(ca_file) = ca_file.as_ref().filter(|_| !verify.value) {
            let finding =
                Finding::new(ca_file.place, "`ca_file` without `verify`", "has no effect");
            let help = "remove `ca_file`, or remove `verify = false`";
            t.report.add(finding.related(verify.place, "nothing is verified").help(help));
        }
        Some(TlsDraft {
            alpn: alpn.as_ref().map(|alpn| alpn.place),
            settings: Tls {
                verify: verify.value,
                server_name: server_name.map(|name| name.value),
                ca_file: ca_file.map(|file| file.value),
                client,
                alpn: alpn.into_iter().flat_map(|list| list.value).map(|name| name.value).collect(),
                expiry_warning,
                expiry_failure,
            },
        })
    })
}

fn client(t: &mut Table<'_>) -> Option<ClientCertificate> {
    let certificate = t.optional("certificate_file", leaf::absolute_path);
    let key = t.optional("key_file", leaf::absolute_path);
    if let Some(key) = &key
        && t.value("certificate_file").is_none()
    {
        let finding = Finding::new(key.place, "`key_file` without `certificate_file`", "of what?");
        t.report.add(finding.help("add `certificate_file`, or remove `key_file`"));
    }
    let certificate_file = certificate?.value;
    let key_file = key.map_or_else(|| certificate_file.clone(), |key| key.value);
    Some(ClientCertificate { certificate_file, key_file })
}

fn expiry(t: &mut Table<'_>) -> (Option<Duration>, Option<Duration>) {
    let warning = t.optional("expiry_warning", leaf::duration(SHORTEST..=LONGEST));
    let failure = t.optional("expiry_failure", leaf::duration(SHORTEST..=LONGEST));
    if let (Some(warning), Some(failure)) = (&warning, &failure)
        && warning.value <= failure.value
    {
        let message = "no warning before the failure";
        let finding = Finding::new(warning.place, message, "not earlier than `expiry_failure`");
        let help = "lengthen `expiry_warning`, or shorten `expiry_failure`";
        t.report.add(finding.related(failure.place, "fails already").help(help));
    }
    (warning.map(|warning| warning.value), failure.map(|failure| failure.value))
}
