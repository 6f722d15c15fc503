//! `grpc_check`.

use checkers::{GrpcCheck, Kind};

use super::connect::{connect, host};
use super::tls::tls;
use super::{CheckDraft, draft};
use crate::leaf;
use crate::reader::Value;

pub(super) fn grpc_check(value: Value<'_>) -> Option<CheckDraft> {
    value.table("`grpc_check`", |t| {
        let (connect, source) = connect(t);
        let tls = t.optional("tls", tls);
        let host = t.optional("host", host);
        let service = t.optional("service", leaf::text);
        let grpc = GrpcCheck {
            connect,
            tls: tls.map(|tls| tls.value.settings),
            host: host.map(|host| host.value),
            service: service.map_or_else(String::new, |service| service.value),
        };
        Some(draft(Kind::Grpc(grpc), t.place, source))
    })
}
