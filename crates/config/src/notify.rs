//! `notify` of VRRP instances and sync groups.

use std::time::Duration;

use crate::leaf;
use crate::model::Notify;
use crate::reader::Value;
use crate::script::script;

pub(crate) fn notify(value: Value<'_>) -> Option<Notify> {
    value.table("`notify`", |t| {
        let range = Duration::from_millis(10)..=Duration::from_secs(3600);
        let timeout = t.or("timeout", Duration::from_secs(60), leaf::duration(range));
        let mut of = |key| t.optional(key, script).map(|script| script.value);
        Some(Notify {
            master: of("master"),
            backup: of("backup"),
            fault: of("fault"),
            stop: of("stop"),
            any: of("any"),
            timeout: timeout?.value,
        })
    })
}
