//! `tcp_check`.

use checkers::{Kind, TcpCheck};

use super::connect::connect;
use super::expect::{expect, send};
use super::tls::tls;
use super::{CheckDraft, draft};
use crate::reader::Value;

pub(super) fn tcp_check(value: Value<'_>) -> Option<CheckDraft> {
    value.table("`tcp_check`", |t| {
        let (connect, source) = connect(t);
        let tls = t.optional("tls", tls);
        let send = t.optional("send", send);
        let expect = t.optional("expect", expect);
        let tcp = TcpCheck {
            connect,
            tls: tls.map(|tls| tls.value.settings),
            send: send.map_or_else(Vec::new, |send| send.value),
            expect: expect.map(|expect| expect.value),
        };
        Some(draft(Kind::Tcp(tcp), t.place, source))
    })
}
