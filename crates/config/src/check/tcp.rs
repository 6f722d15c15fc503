//! `tcp_check`.

use checkers::{Kind, TcpCheck};

use super::connect::connect;
use super::{CheckDraft, draft};
use crate::reader::Value;

pub(super) fn tcp_check(value: Value<'_>) -> Option<CheckDraft> {
    value.table("`tcp_check`", |t| {
        let (connect, source) = connect(t);
        Some(draft(Kind::Tcp(TcpCheck { connect }), t.place, source))
    })
}
