//! `notify` of VRRP instances and sync groups.

use std::time::Duration;

use crate::leaf;
use crate::model::Notify;
use crate::reader::Value;
use crate::script::script;

/// Of a group.
pub(crate) fn of_group(value: Value<'_>) -> Option<Notify> {
    read(value, false)
}

/// Of an instance, which hears of troubles too.
pub(crate) fn of_instance(value: Value<'_>) -> Option<Notify> {
    read(value, true)
}

fn read(value: Value<'_>, has_troubles: bool) -> Option<Notify> {
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
            trouble: has_troubles.then(|| of("trouble")).flatten(),
            timeout: timeout?.value,
        })
    })
}
