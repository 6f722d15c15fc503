//! `[vrrp_sync_group.NAME]`.

use std::collections::BTreeMap;

use vrrp::{InstanceSpec, Priority, Track};

use crate::error::Finding;
use crate::model::Notify;
use crate::names;
use crate::notify;
use crate::reader::{Entry, Report, Value};
use crate::source::{At, Place};
use crate::track::{Known, check_owner, track};
use crate::unique::Unique;

/// An instance that is yet to be compared with its group.
#[derive(Debug)]
pub(crate) struct InstanceDraft {
    pub(crate) spec: InstanceSpec,
    /// Of its priority.
    pub(crate) priority: Place,
    /// The same as in the spec, with their places.
    pub(crate) tracks: Vec<At<Track>>,
}

/// Reads the groups and tells the instances theirs; gives the `notify` of each.
pub(crate) fn sync_groups(
    entries: &[Entry<'_>],
    written: &[Entry<'_>],
    instances: &mut [InstanceDraft],
    known: &Known<'_>,
) -> BTreeMap<String, Notify> {
    let mut seen = Unique::default();
    let mut all = BTreeMap::new();
    for entry in entries {
        entry.value.table("a sync group", |t| {
            let members = t.required("instances", |v| members(v, written));
            let tracks = t.optional("track", |v| track(v, known));
            if let Some(notify) = t.optional("notify", notify::of_group) {
                all.insert(entry.name.to_owned(), notify.value);
            }
            let members = members?.value;
            for At { value: name, place } in &members {
                let message = || format!("the instance `{name}` is in two groups, or twice in one");
                seen.add(name.clone(), *place, t.report, message);
            }
            let tracks = tracks.map_or_else(Vec::new, |tracks| tracks.value);
            let is_member = |draft: &&mut InstanceDraft| {
                members.iter().any(|member| member.value == draft.spec.name)
            };
            let mut members: Vec<_> = instances.iter_mut().filter(is_member).collect();
            join(entry.name, &mut members, tracks, t.report);
            Some(())
        });
    }
    all
}

/// Names of instances that are there.
fn members(value: Value<'_>, written: &[Entry<'_>]) -> Option<Vec<At<String>>> {
    if value.is_empty_array() {
        return value.refuse("a sync group without instances", "expected at least one", None);
    }
    let known: Vec<&str> = written.iter().map(|entry| entry.name).collect();
    value.list(|v| {
        let name = v.string()?;
        if known.contains(&name) {
            return Some(name.to_owned());
        }
        let help = match names::nearest(name, &known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => names::one_of("one of", &known),
        };
        v.refuse(format!("there is no VRRP instance `{name}`"), "not known here", Some(help))
    })
}

/// Members have the same priority and track the same things, so that on no link another director
/// is better than on the next.
fn join(group: &str, members: &mut [&mut InstanceDraft], tracks: Vec<At<Track>>, report: &Report) {
    let Some(first) = members.first() else { return };
    let (priority, place) = (first.spec.priority, first.priority);
    for other in members.iter().skip(1).filter(|other| other.spec.priority != priority) {
        let message = format!("two priorities in the sync group `{group}`");
        let finding = Finding::new(other.priority, message, "another priority");
        let help = "on one link this director would be the better one, on the other the worse, \
                    and the group could not be master on both";
        report.add(finding.related(place, format!("{priority} here")).help(help));
    }
    if priority == Priority::OWNER {
        check_owner(&tracks, place, report);
    }
    let mut union: Vec<At<Track>> = Vec::new();
    for track in tracks.into_iter().chain(members.iter().flat_map(|m| m.tracks.clone())) {
        match union.iter().find(|known| known.value.thing == track.value.thing) {
            None => union.push(track),
            Some(known) if known.value == track.value => {}
            Some(known) => {
                let message = format!(
                    "{} is tracked differently in the sync group `{group}`",
                    track.value.thing
                );
                let finding = Finding::new(track.place, message, "another weight");
                let help = "what one instance of a group tracks counts for all: write it once";
                report.add(finding.related(known.place, "the first").help(help));
            }
        }
    }
    for member in members {
        member.spec.group = Some(group.to_owned());
        member.spec.track = union.iter().map(|track| track.value.clone()).collect();
    }
}
