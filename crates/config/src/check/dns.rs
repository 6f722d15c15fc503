//! `dns_check`.

use std::net::{Ipv4Addr, Ipv6Addr};

use checkers::{DnsCheck, DnsTransport, Kind, Matching, Rcode, RecordType};

use super::connect::connect;
use super::{CheckDraft, draft};
use crate::error::Finding;
use crate::leaf;
use crate::reader::{Report, Value};
use crate::source::At;

const TRANSPORT: [(&str, DnsTransport); 2] =
    [("udp", DnsTransport::Udp), ("tcp", DnsTransport::Tcp)];
const MATCHING: [(&str, Matching); 2] = [("all", Matching::All), ("any", Matching::Any)];

pub(super) fn dns_check(value: Value<'_>) -> Option<CheckDraft> {
    value.table("`dns_check`", |t| {
        let default = DnsCheck::default();
        let (connect, source) = connect(t);
        let transport = t.or("transport", default.transport, |value| value.choice(&TRANSPORT));
        let name = t.or("name", default.name, name);
        let types = RecordType::ALL;
        let record_type = t.or("type", default.record_type, |value| value.choice(&types));
        let recursion = t.or("recursion", default.recursion, Value::bool);
        let rcode = t.or("rcode", default.rcode, |value| value.choice(&Rcode::ALL));
        let answers = t.optional("answers", answers);
        let matching = t.optional("match", |value| value.choice(&MATCHING));
        let count = |value: Value<'_>| value.integer(0..=1000, "");
        let min_answers = t.or("min_answers", default.min_answers, count);

        if let (None, Some(matching)) = (&answers, &matching) {
            let finding = Finding::new(matching.place, "`match` without `answers`", "no effect");
            t.report.add(finding);
        }
        let (rcode, record_type, min_answers) = (rcode?, record_type?, min_answers?);
        let wants_some = (min_answers.value > 0).then_some(min_answers.place);
        let wants_records = answers.as_ref().map(|answers| answers.place).or(wants_some);
        if let Some(place) = wants_records.filter(|_| rcode.value != default.rcode) {
            let finding = Finding::new(place, "an error has no records", "could never pass");
            t.report.add(finding.related(rcode.place, "an error is expected"));
        }
        // RFC 1034 §3.6.2, RFC 1035 §3.3.13: a name has one of each at most.
        let single = [RecordType(5), RecordType(6)].contains(&record_type.value);
        if single && min_answers.value > 1 {
            let message = "a name has no more than one record of this type";
            let finding = Finding::new(min_answers.place, message, "could never pass");
            t.report.add(finding.related(record_type.place, "the type").help("write at most 1"));
        }
        if let Some(answers) = answers.as_ref().filter(|_| !record_type.value.has_words()) {
            let name = types.iter().find(|(_, known)| *known == record_type.value);
            let message = format!("`answers` of records of type {}", name.map_or("", |one| one.0));
            let finding = Finding::new(answers.place, message, "cannot be compared");
            let help = "there are several ways to write them: use `min_answers`";
            t.report.add(finding.related(record_type.place, "of this type").help(help));
        }
        let answers = answers.map_or_else(Vec::new, |answers| answers.value);
        of_type(record_type.value, &answers, t.report);
        let dns = DnsCheck {
            connect,
            transport: transport?.value,
            name: name?.value,
            record_type: record_type.value,
            recursion: recursion?.value,
            rcode: rcode.value,
            answers: answers.into_iter().map(|answer| answer.value).collect(),
            matching: matching.map_or(default.matching, |matching| matching.value),
            min_answers: min_answers.value,
        };
        Some(draft(Kind::Dns(dns), t.place, source))
    })
}

/// A name as RFC 1035 §2.3.4 limits it, with or without the dot at the end; `.` is the root. Any
/// visible ASCII, for names such as `_ldap._tcp.example.com`, but no escapes.
fn name(value: Value<'_>) -> Option<String> {
    let name = value.string()?;
    let valid = |b: u8| b.is_ascii_graphic() && !b"\\\"();@$".contains(&b);
    let labels = name.strip_suffix('.').unwrap_or(name);
    let whole = labels.len() <= 253 && labels.bytes().all(valid);
    let each = labels.split('.').all(|label| (1..=63).contains(&label.len()));
    if name == "." || (whole && each) {
        return Some(name.to_owned());
    }
    let help = "1 to 63 bytes between dots, at most 253 in all".to_owned();
    value.refuse(format!("`{name}` is no domain name"), "cannot be asked for", Some(help))
}

fn answers(value: Value<'_>) -> Option<Vec<At<String>>> {
    if value.is_empty_array() {
        let help = "leave `answers` out if any answer will do".to_owned();
        return value.refuse("`answers` is empty", "expects nothing", Some(help));
    }
    value.list(leaf::text)
}

/// Reports what cannot be in a record of that type.
fn of_type(record_type: RecordType, answers: &[At<String>], report: &Report) {
    let (a, aaaa) = (RecordType(1), RecordType(28));
    for answer in answers {
        let text = &answer.value;
        let label = match record_type {
            _ if record_type == a && text.parse::<Ipv4Addr>().is_err() => "an IPv4 address",
            _ if record_type == aaaa && text.parse::<Ipv6Addr>().is_err() => "an IPv6 address",
            _ => continue,
        };
        let message = format!("`{text}` cannot be the answer");
        report.add(Finding::new(answer.place, message, format!("expected {label}")));
    }
}
