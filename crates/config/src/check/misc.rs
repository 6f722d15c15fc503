//! `misc_check`.

use checkers::{Kind, MiscCheck};

use super::connect::Places;
use super::{CheckDraft, draft};
use crate::leaf;
use crate::model::Script;
use crate::reader::Value;
use crate::script::program;

pub(super) fn misc_check(value: Value<'_>) -> Option<CheckDraft> {
    value.table("`misc_check`", |t| {
        let program = program(t);
        let group = t.optional("group", leaf::text);
        let directory = t.optional("directory", leaf::absolute_path);
        let dynamic_weight = t.or("dynamic_weight", false, Value::bool);
        let Script { command, user } = program?;
        let misc = MiscCheck {
            command,
            user,
            group: group.map(|group| group.value),
            directory: directory.map(|directory| directory.value),
            dynamic_weight: dynamic_weight?.value,
            // For whom it runs is known when it is resolved.
            ..MiscCheck::default()
        };
        Some(draft(Kind::Misc(misc), t.place, Places::default()))
    })
}
