//! The messages of gRPC health checking: `grpc.health.v1` (grpc's `health.proto`), in the wire
//! format of Protocol Buffers, framed as "gRPC over HTTP2" has it. Two fields of two messages, so
//! by hand.

use crate::outcome::{Cause, Failure};

/// Path of the request.
pub const PATH: &str = "/grpc.health.v1.Health/Check";
/// So many bytes of an answer are read: one field of two bytes is due.
pub const LIMIT: usize = 4096;

/// The values of `ServingStatus`, by their numbers.
const STATUSES: [&str; 4] = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];
const SERVING: u64 = 1;

/// The codes of gRPC (grpc's `statuscodes.md`), by their numbers.
const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// A `HealthCheckRequest { string service = 1; }` in its frame.
pub fn request(service: &str) -> Vec<u8> {
    let mut message = Vec::new();
    // A field with its default value is left out.
    if !service.is_empty() {
        message.push(0x0a);
        let mut length = service.len();
        while length >= 0x80 {
            message.push(u8::try_from(length & 0x7f).unwrap_or_default() | 0x80);
            length >>= 7;
        }
        message.push(u8::try_from(length).unwrap_or_default());
        message.extend(service.as_bytes());
    }
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let mut frame = vec![0];
    frame.extend(length.to_be_bytes());
    frame.extend(message);
    frame
}

/// Judges an answer: `grpc-status` and `grpc-message` of its trailers or headers, then its body.
///
/// # Errors
/// When it is not SERVING.
pub fn judge(status: Option<&[u8]>, message: Option<&[u8]>, body: &[u8]) -> Result<(), Failure> {
    let protocol = |text: String| Failure::new(Cause::Protocol, text);
    let status = status.ok_or_else(|| protocol("an answer without grpc-status".into()))?;
    let code = std::str::from_utf8(status).ok().and_then(|status| status.parse::<u16>().ok());
    let code = code
        .ok_or_else(|| protocol(format!("grpc-status {} is no number", super::excerpt(status))))?;
    if code != 0 {
        let name = CODES.get(usize::from(code)).copied().unwrap_or("unknown code");
        let message = message.unwrap_or_default();
        let words = match message {
            [] => String::new(),
            message => format!(": {}", super::excerpt(message)),
        };
        let text = format!("grpc-status {code} {name}{words} (expected 0 OK)");
        return Err(Failure::new(Cause::Status(code), text));
    }
    let serving = serving_status(body)
        .map_err(|what| protocol(format!("not a valid HealthCheckResponse: {what}")))?;
    if serving == SERVING {
        return Ok(());
    }
    let name = usize::try_from(serving).ok().and_then(|number| STATUSES.get(number));
    let name = name.map_or_else(|| serving.to_string(), |name| (*name).to_owned());
    Err(Failure::new(Cause::Reported, format!("status {name} (expected SERVING)")))
}

/// `HealthCheckResponse { ServingStatus status = 1; }` in its frame; 0 if it is left out.
fn serving_status(body: &[u8]) -> Result<u64, &'static str> {
    let (frame, mut message) = body.split_first_chunk::<5>().ok_or("shorter than its frame")?;
    let [compressed, length @ ..] = frame;
    if *compressed != 0 {
        return Err("it is compressed");
    }
    if usize::try_from(u32::from_be_bytes(*length)) != Ok(message.len()) {
        return Err("its length is not that of its frame");
    }
    let mut status = 0;
    while !message.is_empty() {
        let key = varint(&mut message)?;
        // The lowest three bits are the type of the field.
        match (key >> 3, key & 7) {
            (1, 0) => status = varint(&mut message)?,
            (_, 0) => _ = varint(&mut message)?,
            (_, 1) => skip(&mut message, 8)?,
            (_, 2) => {
                let length = varint(&mut message)?;
                skip(&mut message, length)?;
            }
            (_, 5) => skip(&mut message, 4)?,
            _ => return Err("a field of an unknown type"),
        }
    }
    Ok(status)
}

