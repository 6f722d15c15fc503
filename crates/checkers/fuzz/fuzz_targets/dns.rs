//! Answers to a DNS query: as they come, and with the query's own id and question in front.
#![no_main]

use checkers::wire::dns::{Answer, Query};
use checkers::{DnsCheck, RecordType};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, [u8; 2], u16, &[u8])| {
    let (kind, flags, count, rest) = input;
    let (_, record_type) = RecordType::ALL[usize::from(kind) % RecordType::ALL.len()];
    let check = DnsCheck {
        name: "www.example.com".into(),
        record_type,
        answers: vec!["192.0.2.1".into()],
        ..DnsCheck::default()
    };
    let query = Query::new(&check, 0x1234).expect("a valid name");
    query.judge(&check, rest);

    let mut answer = query.as_bytes().to_vec();
    answer[2] = flags[0] | 0x80;
    answer[3] = flags[1];
    answer[6..8].copy_from_slice(&count.to_be_bytes());
    answer.extend(rest);
    let judged = query.judge(&check, &answer);
    assert!(!matches!(judged, Answer::Foreign(_)), "{judged:?}");
});
