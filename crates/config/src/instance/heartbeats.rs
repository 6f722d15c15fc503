//! `heartbeats`: second ways of the adverts.

use vrrp::{Family, Heartbeat};

use super::transport::host;
use crate::error::Finding;
use crate::leaf;
use crate::reader::{Report, Table, Value};
use crate::source::At;
use crate::unique::Unique;

/// `interface` is the instance's, and `family` that of its adverts; `None` if they are refused.
pub(super) fn read(
    t: &mut Table<'_>,
    interface: Option<&At<String>>,
    family: Option<Family>,
) -> Vec<Heartbeat> {
    let heartbeats = t.optional("heartbeats", |v| v.list(|v| heartbeat(v, family)));
    let heartbeats = heartbeats.map_or_else(Vec::new, |at| at.value);
    let mut seen = Unique::default();
    for At { value, place } in &heartbeats {
        let message = || format!("the heartbeat over {value} is there twice");
        seen.add(value.clone(), *place, t.report, message);
        if let Some(own) = interface.filter(|own| own.value == value.interface) {
            refuse_own(value, *place, own, t.report);
        }
    }
    heartbeats.into_iter().map(|at| at.value).collect()
}

fn heartbeat(value: Value<'_>, family: Option<Family>) -> Option<Heartbeat> {
    value.table("a heartbeat", |t| {
        let interface = t.required("interface", leaf::interface);
        let peer = t.required("peer", |v| host(v, family));
        Some(Heartbeat { interface: interface?.value, peer: peer?.value })
    })
}

fn refuse_own(
    heartbeat: &Heartbeat,
    place: crate::source::Place,
    own: &At<String>,
    report: &Report,
) {
    let message = format!("a heartbeat over {}, which has the adverts already", own.value);
    let finding = Finding::new(place, message, format!("to {}", heartbeat.peer));
    let help = "a second path is worth its name on another interface, and a cable of its own";
    report.add(finding.related(own.place, "the instance's interface").help(help));
}
