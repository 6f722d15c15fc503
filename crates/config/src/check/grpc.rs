//! `grpc_check`.

use checkers::{GrpcCheck, Kind};

use super::connect::{authority, connect};
use super::tls::tls;
use super::{CheckDraft, draft};
use crate::error::Finding;
use crate::leaf;
use crate::reader::Value;

pub(super) fn grpc_check(value: Value<'_>) -> Option<CheckDraft> {
    value.table("`grpc_check`", |t| {
        let (connect, source) = connect(t);
        let tls = t.optional("tls", tls);
        let host = t.optional("host", authority);
        let service = t.optional("service", leaf::text);
        if let Some(place) = tls.as_ref().and_then(|tls| tls.value.alpn)
            && let Some(tls) = &tls
            && let Some(other) = tls.value.settings.alpn.iter().find(|name| *name != "h2")
        {
            let message = format!("a server that chooses `{other}` does not speak gRPC");
            let finding = Finding::new(place, message, "not the protocol of this check");
            t.report.add(finding.help("gRPC needs HTTP/2, which is offered anyway: remove `alpn`"));
        }
        let grpc = GrpcCheck {
            connect,
            tls: tls.map(|tls| tls.value.settings),
            host: host.map(|host| host.value),
            service: service.map_or_else(String::new, |service| service.value),
        };
        Some(draft(Kind::Grpc(grpc), t.place, source))
    })
}
