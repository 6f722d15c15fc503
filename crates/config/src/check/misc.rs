//! `misc_check`.

use checkers::{Kind, MiscCheck};

use super::{CheckDraft, draft};
use crate::model::Script;
use crate::reader::Value;
use crate::script::program;

pub(super) fn misc_check(value: Value<'_>) -> Option<CheckDraft> {
    value.table("`misc_check`", |t| {
        let Script { command, user } = program(t)?;
        Some(draft(Kind::Misc(MiscCheck { command, user }), t.place, None))
    })
}
