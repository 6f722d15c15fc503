//! The client against a scripted kernel.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR, NLMSG_OVERRUN,
};

use super::*;
use crate::model::{Destination, DestinationKey, Forward, Weight};

/// The number that the scripted kernel gives the family.
const IPVS: u16 = 0x1c;
const ENOENT: i32 = 2;
const ESRCH: i32 = 3;

/// One message of a datagram that the client sent.
#[derive(Debug, Clone)]
struct Request {
    kind: u16,
    flags: u16,
    sequence: u32,
    payload: Vec<u8>,
}

type Datagram = Result<Vec<u8>, Errno>;

/// The datagrams that were sent.
type Sent = Arc<Mutex<Vec<Vec<Request>>>>;

/// Answers a datagram's requests; what it returns is put into the queue.
type Script = Box<dyn FnMut(&[Request]) -> Vec<Datagram>>;

struct Scripted {
    script: Script,
    queue: VecDeque<Datagram>,
    /// Answers were lost.
    lost: bool,
    sent: Sent,
}

impl Transport for Scripted {
    fn send(&mut self, mut datagram: &[u8]) -> Result<(), Errno> {
        let mut requests = Vec::new();
        while !datagram.is_empty() {
            let u32_at = |at: usize| u32::from_ne_bytes(datagram[at..at + 4].try_into().unwrap());
            let u16_at = |at: usize| u16::from_ne_bytes(datagram[at..at + 2].try_into().unwrap());
            let length = usize::try_from(u32_at(0)).unwrap();
            requests.push(Request {
                kind: u16_at(4),
                flags: u16_at(6),
                sequence: u32_at(8),
                payload: datagram[16..length].to_vec(),
            });
            datagram = &datagram[length..];
        }
        self.sent.lock().unwrap().push(requests.clone());
        self.queue.extend((self.script)(&requests));
        Ok(())
    }

    fn receive(&mut self, buffer: &mut Vec<u8>, wait: Wait) -> Result<(), Errno> {
        let datagram = self.queue.pop_front();
        assert!(
            !(self.lost && datagram.is_none() && wait == Wait::Patiently),
            "the client waits for answers that it knows to be lost"
        );
        let datagram = datagram.unwrap_or(Err(Errno::EAGAIN));
        self.lost |= datagram == Err(Errno::ENOBUFS);
        *buffer = datagram?;
        Ok(())
    }
}

