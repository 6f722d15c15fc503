//! The settings of a virtual server that decide when it is up and who serves then.

use std::time::Duration;

use ipvs::{Destination, Scheduler};

use crate::error::Finding;
use crate::leaf;
use crate::model::{Drain, DrainPolicy, OnFailure, Panic, RealServer, Script};
use crate::reader::{Report, Table, Value};
use crate::script::script;
use crate::source::At;

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);
const MONTH: Duration = Duration::from_secs(31 * 86_400);

/// The keys as they are written, yet to be compared with the servers.
#[derive(Debug)]
pub(crate) struct Availability {
    quorum: Option<At<u32>>,
    hysteresis: Option<At<u32>>,
    quorum_up: Option<At<Script>>,
    quorum_down: Option<At<Script>>,
    on_failure: Option<At<OnFailure>>,
    /// `None` inside: the default, which depends on the sorry servers.
    panic: Option<At<Option<Panic>>>,
    max_ejected: Option<At<u8>>,
    slow_start: Option<At<Duration>>,
    drain: Option<At<Drain>>,
}

/// The same, compared with the servers.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) quorum: u32,
    pub(crate) hysteresis: u32,
    pub(crate) quorum_up: Option<Script>,
    pub(crate) quorum_down: Option<Script>,
    pub(crate) on_failure: OnFailure,
    pub(crate) panic: Panic,
    pub(crate) max_ejected: Option<u8>,
    pub(crate) slow_start: Option<Duration>,
    pub(crate) drain: Drain,
}

impl Availability {
    /// Reads the keys.
    pub(crate) fn read(t: &mut Table<'_>, has_persistence: bool) -> Self {
        let panics = [
            ("keep-last", Some(Panic::KeepLast)),
            ("all", Some(Panic::All)),
            ("sorry", Some(Panic::Sorry)),
        ];
        let failures = [("remove", OnFailure::Remove), ("weight_zero", OnFailure::WeightZero)];
        let weight = |lowest| move |v: Value<'_>| v.integer(lowest..=i64::from(u32::MAX), "");
        Self {
            quorum: t.or("quorum", 1, weight(1)),
            hysteresis: t.or("hysteresis", 0, weight(0)),
            quorum_up: t.optional("quorum_up", script),
            quorum_down: t.optional("quorum_down", script),
            on_failure: t.or("on_failure", OnFailure::default(), |v| v.choice(&failures)),
            panic: t.or("panic", None, |v| v.choice(&panics)),
            max_ejected: t.optional("max_ejected", leaf::percent),
            slow_start: t.optional("slow_start", leaf::duration(SECOND..=DAY)),
            drain: t.or("drain", Drain::default(), |v| drain(v, has_persistence)),
        }
    }

    /// Refuses a slow start where small weights do no good.
    pub(crate) fn check_scheduler(&self, scheduler: Option<&At<Scheduler>>, report: &Report) {
        let (Some(slow_start), Some(scheduler)) = (self.slow_start, scheduler) else { return };
        let name = scheduler.value.as_str();
        let why = match name {
            "sh" | "mh" => "each new weight would move clients to other real servers",
            "dh" | "lc" | "rr" => "it shares evenly, whatever the weights are",
            "fo" => "it sends everything to the server with the highest weight",
            "ovf" => "for it a weight is a number of connections, not a share",
            _ => return,
        };
        let message = format!("`slow_start` with the scheduler `{name}`");
        let finding = Finding::new(slow_start.place, message, "not possible with this scheduler");
        let help = format!("{why}: remove `slow_start`, or write `scheduler = \"wlc\"`");
        report.add(finding.related(scheduler.place, "the scheduler").help(help));
    }

