//! What servers say, of which faults take a part.

use crate::common::faults::First;
use crate::subject::Subject;

/// How a server of some protocol speaks.
pub(crate) struct Speech {
    /// What it says first, after each but the last a line of the client's.
    pub(crate) before: &'static [&'static [u8]],
    /// Whether TLS is set up then.
    pub(crate) tls: bool,
    /// Who speaks then.
    pub(crate) first: First,
    /// The beginning of a good answer, or all of it.
    pub(crate) answer: Vec<u8>,
    /// What comes before an answer without end, if anything may.
    pub(crate) prelude: Option<Endless>,
    /// A head without end, if answers have one.
    pub(crate) head: Option<Endless>,
    /// A body without end.
    pub(crate) body: Option<Endless>,
}

/// How it starts, and what follows for ever: much at once, so that a reader without a limit is
/// noticed.
pub(crate) type Endless = (Vec<u8>, Vec<u8>);

fn endless(start: &[u8], piece: &[u8]) -> Option<Endless> {
    Some((start.to_vec(), piece.repeat(4096_usize.div_ceil(piece.len()))))
}

impl Speech {
    pub(crate) fn of(subject: Subject) -> Self {
        use Subject::*;
        match subject {
            Tcp => Self::asked(b"hello\r\n", None, endless(b"", b"x")),
            TcpExpect => Self::asked(b"+PONG\r\n", None, endless(b"", b"x")),
            TcpTls => Self::handshake(),
            Http => Self::http(),
            Https => Self { tls: true, ..Self::http() },
            Http2 => Self::http2(),
            Https2 => Self { tls: true, ..Self::http2() },
            Smtp => Self::smtp(),
            SmtpStartTls => Self {
                before: &[b"220 mx\r\n", b"250-mx\r\n250 STARTTLS\r\n", b"220 go ahead\r\n"],
                ..Self::handshake()
            },
            Smtps => Self { tls: true, ..Self::smtp() },
            DnsUdp | Udp => Self::asked(b"x", None, endless(b"", b"x")),
            // Each message follows its length.
            DnsTcp => {
                Self::asked(b"\0\x50\x12\x34\x81\x80\0\x01", None, endless(b"\xff\xff", b"x"))
            }
            Agent => Self {
                first: First::Server,
                ..Self::asked(b"up 75% # busy\n", None, endless(b"up # ", b"x"))
            },
            Grpc => Self::http2(),
            GrpcTls => Self { tls: true, ..Self::http2() },
            Ping => Self::asked(b"", None, None),
        }
    }

    fn asked(answer: &[u8], head: Option<Endless>, body: Option<Endless>) -> Self {
        let (first, answer) = (First::Client, answer.to_vec());
        Self { before: &[], tls: false, first, answer, prelude: None, head, body }
    }

    fn http() -> Self {
        let answer = Self::asked(
            b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine",
            endless(b"HTTP/1.1 200 OK\r\n", b"X: yyy\r\n"),
            endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
        );
        // Interim answers (RFC 9110, 15.2).
        Self { prelude: endless(b"", b"HTTP/1.1 102 Processing\r\n\r\n"), ..answer }
    }

    /// SETTINGS, which come first (RFC 9113, 6.5), then a head with `:status 200` (RFC 7541,
    /// appendix A) and a body, of which the ends are missing.
    fn http2() -> Self {
        const DATA: u8 = 0;
        const HEADERS: u8 = 1;
        const SETTINGS: u8 = 4;
        const CONTINUATION: u8 = 9;
        const END_HEADERS: u8 = 4;
        let start = frame(SETTINGS, 0, 0, b"");
        let head = [&*start, &frame(HEADERS, END_HEADERS, 1, b"\x88")].concat();
        // A field `x: yyy`, written out (RFC 7541, 6.2.2).
        let more_head = frame(CONTINUATION, 0, 1, &b"\0\x01x\x03yyy".repeat(600));
        let answer = Self::asked(
            &[&*head, &frame(DATA, 0, 1, b"fi")].concat(),
            endless(&[&*start, &frame(HEADERS, 0, 1, b"\x88")].concat(), &more_head),
            endless(&head, &frame(DATA, 0, 1, &[b'x'; 4087])),
        );
        Self { prelude: endless(b"", &start), ..answer }
    }

    fn smtp() -> Self {
        Self {
            first: First::Server,
            ..Self::asked(
                b"220 mx.example.com\r\n",
                endless(b"", b"220-mx\r\n"),
                endless(b"220 ", b"x"),
            )
        }
    }

    /// A handshake of TLS is all head (RFC 8446, 4 and 5.1): records with a ServerHello.
    fn handshake() -> Self {
        let record = [&b"\x16\x03\x03\x40\0"[..], &[0; 1 << 14]].concat();
        let answer = Self::asked(
            b"\x16\x03\x03\0\x7a\x02\0\0\x76\x03\x03",
            // One with the length of 16 MiB.
            Some((b"\x16\x03\x03\0\x04\x02\xff\xff\xff".to_vec(), record)),
            None,
        );
        // Change of the cipher's specification, which in TLS 1.3 says nothing (appendix D.4).
        Self { prelude: endless(b"", b"\x14\x03\x03\0\x01\x01"), ..answer }
    }
}

/// A frame of HTTP/2 (RFC 9113, 4.1).
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let [high, middle, low] = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..] else {
        unreachable!("three of four bytes")
    };
    [&[high, middle, low, kind, flags, 0, 0, 0, stream], payload].concat()
}
