//! `udp_check`.

use checkers::{HexPattern, HexPatternError, Kind, UdpCheck, UdpReply};

use super::connect::connect;
use super::expect::{one_way, pattern, send, text_bytes};
use super::{CheckDraft, draft};
use crate::error::Finding;
use crate::reader::{Report, Value};
use crate::source::At;

/// The largest datagram over IPv4.
const LARGEST: usize = 65_507;

pub(super) fn udp_check(value: Value<'_>) -> Option<CheckDraft> {
    value.table("`udp_check`", |t| {
        let (connect, source) = connect(t);
        let send = t.optional("send", send);
        let expect = t.optional("expect", expect);
        let require_reply = t.optional("require_reply", Value::bool);

        if let Some(send) = send.as_ref().filter(|send| send.value.len() > LARGEST) {
            let message = format!("{} bytes do not fit into a datagram", send.value.len());
            t.report.add(Finding::new(send.place, message, format!("more than {LARGEST} bytes")));
        }
        let reply = match (expect, require_reply) {
            (Some(expect), Some(require)) if !require.value => {
                let message = "`require_reply = false` with an expected answer";
                let finding = Finding::new(require.place, message, "silence cannot pass");
                let help = "remove it: an expected answer is required";
                t.report.add(finding.related(expect.place, "expected here").help(help));
                return None;
            }
            (Some(expect), _) => {
                looked_at(&expect, t.report);
                expect.value
            }
            (None, Some(require)) if require.value => UdpReply::Required,
            (None, _) => UdpReply::Optional,
        };
        let send = send.map_or_else(Vec::new, |send| send.value);
        Some(draft(Kind::Udp(UdpCheck { connect, send, reply }), t.place, source))
    })
}

/// Reports what is longer than what is looked at.
fn looked_at(expect: &At<UdpReply>, report: &Report) {
    let length = match &expect.value {
        UdpReply::Bytes(bytes) => bytes.len(),
        UdpReply::Hex(pattern) => pattern.len(),
        UdpReply::Optional | UdpReply::Required | UdpReply::Matches(_) => return,
    };
    if length > UdpReply::LOOKED_AT {
        let label = format!("no more than {} bytes of an answer are read", UdpReply::LOOKED_AT);
        report.add(Finding::new(expect.place, "`expect` is longer than what is read", label));
    }
}

/// `expect`: a text, `{ hex = "..." }` with wildcards or `{ regex = "..." }`.
fn expect(value: Value<'_>) -> Option<UdpReply> {
    if !value.is_table() {
        return text_bytes(value).map(UdpReply::Bytes);
    }
    value.table("`udp_check.expect`", |t| {
        let hex = t.optional("hex", hex);
        let regex = t.optional("regex", pattern);
        one_way(t, hex.map(|hex| UdpReply::Hex(hex.value)), regex, UdpReply::Matches)
    })
}

fn hex(value: Value<'_>) -> Option<HexPattern> {
    let text = value.string()?;
    let (message, label) = match text.parse::<HexPattern>() {
        Ok(pattern) if pattern.is_empty() => (format!("`{}` is empty", value.key), "no bytes"),
        Ok(pattern) => return Some(pattern),
        Err(error @ (HexPatternError::Digit(_) | HexPatternError::HalfByte)) => {
            (format!("`{text}` is not hexadecimal: {error}"), "expected bytes such as \"00 ff 4?\"")
        }
    };
    value.refuse(message, label, None)
}
