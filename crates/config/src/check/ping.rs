//! `ping_check`.

use std::time::Duration;

use checkers::{Kind, PingCheck};

use super::connect::connect_to_host;
use super::{CheckDraft, draft};
use crate::error::Finding;
use crate::leaf;
use crate::reader::{Report, Value};

const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(60);

pub(super) fn ping_check(value: Value<'_>) -> Option<CheckDraft> {
    value.table("`ping_check`", |t| {
        let default = PingCheck::default();
        let (connect, source) = connect_to_host(t);
        let count = t.or("count", default.count, |value| value.integer(1..=100, ""));
        let spacing = t.or("spacing", default.spacing, leaf::duration(SHORTEST..=LONGEST));
        let max_loss = t.or("max_loss", default.max_loss, max_loss);
        let max_latency = t.optional("max_latency", leaf::duration(SHORTEST..=LONGEST));
        let ping = PingCheck {
            connect,
            count: count?.value,
            spacing: spacing?.value,
            max_loss: max_loss?.value,
            max_latency: max_latency.map(|latency| latency.value),
        };
        Some(draft(Kind::Ping(ping), t.place, source))
    })
}

fn max_loss(value: Value<'_>) -> Option<u8> {
    match leaf::percent(value)? {
        100 => value.refuse("a loss of 100 % passes", "no server could fail", None),
        percent => Some(percent),
    }
}

/// Reports requests that would be sent after the timeout.
pub(super) fn in_time(draft: &CheckDraft, report: &Report) {
    let Kind::Ping(ping) = &draft.check.kind else { return };
    let timeout = draft.check.timing.timeout;
    if let Some(latency) = ping.max_latency.filter(|latency| *latency >= timeout) {
        let (latency, timeout) = (leaf::show_duration(latency), leaf::show_duration(timeout));
        let message = format!("a `max_latency` of {latency} with a timeout of {timeout}");
        let finding = Finding::new(draft.place, message, "is lost before it is too slow");
        report.add(finding.help("lower `max_latency`, or lengthen `timeout`"));
    }
    let last = ping.spacing * u32::from(ping.count - 1);
    if last >= timeout {
        let (last, timeout) = (leaf::show_duration(last), leaf::show_duration(timeout));
        let message = format!(
            "the last of {} requests would be sent after {last}, the timeout is {timeout}",
            ping.count
        );
        let finding = Finding::new(draft.place, message, "too many, or too far apart");
        report.add(finding.help("lower `count` or `spacing`, or lengthen `timeout`"));
    }
}
