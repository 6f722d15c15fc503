//! `[track_script.NAME]`, `[track_file.NAME]`, `[track_process.NAME]`, and the `track` of VRRP
//! instances and sync groups.

use std::time::Duration;

use checkers::{Initial, Timing};
use vrrp::{Thing, Track};

use crate::check::timeout_fits;
use crate::error::Finding;
use crate::leaf;
use crate::model::{TrackFile, TrackProcess, TrackScript, Tracked};
use crate::names;
use crate::reader::{Entry, Report, Table, Value};
use crate::script::program;
use crate::source::{At, Place};
use crate::unique::Unique;

const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(86_400);

/// As long as it says nothing else, a script that fails, like a process that is gone, is a fault;
/// the number in a file is added as it is.
const FAULT: i16 = 0;
const AS_IT_IS: i16 = 1;

/// What can be tracked by name.
#[derive(Debug)]
pub(crate) struct Known<'a> {
    scripts: Names<'a>,
    files: Names<'a>,
    processes: Names<'a>,
    virtual_servers: Names<'a>,
}

/// Names with their default weights; of a definition that is refused, the usual one.
type Names<'a> = Vec<(&'a str, i16)>;

/// The sections that [`read`] reads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sections<'s, 'a> {
    pub(crate) scripts: &'s [Entry<'a>],
    pub(crate) files: &'s [Entry<'a>],
    pub(crate) processes: &'s [Entry<'a>],
    pub(crate) virtual_servers: &'s [Entry<'a>],
}

/// Reads the definitions.
pub(crate) fn read<'a>(sections: Sections<'_, 'a>) -> (Tracked, Known<'a>) {
    let (scripts, script_names) = definitions(sections.scripts, FAULT, script);
    let (files, file_names) = definitions(sections.files, AS_IT_IS, file);
    let (processes, process_names) = definitions(sections.processes, FAULT, process);
    let servers = sections.virtual_servers.iter().map(|entry| (entry.name, FAULT));
    let known = Known {
        scripts: script_names,
        files: file_names,
        processes: process_names,
        virtual_servers: servers.collect(),
    };
    (Tracked { scripts, files, processes }, known)
}

