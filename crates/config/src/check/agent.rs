//! `agent_check`.

use checkers::{AgentCheck, Kind};

use super::connect::connect;
use super::expect::send;
use super::{CheckDraft, draft};
use crate::reader::Value;

pub(super) fn agent_check(value: Value<'_>) -> Option<CheckDraft> {
    value.table("`agent_check`", |t| {
        let (connect, source) = connect(t);
        let send = t.optional("send", send);
        let send = send.map_or_else(Vec::new, |send| send.value);
        Some(draft(Kind::Agent(AgentCheck { connect, send }), t.place, source))
    })
}
