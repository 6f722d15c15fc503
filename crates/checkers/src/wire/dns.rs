//! DNS queries and their answers (RFC 1035), by NLnet Labs' `domain`, which bounds the jumps of
//! compressed names.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::str::FromStr;

use domain::base::iana::{self, Rtype};
use domain::base::{Message, MessageBuilder, Name, ParsedName};
use domain::rdata::AllRecordData;

use crate::outcome::{Cause, Failure};
use crate::spec::{DnsCheck, Matching};

/// So many records of an answer are looked at: as many as one over UDP can have.
const RECORDS: usize = 4096;
/// So many records are shown when they are not the expected ones.
const SHOWN: usize = 4;

/// A query.
#[derive(Debug, Clone)]
pub struct Query(Message<Vec<u8>>);

/// What came is ...
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// ... not the answer to this query, for this reason; over UDP the answer may still come.
    Foreign(&'static str),
    /// ... the answer, cut short because it is too long for a datagram.
    Truncated,
    /// ... as expected.
    Passed,
    /// ... the answer, but not as expected.
    Failed(Failure),
}

impl Query {
    /// The query of `check` with this identifier.
    ///
    /// # Errors
    /// In words, when `check` asks for what is no name.
    pub fn new(check: &DnsCheck, id: u16) -> Result<Self, String> {
        let name = Name::<Vec<u8>>::from_str(&check.name)
            .map_err(|error| format!("`{}` is no domain name: {error}", check.name))?;
        let mut builder = MessageBuilder::new_vec();
        builder.header_mut().set_id(id);
        builder.header_mut().set_rd(check.recursion);
        let mut question = builder.question();
        let rtype = Rtype::from_int(check.record_type.0);
        question.push((&name, rtype)).map_err(|error| format!("write the query: {error}"))?;
        Ok(Self(question.into_message()))
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// Judges what came back.
    pub fn judge(&self, check: &DnsCheck, answer: &[u8]) -> Answer {
        let Ok(answer) = Message::from_octets(answer) else {
            return Answer::Foreign("it is shorter than a DNS header");
        };
        let header = answer.header();
        if header.id() != self.0.header().id() {
            return Answer::Foreign("it has another id");
        }
        if !header.qr() {
            return Answer::Foreign("it is a query");
        }
        let rcode = header.rcode();
        // A server that could not read the question need not repeat it (RFC 1035 §4.1.1: FORMERR).
        let unasked = answer.header_counts().qdcount() == 0 && rcode != iana::Rcode::NOERROR;
        if !unasked && !answer.is_answer(&self.0) {
            return Answer::Foreign("it is to another question");
        }
        if header.tc() {
            return Answer::Truncated;
        }
        if rcode.to_int() != check.rcode.0 {
            let expected = iana::Rcode::masked_from_int(check.rcode.0);
            let text = format!("{rcode} (expected {expected})");
            return Answer::Failed(Failure::new(Cause::Status(rcode.to_int().into()), text));
        }
        match records(check, &answer) {
            Ok(found) => expect(check, &found),
            Err(error) => {
                let text = format!("not a valid DNS answer: {error}");
                Answer::Failed(Failure::new(Cause::Protocol, text))
            }
        }
    }
}

/// The data of the answer's records of the type that was asked for, in words.
fn records(
    check: &DnsCheck,
    answer: &Message<&[u8]>,
) -> Result<Vec<String>, domain::base::wire::ParseError> {
    let wanted = Rtype::from_int(check.record_type.0);
    let mut found = Vec::new();
    for record in answer.answer()?.take(RECORDS) {
        let record = record?;
        if record.rtype() != wanted {
            continue;
        }
        let record = record.to_any_record::<AllRecordData<_, ParsedName<_>>>()?;
        found.push(match record.data() {
            // Its strings are one text (RFC 7208 §3.3, and what everybody makes of them).
            AllRecordData::Txt(text) => text_of(text.iter_charstrs()),
            data @ (AllRecordData::Ns(_)
            | AllRecordData::Cname(_)
            | AllRecordData::Soa(_)
            | AllRecordData::Ptr(_)
            | AllRecordData::Mx(_)
            | AllRecordData::Srv(_)) => with_root(&data.to_string()),
            data => data.to_string(),
        });
    }
    Ok(found)
}

/// The root's name is written as nothing: where a word is missing, it is the dot.
fn with_root(text: &str) -> String {
    let words = text.split(' ').map(|word| if word.is_empty() { "." } else { word });
    words.collect::<Vec<_>>().join(" ")
}

fn text_of<'a>(strings: impl Iterator<Item = &'a domain::base::CharStr<[u8]>>) -> String {
    let bytes: Vec<u8> = strings.flat_map(|string| string.as_slice().iter().copied()).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn expect(check: &DnsCheck, found: &[String]) -> Answer {
    let unexpected = |text| Answer::Failed(Failure::new(Cause::Content, text));
    if found.len() < usize::from(check.min_answers) {
        let text = format!("{} records (expected {} at least)", found.len(), check.min_answers);
        return unexpected(text);
    }
    let has = |wanted: &String| found.iter().any(|found| same(wanted, found));
    let passes = match check.matching {
        _ if check.answers.is_empty() => true,
        Matching::All => check.answers.iter().all(has),
        Matching::Any => check.answers.iter().any(has),
    };
    if passes {
        return Answer::Passed;
    }
    let which = match check.matching {
        Matching::All => "all",
        Matching::Any => "one",
    };
    let mut text = match found {
        [] => "no record of that type".to_owned(),
        _ => shown(found),
    };
    let _ = write!(text, " (expected {which} of {})", shown(&check.answers));
    unexpected(text)
}

/// The first records, on one line.
fn shown(records: &[String]) -> String {
    let mut text = records.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    if records.len() > SHOWN {
        let _ = write!(text, " and {} more", records.len() - SHOWN);
    }
    // A record can be 64 KiB of anything.
    text.chars().take(200).map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// Whether two data of records are the same: addresses by value, other data by their words, of
/// which neither the case nor a dot at the end counts.
fn same(wanted: &str, found: &str) -> bool {
    if let (Ok(wanted), Ok(found)) = (wanted.parse::<IpAddr>(), found.parse::<IpAddr>()) {
        return wanted == found;
    }
    let words = |text: &str| -> Vec<String> {
        let words = text.split_whitespace().map(|word| match word {
            // The root.
            "." => word,
            _ => word.strip_suffix('.').unwrap_or(word),
        });
        words.map(str::to_ascii_lowercase).collect()
    };
    words(wanted) == words(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Rcode, RecordType};

    const A: RecordType = RecordType(1);

    fn asking(name: &str, record_type: RecordType) -> DnsCheck {
        DnsCheck { name: name.into(), record_type, ..DnsCheck::default() }
    }

    /// `www.example.com A`, by hand after RFC 1035 §4.1.
    const QUERY: &[u8] = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\
                           \x03www\x07example\x03com\x00\x00\x01\x00\x01";
    /// The answer to it: www is a CNAME of web, which has two addresses. The name `example.com` is
    /// at 16 (10 hexadecimal), the name `web.example.com` at 45 (2d).
    const ANSWER: &[u8] = b"\x12\x34\x81\x80\x00\x01\x00\x03\x00\x00\x00\x00\
                            \x03www\x07example\x03com\x00\x00\x01\x00\x01\
                            \xc0\x0c\x00\x05\x00\x01\x00\x00\x0e\x10\x00\x06\x03web\xc0\x10\
                            \xc0\x2d\x00\x01\x00\x01\x00\x00\x0e\x10\x00\x04\xc6\x33\x64\x0b\
                            \xc0\x2d\x00\x01\x00\x01\x00\x00\x0e\x10\x00\x04\xc6\x33\x64\x0c";

    fn judge(check: &DnsCheck, answer: &[u8]) -> Answer {
        Query::new(check, 0x1234).unwrap().judge(check, answer)
    }

    #[track_caller]
    fn failure(check: &DnsCheck, answer: &[u8]) -> (Cause, String) {
        match judge(check, answer) {
            Answer::Failed(failure) => (failure.cause, failure.text),
            answer => panic!("{answer:?}"),
        }
    }

    /// [`ANSWER`] with one byte replaced.
    fn with(position: usize, byte: u8) -> Vec<u8> {
        let mut answer = ANSWER.to_vec();
        answer[position] = byte;
        answer
    }

    #[test]
    fn the_query_is_as_the_rfc_has_it() {
        let check = asking("www.example.com", A);
        assert_eq!(Query::new(&check, 0x1234).unwrap().as_bytes(), QUERY);
        // The root, without recursion.
        let root = DnsCheck { recursion: false, ..DnsCheck::default() };
        let bytes = b"\x00\x07\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x06\x00\x01";
        assert_eq!(Query::new(&root, 7).unwrap().as_bytes(), bytes);
        assert!(Query::new(&asking("a..b", A), 7).is_err());
    }

    #[test]
    fn the_answer_may_have_to_have_records() {
        let mut check = asking("www.example.com", A);
        check.min_answers = 2;
        assert_eq!(judge(&check, ANSWER), Answer::Passed);
        check.answers = vec!["198.51.100.12".into(), "198.51.100.11".into()];
        assert_eq!(judge(&check, ANSWER), Answer::Passed);

        check.min_answers = 3;
        let (cause, text) = failure(&check, ANSWER);
        assert_eq!((cause, &*text), (Cause::Content, "2 records (expected 3 at least)"));

        check.min_answers = 0;
        check.answers.push("198.51.100.13".into());
        let (cause, text) = failure(&check, ANSWER);
        assert_eq!(cause, Cause::Content);
        assert_eq!(
            text,
            "198.51.100.11, 198.51.100.12 \
             (expected all of 198.51.100.12, 198.51.100.11, 198.51.100.13)"
        );
        check.matching = Matching::Any;
        assert_eq!(judge(&check, ANSWER), Answer::Passed);
        check.answers = vec!["198.51.100.13".into()];
        assert_eq!(failure(&check, ANSWER).0, Cause::Content);
    }

    #[test]
    fn names_are_compared_without_case_and_final_dot() {
        let mut check = asking("WWW.example.com.", RecordType(5));
        // So are the questions (RFC 1035 §2.3.3). Byte 30 is the type that was asked for.
        for name in ["web.example.com", "WEB.Example.com."] {
            check.answers = vec![name.into()];
            assert_eq!(judge(&check, &with(30, 5)), Answer::Passed);
        }
    }

    #[test]
    fn what_is_not_the_answer_is_told_apart() {
        let check = asking("www.example.com", A);
        assert_eq!(judge(&check, &with(0, 0)), Answer::Foreign("it has another id"));
        assert_eq!(judge(&check, QUERY), Answer::Foreign("it is a query"));
        assert_eq!(judge(&check, &with(13, b'x')), Answer::Foreign("it is to another question"));
        assert_eq!(judge(&check, b""), Answer::Foreign("it is shorter than a DNS header"));
        assert_eq!(judge(&check, &with(2, 0x83)), Answer::Truncated);
    }

    #[test]
    fn the_response_code_decides_first() {
        let mut check = asking("www.example.com", A);
        let refused = with(3, 0x85);
        let (cause, text) = failure(&check, &refused);
        assert_eq!((cause, &*text), (Cause::Status(5), "REFUSED (expected NOERROR)"));
        check.rcode = Rcode(5);
        assert_eq!(judge(&check, &refused), Answer::Passed);
        assert_eq!(failure(&check, ANSWER).1, "NOERROR (expected REFUSED)");
        // FORMERR without the question.
        let header = b"\x12\x34\x81\x81\x00\x00\x00\x00\x00\x00\x00\x00";
        assert_eq!(failure(&check, header).1, "FORMERR (expected REFUSED)");
    }

    #[test]
    fn names_that_point_at_themselves_and_cut_answers_are_refused() {
        let check = asking("www.example.com", A);
        // The owner of the second record points at itself; 51 is where it is.
        for answer in [with(52, 51), ANSWER[..ANSWER.len() - 1].to_vec(), ANSWER[..40].to_vec()] {
            let (cause, text) = failure(&check, &answer);
            assert_eq!(cause, Cause::Protocol);
            assert!(text.starts_with("not a valid DNS answer: "), "{text}");
        }
    }

    #[test]
    fn the_strings_of_a_txt_record_are_one_text() {
        let mut check = asking("www.example.com", RecordType(16));
        let mut answer = QUERY.to_vec();
        answer[2..8].copy_from_slice(b"\x81\x80\x00\x01\x00\x01");
        answer[30] = 16;
        answer.extend(b"\xc0\x0c\x00\x10\x00\x01\x00\x00\x0e\x10\x00\x0d\x06v=spf1\x05 -all");
        check.answers = vec!["v=spf1 -all".into()];
        assert_eq!(judge(&check, &answer), Answer::Passed);
        check.answers = vec!["v=spf1".into()];
        assert_eq!(failure(&check, &answer).1, "v=spf1 -all (expected all of v=spf1)");
    }

    /// The one record of that type, its data by hand after the RFC of the type, and its words as
    /// `dig +short` shows them. The name `example.com` is at 16 (10 hexadecimal).
    #[test]
    fn records_are_compared_as_dig_shows_them() {
        for (record_type, data, words) in [
            (1, &b"\xc6\x33\x64\x0b"[..], "198.51.100.11"),
            (28, b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", "2001:db8::1"),
            (2, b"\x02ns\xc0\x10", "ns.example.com."),
            (5, b"\x03web\xc0\x10", "web.example.com."),
            (12, b"\x03web\xc0\x10", "web.example.com."),
            (15, b"\x00\x0a\x02mx\xc0\x10", "10 mx.example.com."),
            // RFC 7505: no mail.
            (15, b"\x00\x00\x00", "0 ."),
            (33, b"\x00\x0a\x00\x05\x13\xc4\x03sip\xc0\x10", "10 5 5060 sip.example.com."),
            // RFC 2782: no such service.
            (33, b"\x00\x00\x00\x00\x00\x00\x00", "0 0 0 ."),
            (16, b"\x06v=spf1\x05 -all", "v=spf1 -all"),
            (257, b"\x00\x05issueca.example.net", "0 issue \"ca.example.net\""),
            (
                6,
                b"\x02ns\xc0\x10\x05admin\xc0\x10\x78\x85\x9c\xb1\x00\x00\x1c\x20\
                  \x00\x00\x0e\x10\x00\x12\x75\x00\x00\x00\x0e\x10",
                "ns.example.com. admin.example.com. 2022022321 7200 3600 1209600 3600",
            ),
        ] {
            let number = u16::to_be_bytes(record_type);
            let mut answer = QUERY.to_vec();
            answer[2..8].copy_from_slice(b"\x81\x80\x00\x01\x00\x01");
            answer[29..31].copy_from_slice(&number);
            let length = u16::try_from(data.len()).unwrap().to_be_bytes();
            let ttl = b"\x00\x01\x00\x00\x0e\x10";
            answer.extend([&b"\xc0\x0c"[..], &number, ttl, &length, data].concat());
            let mut check = asking("www.example.com", RecordType(record_type));
            assert!(check.record_type.has_words());
            check.answers = vec![words.into()];
            assert_eq!(judge(&check, &answer), Answer::Passed, "{words}");
            check.answers = vec!["1 1 1 x".into()];
            assert_eq!(failure(&check, &answer).0, Cause::Content, "{words}");
        }
    }
}