/// Takes a variable-length integer: seven bits a byte, the lowest first; the highest bit of each
/// byte tells that another follows.
fn varint(message: &mut &[u8]) -> Result<u64, &'static str> {
    let mut value = 0;
    for shift in (0..70).step_by(7) {
        let (byte, rest) = message.split_first().ok_or("it ends within a number")?;
        *message = rest;
        // What is beyond 64 bits is dropped, as other readers do.
        value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err("a number of more than ten bytes")
}

fn skip(message: &mut &[u8], length: u64) -> Result<(), &'static str> {
    let length = usize::try_from(length).map_err(|_| "a field longer than the message")?;
    *message = message.get(length..).ok_or("a field longer than the message")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(message: &[u8]) -> Vec<u8> {
        let length = u8::try_from(message.len()).unwrap();
        [&[0, 0, 0, 0, length], message].concat()
    }

    fn answer(message: &[u8]) -> Result<(), Failure> {
        judge(Some(b"0"), None, &body(message))
    }

    #[track_caller]
    fn failure(result: Result<(), Failure>) -> (Cause, String) {
        let failure = result.unwrap_err();
        (failure.cause, failure.text)
    }

    #[test]
    fn the_request_names_the_service() {
        assert_eq!(request(""), b"\0\0\0\0\0");
        assert_eq!(request("a.B"), b"\0\0\0\0\x05\x0a\x03a.B");
        let long = request(&"x".repeat(300));
        assert_eq!(&long[..8], b"\0\0\0\x01\x2f\x0a\xac\x02");
    }

    #[test]
    fn serving_passes_and_every_other_status_is_named() {
        assert_eq!(answer(b"\x08\x01"), Ok(()));
        // Unknown fields of every type around it, and the last one counts.
        let fields = b"\x10\x96\x01\x08\x02\x1a\x02ab\x21\0\0\0\0\0\0\0\0\x2d\0\0\0\0\x08\x01";
        assert_eq!(answer(fields), Ok(()));
        for (message, name) in [
            (&b""[..], "UNKNOWN"),
            (b"\x08\x00", "UNKNOWN"),
            (b"\x08\x02", "NOT_SERVING"),
            (b"\x08\x03", "SERVICE_UNKNOWN"),
            (b"\x08\x81\x01", "129"),
        ] {
            let (cause, text) = failure(answer(message));
            assert_eq!(cause, Cause::Reported);
            assert_eq!(text, format!("status {name} (expected SERVING)"));
        }
    }

    #[test]
    fn a_status_of_grpc_decides_first() {
        let serving = body(b"\x08\x01");
        let (cause, text) = failure(judge(Some(b"12"), Some(b"no health"), &serving));
        assert_eq!(cause, Cause::Status(12));
        assert_eq!(text, r#"grpc-status 12 UNIMPLEMENTED: "no health" (expected 0 OK)"#);
        let (cause, text) = failure(judge(Some(b"5"), None, b""));
        assert_eq!((cause, &*text), (Cause::Status(5), "grpc-status 5 NOT_FOUND (expected 0 OK)"));
        assert_eq!(failure(judge(Some(b"99"), None, b"")).0, Cause::Status(99));
        for status in [None, Some(&b""[..]), Some(b"OK"), Some(b"-1"), Some(b"\xff")] {
            assert_eq!(failure(judge(status, None, &serving)).0, Cause::Protocol, "{status:?}");
        }
    }

    #[test]
    fn what_is_no_response_is_refused() {
        let cut: [&[u8]; 8] = [
            b"\x08",
            b"\x08\x80",
            b"\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
            b"\x12\x05ab",
            b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            b"\x21\0",
            b"\x2d\0",
            b"\x0b",
        ];
        for message in cut {
            assert_eq!(failure(answer(message)).0, Cause::Protocol, "{message:02x?}");
        }
        for body in [&b""[..], b"\0\0\0\0", b"\x01\0\0\0\x02\x08\x01", b"\0\0\0\0\x03\x08\x01"] {
            assert_eq!(failure(judge(Some(b"0"), None, body)).0, Cause::Protocol, "{body:02x?}");
        }
    }
}