    /// Compares them with the servers, which are `None` if one of them is refused.
    pub(crate) fn finish(
        self,
        real: Option<&[RealServer]>,
        sorry: Option<&[Destination]>,
        report: &Report,
    ) -> Option<Checked> {
        if let (Some(quorum), Some(hysteresis)) = (self.quorum, self.hysteresis) {
            let weight = |server: &RealServer| u64::from(server.destination.weight.get());
            let sum = real.map(|servers| servers.iter().map(weight).sum());
            check_quorum(quorum, hysteresis, sum, report);
        }
        let (panic, no_sorry) = (self.panic?, sorry?.is_empty());
        if no_sorry && panic.value == Some(Panic::Sorry) {
            let message = "`panic = \"sorry\"` without `sorry_servers`";
            let finding = Finding::new(panic.place, message, "there is none to take over");
            report.add(finding.help("add `sorry_servers`, or write \"keep-last\" or \"all\""));
        }
        let default = if no_sorry { Panic::KeepLast } else { Panic::Sorry };
        Some(Checked {
            quorum: self.quorum?.value,
            hysteresis: self.hysteresis?.value,
            quorum_up: self.quorum_up.map(|script| script.value),
            quorum_down: self.quorum_down.map(|script| script.value),
            on_failure: self.on_failure?.value,
            panic: panic.value.unwrap_or(default),
            max_ejected: self.max_ejected.map(|percent| percent.value),
            slow_start: self.slow_start.map(|duration| duration.value),
            drain: self.drain?.value,
        })
    }
}

/// `sum`: of the configured weights. A quorum of 1 is always right: it is the default, and
/// weights may be 0 on purpose.
fn check_quorum(quorum: At<u32>, hysteresis: At<u32>, sum: Option<u64>, report: &Report) {
    let (up_from, width) = (quorum.value, hysteresis.value);
    if width >= up_from {
        let message = format!("`hysteresis` {width} is not below `quorum` {up_from}");
        let finding = Finding::new(hysteresis.place, message, "not below the quorum");
        let help = "the service goes down below `quorum` less `hysteresis`, which is at least 1";
        let help = format!("{help}: write at most {}", up_from.saturating_sub(1));
        report.add(finding.related(quorum.place, format!("a quorum of {up_from}")).help(help));
        return;
    }
    let Some(sum) = sum.filter(|_| up_from > 1) else { return };
    if u64::from(up_from) > sum {
        let message = format!("`quorum` {up_from} is above the sum of the weights, {sum}");
        let finding = Finding::new(quorum.place, message, "is never reached");
        let help = match sum {
            0 => "remove `quorum`, or give the real servers weights".to_owned(),
            _ => format!("write at most {sum}, or raise the weights of the real servers"),
        };
        report.add(finding.help(help));
    } else if u64::from(up_from) + u64::from(width) > sum {
        let message = format!(
            "`quorum` {up_from} and `hysteresis` {width} are above the sum of the weights, {sum}"
        );
        let finding = Finding::new(hysteresis.place, message, "is never reached");
        let help = "the service comes up at `quorum` plus `hysteresis`";
        let most = sum.saturating_sub(u64::from(up_from));
        let help = format!("{help}: write at most `hysteresis = {most}`, or a lower quorum");
        report.add(finding.related(quorum.place, "the quorum").help(help));
    }
}

fn drain(value: Value<'_>, has_persistence: bool) -> Option<Drain> {
    value.table("`drain`", |t| {
        let policies = [("wait", DrainPolicy::Wait), ("ignore", DrainPolicy::Ignore)];
        let default = Drain::default();
        let range = Duration::ZERO..=MONTH;
        let deadline = t.or("deadline", default.deadline, leaf::duration(range));
        let udp = t.or("udp", default.udp, |v| v.choice(&policies));
        let persistent = t.or("persistent", default.persistent, |v| v.choice(&policies));

        let waits = persistent.filter(|policy| policy.value == DrainPolicy::Wait);
        if let Some(persistent) = waits.filter(|_| !has_persistence) {
            let message = "`persistent = \"wait\"` without `persistence`";
            let finding = Finding::new(persistent.place, message, "has no effect");
            t.report.add(finding.help("remove it, or add `persistence = { timeout = \"6m\" }`"));
        }
        Some(Drain { deadline: deadline?.value, udp: udp?.value, persistent: persistent?.value })
    })
}
