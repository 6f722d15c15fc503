//! `use_vmac` and `vmac_interface`.

use vrrp::Vrid;

use crate::error::Finding;
use crate::leaf;
use crate::reader::{Table, Value};
use crate::source::At;

/// Name of the interface with the virtual MAC, if there is to be one. Without a name in the file it
/// is keepalived's.
pub(super) fn vmac(
    t: &mut Table<'_>,
    interface: Option<&At<String>>,
    vrid: Option<At<Vrid>>,
) -> Option<At<String>> {
    let wanted = t.or("use_vmac", false, Value::bool)?;
    let named = t.optional("vmac_interface", leaf::interface);
    if let Some(named) = &named {
        if !wanted.value {
            let message = "`vmac_interface` without `use_vmac`";
            let finding = Finding::new(named.place, message, "has no effect");
            t.report.add(finding.help("write `use_vmac = true`"));
        }
        if let Some(interface) = interface.filter(|interface| interface.value == named.value) {
            let message = format!("`{}` cannot be on top of itself", named.value);
            let finding = Finding::new(named.place, message, "is made for the virtual MAC");
            t.report.add(finding.related(interface.place, "what it is on"));
        }
    }
    let place = wanted.place;
    let default = || vrid.map(|vrid| At { value: format!("vrrp.{}", vrid.value), place });
    if wanted.value { named.or_else(default) } else { None }
}