/// Definitions of one kind, and the default weight of each.
fn definitions<'a, T>(
    entries: &[Entry<'a>],
    usual: i16,
    read: impl Fn(&Entry<'a>) -> Option<(T, i16)>,
) -> (Vec<T>, Names<'a>) {
    let (mut all, mut names) = (Vec::new(), Vec::new());
    for entry in entries {
        let (definition, weight) = read(entry).unzip();
        all.extend(definition);
        names.push((entry.name, weight.unwrap_or(usual)));
    }
    (all, names)
}

fn script(entry: &Entry<'_>) -> Option<(TrackScript, i16)> {
    entry.value.table("a tracked script", |t| {
        let script = program(t);
        let interval = t.or("interval", Duration::from_secs(1), every);
        let timeout = t.optional("timeout", every);
        let count = |value: Value<'_>| value.integer(1..=i64::from(u32::MAX), "");
        let rise = t.or("rise", 1, count);
        let fall = t.or("fall", 1, count);
        let states = [("unknown", Initial::Adopt), ("up", Initial::Up), ("down", Initial::Down)];
        let initial = t.or("initial", Initial::Adopt, |v| v.choice(&states));
        let weight = t.or("weight", FAULT, weight);

        let interval = interval?;
        timeout_fits(timeout.as_ref(), &interval, t.report);
        let timing = Timing {
            interval: interval.value,
            timeout: timeout.map_or(interval.value, |timeout| timeout.value),
            rise: rise?.value,
            fall: fall?.value,
            initial: initial?.value,
            ..Timing::default()
        };
        let name = entry.name.to_owned();
        Some((TrackScript { name, script: script?, timing }, weight?.value))
    })
}

fn file(entry: &Entry<'_>) -> Option<(TrackFile, i16)> {
    entry.value.table("a tracked file", |t| {
        let path = t.required("path", leaf::absolute_path);
        let interval = t.or("interval", Duration::from_millis(500), every);
        let weight = t.or("weight", AS_IT_IS, weight);
        let name = entry.name.to_owned();
        let file = TrackFile { name, path: path?.value, interval: interval?.value };
        Some((file, weight?.value))
    })
}

fn process(entry: &Entry<'_>) -> Option<(TrackProcess, i16)> {
    entry.value.table("a tracked process", |t| {
        let process = t.required("process", leaf::text);
        let arguments = t.optional("arguments", |v| v.list(|v| Some(v.string()?.to_owned())));
        let count = |value: Value<'_>| value.integer(0..=i64::from(u32::MAX), "");
        let quorum = t.optional("quorum", count);
        let quorum_max = t.optional("quorum_max", count);
        let interval = t.or("interval", Duration::from_secs(1), every);
        let weight = t.or("weight", FAULT, weight);

        let most = quorum_max.as_ref().map(|most| most.value);
        // `quorum_max = 0`: it must not run.
        let least = quorum.as_ref().map_or_else(|| most.unwrap_or(1).min(1), |at| at.value);
        if let (Some(quorum), Some(quorum_max)) = (&quorum, &quorum_max)
            && quorum.value > quorum_max.value
        {
            let message = format!("`quorum` {least} is above `quorum_max` {}", quorum_max.value);
            let finding = Finding::new(quorum.place, message, "never holds");
            t.report.add(finding.related(quorum_max.place, "the most that may run"));
        }
        let arguments = arguments.map(|all| all.value.into_iter().map(|one| one.value).collect());
        let process = TrackProcess {
            name: entry.name.to_owned(),
            process: process?.value,
            arguments,
            quorum: least,
            quorum_max: most,
            interval: interval?.value,
        };
        Some((process, weight?.value))
    })
}

fn every(value: Value<'_>) -> Option<Duration> {
    leaf::duration(SHORTEST..=LONGEST)(value)
}

fn weight(value: Value<'_>) -> Option<i16> {
    value.integer(-253..=253, " (0: a failure is a fault)")
}

/// Reads `track`.
pub(crate) fn track(value: Value<'_>, known: &Known<'_>) -> Option<Vec<At<Track>>> {
    let tracks = value.table("`track`", |t| {
        let mut all = of_kind(t, "interfaces", interface);
        for (key, kind, names, thing) in [
            ("scripts", "tracked script", &known.scripts, Thing::Script as fn(String) -> Thing),
            ("files", "tracked file", &known.files, Thing::File),
            ("processes", "tracked process", &known.processes, Thing::Process),
            ("virtual_servers", "virtual server", &known.virtual_servers, Thing::VirtualServer),
        ] {
            all.extend(of_kind(t, key, |v| named(v, kind, names, thing)));
        }
        Some(all)
    })?;
    let mut seen = Unique::default();
    for At { value: Track { thing, .. }, place } in &tracks {
        seen.add(thing.clone(), *place, value.report, || format!("{thing} is tracked twice"));
    }
    Some(tracks)
}

fn of_kind<'a>(
    t: &mut Table<'a>,
    key: &'static str,
    entry: impl Fn(Value<'a>) -> Option<Track>,
) -> Vec<At<Track>> {
    t.optional(key, |v| v.list(entry)).map_or_else(Vec::new, |at| at.value)
}

/// `"eth1"`, or a table with that under `name`.
fn interface(value: Value<'_>) -> Option<Track> {
    if !value.is_table() {
        let thing = Thing::Interface { name: leaf::interface(value)?, address: None };
        return Some(Track { thing, weight: FAULT, reverse: false });
    }
    value.table("a tracked interface", |t| {
        let name = t.required("name", leaf::interface);
        let address = t.optional("address", leaf::address);
        let weight = t.or("weight", FAULT, weight);
        let reverse = t.or("reverse", false, Value::bool);
        let address = address.map(|address| address.value);
        let thing = Thing::Interface { name: name?.value, address };
        Some(Track { thing, weight: weight?.value, reverse: reverse?.value })
    })
}

/// The name of something that is defined, or a table with that under `name`.
fn named(
    value: Value<'_>,
    kind: &str,
    names: &Names<'_>,
    thing: fn(String) -> Thing,
) -> Option<Track> {
    if !value.is_table() {
        let (name, weight) = known(value, kind, names)?;
        return Some(Track { thing: thing(name), weight, reverse: false });
    }
    value.table("an entry of `track`", |t| {
        let name = t.required("name", |v| known(v, kind, names));
        let weight = t.optional("weight", weight);
        let reverse = t.or("reverse", false, Value::bool);
        let (name, usual) = name?.value;
        let weight = weight.map_or(usual, |weight| weight.value);
        Some(Track { thing: thing(name), weight, reverse: reverse?.value })
    })
}

fn known(value: Value<'_>, kind: &str, names: &Names<'_>) -> Option<(String, i16)> {
    let name = value.string()?;
    if let Some((_, weight)) = names.iter().find(|(known, _)| *known == name) {
        return Some((name.to_owned(), *weight));
    }
    let names: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
    let help = match names::nearest(name, &names) {
        Some(near) => format!("did you mean `{near}`?"),
        None if names.is_empty() => format!("there is no {kind} at all"),
        None => names::one_of("one of", &names),
    };
    value.refuse(format!("there is no {kind} `{name}`"), "not known here", Some(help))
}

/// Refuses weights where the priority does not change.
pub(crate) fn check_owner(tracks: &[At<Track>], owner: Place, report: &Report) {
    for At { value: Track { thing, weight, .. }, place } in tracks {
        if *weight != 0 {
            let message = format!("{thing} has weight {weight} with priority 255");
            let finding = Finding::new(*place, message, "has no effect");
            let help = "the owner's priority does not change: write `weight = 0`, or another \
                        priority";
            report.add(finding.related(owner, "the owner").help(help));
        }
    }
}
