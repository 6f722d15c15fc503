//! `file_check`.

use checkers::{FileCheck, FileValue, Kind};

use super::connect::Places;
use super::{CheckDraft, draft};
use crate::leaf;
use crate::reader::Value;

const VALUES: [(&str, FileValue); 3] = [
    ("weight", FileValue::Weight),
    ("percent", FileValue::Percent),
    ("verdict", FileValue::Verdict),
];

pub(super) fn file_check(value: Value<'_>) -> Option<CheckDraft> {
    value.table("`file_check`", |t| {
        let path = t.required("path", leaf::absolute_path);
        let value = t.or("value", FileValue::Weight, |value| value.choice(&VALUES));
        let file = FileCheck { path: path?.value, value: value?.value };
        Some(draft(Kind::File(file), t.place, Places::default()))
    })
}