fn message(kind: u16, flags: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(16 + payload.len()).unwrap();
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend(77_u32.to_ne_bytes());
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// `NLMSG_ERROR` with a capped request, as `NETLINK_CAP_ACK` makes it: flag 0x100.
fn ack(sequence: u32, errno: i32) -> Vec<u8> {
    let mut payload = (-errno).to_ne_bytes().to_vec();
    payload.extend([0; 16]);
    message(NLMSG_ERROR, 0x100, sequence, &payload)
}

fn done(sequence: u32) -> Vec<u8> {
    message(NLMSG_DONE, 0, sequence, &[0; 4])
}

/// `NLMSGERR_ATTR_MSG` with "too much", padded.
const TOO_MUCH: [u8; 16] = *b"\x0d\x00\x01\x00too much\x00\x00\x00\x00";

/// A `SET_INFO` reply: version 1.2.1, 4096 buckets.
const INFO: [u8; 20] = [0x0e, 1, 0, 0, 8, 0, 1, 0, 1, 2, 1, 0, 8, 0, 2, 0, 0, 0x10, 0, 0];

/// A reply to GETFAMILY with the number [`IPVS`] and an attribute that nobody knows.
const FAMILY: [u8; 28] = *b"\x01\x02\0\0\x08\0\xc8\0????\x09\0\x02\0IPVS\0\0\0\0\x06\0\x01\0";

fn family_reply() -> Vec<u8> {
    let mut bytes = FAMILY.to_vec();
    bytes.extend(IPVS.to_ne_bytes());
    bytes.extend([0; 2]);
    bytes
}

fn answer_opening(request: &Request) -> Vec<Datagram> {
    let payload = if request.kind == GENL_ID_CTRL { family_reply() } else { INFO.to_vec() };
    vec![Ok(message(request.kind, 0, request.sequence, &payload)), Ok(ack(request.sequence, 0))]
}

/// A client whose kernel resolves the family and answers the first GET_INFO; `script` has the
/// rest. With the list of what was sent after that.
fn client(
    mut script: impl FnMut(&[Request]) -> Vec<Datagram> + 'static,
) -> (Client<Scripted>, Sent) {
    let mut opened = 0;
    let sent = Arc::new(Mutex::new(Vec::new()));
    let transport = Scripted {
        script: Box::new(move |requests| {
            opened += 1;
            if opened <= 2 { answer_opening(&requests[0]) } else { script(requests) }
        }),
        queue: VecDeque::new(),
        lost: false,
        sent: Arc::clone(&sent),
    };
    let client = Client::over(transport).unwrap();
    sent.lock().unwrap().clear();
    (client, sent)
}

/// An open that is answered by `script`.
fn open(script: impl FnMut(&[Request]) -> Vec<Datagram> + 'static) -> Result<(), Error> {
    let transport = Scripted {
        script: Box::new(script),
        queue: VecDeque::new(),
        lost: false,
        sent: Arc::default(),
    };
    Client::over(transport).map(drop)
}

fn key() -> ServiceKey {
    "tcp 192.0.2.10:80".parse().unwrap()
}

fn add(host: u8) -> Operation {
    let destination = Destination {
        key: DestinationKey::new(([198, 51, 100, host], 80).into()),
        forward: Forward::DirectRoute,
        weight: Weight::ONE,
        upper_threshold: 0,
        lower_threshold: 0,
    };
    Operation::NewDestination(key(), destination)
}

fn adds(count: u8) -> Vec<Operation> {
    (0..count).map(add).collect()
}

fn payload(operation: &Operation) -> Vec<u8> {
    let mut bytes = Vec::new();
    operation.append_request(&mut bytes);
    bytes
}

/// A `NEW_DEST` payload.
fn destination(host: u8) -> Vec<u8> {
    payload(&add(host))
}

#[test]
fn opening_resolves_the_family_and_checks_the_privilege() {
    let (mut client, sent) = client(|requests| answer_opening(&requests[0]));
    let info = client.info().unwrap();
    assert_eq!(info, Info { version: 0x0001_0201, connection_table_size: 4096 });
    let sent = sent.lock().unwrap();
    assert_eq!(sent[0][0].kind, IPVS);
    // NLM_F_REQUEST | NLM_F_ACK, then the genlmsghdr of GET_INFO.
    assert_eq!((sent[0][0].flags, sent[0][0].payload.as_slice()), (5, &[15, 1, 0, 0][..]));
}

#[test]
fn a_kernel_without_ipvs_is_told_apart_from_missing_privileges() {
    let error = open(|requests| vec![Ok(ack(requests[0].sequence, ENOENT))]).unwrap_err();
    assert_eq!(error, Error::NoIpvs);
    assert!(error.to_string().contains("modprobe ip_vs"), "{error}");

    let error = open(|requests| match requests[0].kind {
        GENL_ID_CTRL => answer_opening(&requests[0]),
        _ => vec![Ok(ack(requests[0].sequence, 1))],
    });
    assert_eq!(error, Err(Error::NotPermitted { request: "GET_INFO".into() }));
}

#[test]
fn answers_find_their_requests() {
    let (mut client, _) = client(|requests| {
        // The second was carried out, which the kernel does not say. In between comes an answer
        // to something long given up.
        let [first, _, third] = requests else { panic!("{requests:?}") };
        vec![Ok(ack(first.sequence, ESRCH)), Ok([ack(1, ENOENT), ack(third.sequence, 17)].concat())]
    });
    let results = client.execute(&adds(3));
    let text = |result: &Result<(), Error>| result.as_ref().map_err(ToString::to_string).cloned();
    assert_eq!(
        results.iter().map(text).collect::<Vec<_>>(),
        [
            Err("ipvs: NEW_DEST tcp 192.0.2.10:80 -> 198.51.100.0:80: No such service".into()),
            Ok(()),
            Err("ipvs: NEW_DEST tcp 192.0.2.10:80 -> 198.51.100.2:80: \
                 Destination already exists"
                .into()),
        ]
    );
    assert_eq!(results[2].as_ref().unwrap_err().errno(), Some(17));
}

#[test]
fn requests_are_sent_in_windows_of_64_whose_last_is_acknowledged() {
    let (mut client, sent) = client(|requests| {
        let asked = requests.iter().filter(|r| r.flags & NLM_F_ACK != 0);
        asked.map(|r| Ok(ack(r.sequence, 0))).collect()
    });
    let operations = adds(150);
    assert_eq!(client.execute(&operations), vec![Ok(()); 150]);
    let sent = sent.lock().unwrap();
    assert_eq!(sent.iter().map(Vec::len).collect::<Vec<_>>(), [64, 64, 22]);
    let asked = sent.iter().flatten().enumerate().filter(|(_, r)| r.flags & NLM_F_ACK != 0);
    assert_eq!(asked.map(|(index, _)| index).collect::<Vec<_>>(), [63, 127, 149]);
    let payloads: Vec<_> = sent.iter().flatten().map(|r| r.payload.clone()).collect();
    let expected: Vec<_> = operations.iter().map(payload).collect();
    assert_eq!(payloads, expected);
}

#[test]
fn the_kernels_words_are_carried() {
    let (mut client, _) = client(|requests| {
        let mut capped = (-22_i32).to_ne_bytes().to_vec();
        capped.extend([0; 16]);
        capped.extend(TOO_MUCH);
        let mut echoed = (-22_i32).to_ne_bytes().to_vec();
        // The request, whole: its header tells its length.
        echoed.extend(message(IPVS, 5, 0, &[15, 1, 0, 0, 8, 0, 9, 0, 1, 2, 3, 4]));
        echoed.extend(TOO_MUCH);
        vec![
            Ok(message(NLMSG_ERROR, 0x300, requests[0].sequence, &capped)),
            Ok(message(NLMSG_ERROR, 0x200, requests[1].sequence, &echoed)),
            // An extended text that is cut off.
            Ok(message(NLMSG_ERROR, 0x300, requests[2].sequence, &capped[..22])),
        ]
    });
    let errors: Vec<_> =
        client.execute(&adds(3)).into_iter().map(|r| r.unwrap_err().to_string()).collect();
    assert!(errors[0].ends_with("198.51.100.0:80: too much"), "{errors:?}");
    assert!(errors[1].ends_with("198.51.100.1:80: too much"), "{errors:?}");
    assert!(errors[2].contains("Invalid argument"), "{errors:?}");
}

#[test]
fn lost_answers_leave_operations_without_one_in_doubt() {
    let (mut client, _) = client(|requests| {
        let refused = Ok(ack(requests[0].sequence, ESRCH));
        // Whether 1 and 2 were refused nobody knows.
        vec![Err(Errno::ENOBUFS), refused, Ok(ack(requests[3].sequence, 0))]
    });
    let mut results = client.execute(&adds(4));
    let refused = std::mem::replace(&mut results[0], Ok(())).unwrap_err();
    assert_eq!(refused.errno(), Some(ESRCH));
    assert!(!refused.is_outcome_unknown());
    let lost = |host| {
        Err(Error::AnswerLost {
            request: format!("NEW_DEST tcp 192.0.2.10:80 -> 198.51.100.{host}:80"),
        })
    };
    assert_eq!(results, [Ok(()), lost(1), lost(2), Ok(())]);
    assert!(results[1].as_ref().unwrap_err().is_outcome_unknown());
}

#[test]
fn an_overrun_message_counts_as_lost_answers() {
    let (mut client, _) = client(|requests| {
        vec![Ok(ack(requests[0].sequence, 0)), Ok(message(NLMSG_OVERRUN, 0, 0, &[]))]
    });
    let results = client.execute(&adds(2));
    assert_eq!(results[0], Ok(()));
    assert!(matches!(results[1], Err(Error::AnswerLost { .. })), "{results:?}");
}

#[test]
fn silence_is_an_error_and_late_answers_are_skipped() {
    let mut silent = true;
    let (mut client, _) = client(move |requests| {
        if std::mem::take(&mut silent) {
            return Vec::new();
        }
        // The answer to the request before, then this one's.
        let sequence = requests[0].sequence;
        vec![Ok(ack(sequence - 1, ENOENT)), Ok(ack(sequence, 0))]
    });
    let results = client.execute(&adds(1));
    assert!(matches!(results[..], [Err(Error::NoAnswer { .. })]), "{results:?}");
    assert_eq!(client.execute(&adds(1)), [Ok(())]);
}

#[test]
fn a_failing_socket_is_no_refusal() {
    let (mut client, _) = client(|_| vec![Err(Errno::ENOMEM)]);
    let error = client.execute(&adds(1)).remove(0).unwrap_err();
    assert_eq!(
        error.to_string(),
        "ipvs: NEW_DEST tcp 192.0.2.10:80 -> 198.51.100.0:80: netlink socket: \
         Cannot allocate memory"
    );
}

/// Hosts of the destinations that a dump of `script` gives, and how many dumps it took.
fn dump(
    script: impl FnMut(&[Request]) -> Vec<Datagram> + 'static,
) -> (Result<Vec<String>, Error>, usize) {
    let (mut client, sent) = client(script);
    let result = client
        .destinations(&key())
        .map(|entries| entries.iter().map(|entry| entry.destination.key.to_string()).collect());
    let sent = sent.lock().unwrap();
    assert!(sent.iter().flatten().all(|r| r.flags & NLM_F_DUMP == NLM_F_DUMP), "{sent:?}");
    (result, sent.len())
}

#[test]
fn a_dump_is_read_over_several_datagrams() {
    let (result, dumps) = dump(|requests| {
        let sequence = requests[0].sequence;
        let part = |host| message(IPVS, 2, sequence, &destination(host));
        vec![
            Ok([part(1), part(2)].concat()),
            // A dump that goes on by index shows an entry twice when another was added.
            Ok([part(2), message(IPVS, 2, sequence - 1, &destination(9)), part(3)].concat()),
            Ok(done(sequence)),
        ]
    });
    let hosts = ["198.51.100.1:80", "198.51.100.2:80", "198.51.100.3:80"];
    assert_eq!(result, Ok(hosts.map(str::to_owned).to_vec()));
    assert_eq!(dumps, 1);
}

#[test]
fn an_interrupted_dump_is_done_again() {
    let mut count = 0;
    let (result, dumps) = dump(move |requests| {
        count += 1;
        let sequence = requests[0].sequence;
        let flags = if count == 1 { 2 | NLM_F_DUMP_INTR } else { 2 };
        vec![Ok(message(IPVS, flags, sequence, &destination(count))), Ok(done(sequence))]
    });
    assert_eq!(result, Ok(vec!["198.51.100.2:80".to_owned()]));
    assert_eq!(dumps, 2);
}

#[test]
fn a_dump_that_is_interrupted_every_time_is_taken_as_it_is() {
    let (result, dumps) = dump(|requests| {
        let sequence = requests[0].sequence;
        vec![
            Ok(message(IPVS, 2, sequence, &destination(1))),
            // The flag may stand on the last message alone.
            Ok(message(NLMSG_DONE, NLM_F_DUMP_INTR, sequence, &[0; 4])),
        ]
    });
    assert_eq!(result, Ok(vec!["198.51.100.1:80".to_owned()]));
    assert_eq!(dumps, 4, "once and three retries");
}

#[test]
fn a_dump_with_holes_is_not_taken() {
    let (result, dumps) = dump(|requests| {
        let sequence = requests[0].sequence;
        vec![
            Ok(message(IPVS, 2, sequence, &destination(1))),
            Err(Errno::ENOBUFS),
            Ok(done(sequence)),
        ]
    });
    assert_eq!(result, Err(Error::AnswerLost { request: "GET_DEST tcp 192.0.2.10:80".into() }));
    assert_eq!(dumps, 4, "once and three retries");
}

#[test]
fn an_error_at_the_end_of_a_dump_is_an_error() {
    let (result, _) = dump(|requests| {
        let sequence = requests[0].sequence;
        let mut payload = (-ESRCH).to_ne_bytes().to_vec();
        payload.extend(TOO_MUCH);
        vec![
            Ok(message(IPVS, 2, sequence, &destination(1))),
            Ok(message(NLMSG_DONE, 2, sequence, &payload)),
        ]
    });
    let error = result.unwrap_err();
    assert_eq!(error.to_string(), "ipvs: GET_DEST tcp 192.0.2.10:80: too much");
    assert_eq!(error.errno(), Some(ESRCH));
}

#[test]
fn a_dump_ends_without_a_number_too() {
    let (result, _) = dump(|requests| vec![Ok(message(NLMSG_DONE, 2, requests[0].sequence, &[]))]);
    assert_eq!(result, Ok(Vec::new()));
}

#[test]
fn nonsense_from_the_kernel_is_an_error() {
    let (result, _) = dump(|requests| {
        let sequence = requests[0].sequence;
        let mut payload = destination(1);
        // The attribute's length reaches beyond the message.
        payload[4] = 0xff;
        vec![Ok(message(IPVS, 2, sequence, &payload)), Ok(done(sequence))]
    });
    assert_eq!(
        result.unwrap_err().to_string(),
        "ipvs: GET_DEST tcp 192.0.2.10:80: unintelligible answer of the kernel: \
         the command attributes are malformed"
    );
}

#[test]
fn a_service_that_is_not_there_is_none() {
    let (mut client, _) = client(|requests| vec![Ok(ack(requests[0].sequence, ESRCH))]);
    assert_eq!(client.service(&key()), Ok(None));
}

#[test]
fn a_table_is_its_services_with_their_destinations() {
    let (mut client, _) = client(|requests| {
        let request = &requests[0];
        let part = |payload: &[u8]| message(IPVS, 2, request.sequence, payload);
        let services = [7_u32, 8].map(|mark| {
            let service = crate::Service {
                key: ServiceKey::Fwmark { mark, family: crate::Family::Inet },
                scheduler: "rr".parse().unwrap(),
                flags: crate::ServiceFlags::NONE,
                persistence: None,
                persistence_engine: None,
            };
            part(&payload(&Operation::NewService(service)))
        });
        // GET_SERVICE is 4, GET_DEST is 8; at 20 lies the lowest byte of the mark.
        let answer = match (request.payload[0], request.payload.get(20)) {
            (4, _) => services.concat(),
            (8, Some(7)) => part(&destination(1)),
            (8, Some(8)) => [part(&destination(2)), part(&destination(3))].concat(),
            other => panic!("{other:?}"),
        };
        vec![Ok(answer), Ok(done(request.sequence))]
    });
    let table = client.table().unwrap();
    let read: Vec<(String, Vec<String>)> = table
        .services
        .iter()
        .map(|s| {
            let hosts = s.destinations.iter().map(|d| d.destination.key.to_string());
            (s.entry.service.key.to_string(), hosts.collect())
        })
        .collect();
    assert_eq!(
        read,
        [
            ("fwmark 7".to_owned(), vec!["198.51.100.1:80".to_owned()]),
            (
                "fwmark 8".to_owned(),
                vec!["198.51.100.2:80".to_owned(), "198.51.100.3:80".to_owned()]
            ),
        ]
    );
}
