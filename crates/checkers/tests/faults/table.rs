//! The table.

use checkers::Cause;

use crate::servers::Fault;
use crate::subject::Subject;

/// What comes of a check.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Expected {
    Passes,
    /// By this cause, in these words (`*` at their end: however they go on); by one of these where
    /// chance decides.
    Fails(&'static [(Cause, &'static str)]),
    /// There is no such thing, for this reason.
    Cannot(&'static str),
}

impl Expected {
    /// Whether only the timeout ends it.
    pub(crate) fn times_out(self) -> bool {
        matches!(self, Self::Fails([(Cause::TimedOut, _)]))
    }
}

use Expected::{Cannot, Fails, Passes};
use Fault::*;
use Subject::*;

/// What comes of this check of a server with this fault.
pub(crate) fn expected(subject: Subject, fault: Fault) -> Expected {
    use Cause::{Closed, Content, Protocol, Refused, Reset, TimedOut};

    match (fault, subject) {
        (_, Ping) => Cannot("an echo reply is whole, and only a host can be at fault"),

        (Refuses, _) => Fails(&[(Refused, "connection refused")]),

        (Filtered, DnsUdp | Udp) => Cannot("a lost datagram is as good as silence"),
        (Filtered, _) => Fails(&[(TimedOut, "timed out after 500ms while connecting")]),

        (WrongName | Expired | SelfSigned, subject) if !subject.has_tls() => {
            Cannot("nothing is said over TLS")
        }
        (WrongName, _) => Fails(&[(
            Cause::NameMismatch,
            "TLS: the certificate is not for the name www.example.org, but for mail.example.org",
        )]),
        (Expired, _) => Fails(&[(
            Cause::CertificateExpired,
            "TLS: the certificate has expired (2020-01-01T00:00:00Z)",
        )]),
        (SelfSigned, _) => Fails(&[(
            Cause::CertificateUntrusted,
            "TLS: the certificate is not signed by a trusted authority",
        )]),

        // It is content with a connection.
        (_, Tcp) => Passes,

        (Silent, TcpExpect) => Fails(&[(
            TimedOut,
            "timed out after 500ms while waiting for the expected answer, without an answer",
        )]),
        (Silent | ByteByByte, TcpTls | SmtpStartTls) => {
            Fails(&[(TimedOut, "timed out after 500ms while shaking hands (TLS)")])
        }
        (Silent | ByteByByte, Http | Https | Http2 | Https2 | Grpc | GrpcTls)
        | (Silent, DnsUdp) => {
            Fails(&[(TimedOut, "timed out after 500ms while waiting for the answer")])
        }
        (Silent, Smtp | Smtps) => {
            Fails(&[(TimedOut, "timed out after 500ms while waiting for the reply (greeting)")])
        }
        (Silent | ByteByByte | Garbage, DnsTcp) => {
            Fails(&[(TimedOut, "timed out after 500ms while waiting for the answer over TCP")])
        }
        (Silent, Udp) => Fails(&[(TimedOut, "timed out after 500ms while waiting for an answer")]),
        (Silent, Agent) => {
            Fails(&[(TimedOut, "timed out after 500ms while waiting for the agent's line")])
        }

        (ByteByByte | Garbage, TcpExpect) => Fails(&[(
            TimedOut,
            "timed out after 500ms while waiting for the expected answer, without \
             \"+PONG\\r\\n\"; got \"*",
        )]),
        (ByteByByte, Smtp | Smtps) => Fails(&[(
            TimedOut,
            "timed out after 500ms while waiting for the reply (greeting); got \"2*",
        )]),
        (ByteByByte, DnsUdp) => Fails(&[(
            TimedOut,
            "timed out after 500ms while waiting for the answer (what came is not: it is shorter \
             than a DNS header)",
        )]),
        (ByteByByte, Udp) => Fails(&[(Content, "answer \"x\" (expected \"pong\")")]),
        (ByteByByte | Garbage, Agent) => Fails(&[(
            TimedOut,
            "timed out after 500ms while waiting for the agent's line; got \"*",
        )]),

        (EndlessPrelude, TcpTls | SmtpStartTls) => Fails(&[(
            Cause::Tls,
            "TLS: received unexpected message: got ChangeCipherSpec when expecting Handshake",
        )]),
        (EndlessPrelude, Http | Https | Http2 | Https2) => {
            Fails(&[(Protocol, "read the answer: the server sends more than 327680 bytes")])
        }
        (EndlessPrelude, Grpc | GrpcTls) => {
            Fails(&[(Protocol, "read the answer: the server sends more than 266240 bytes")])
        }
        (EndlessPrelude, TcpExpect | Smtp | Smtps | DnsUdp | DnsTcp | Udp | Agent) => {
            Cannot("nothing comes before an answer")
        }

        (EndlessHead, TcpTls | SmtpStartTls) => {
            Fails(&[(Cause::Tls, "TLS: the server's handshake has no end")])
        }
        (EndlessHead, Http | Https) => {
            Fails(&[(Protocol, "not a valid HTTP answer: message head is too large")])
        }
        (EndlessHead, Http2 | Https2 | Grpc | GrpcTls) => {
            Fails(&[(Protocol, "not a valid HTTP/2 answer: headers or other frames without end")])
        }
        (EndlessHead, Smtp | Smtps) => {
            Fails(&[(Protocol, "greeting: a reply of more than 64 lines")])
        }
        (EndlessHead, TcpExpect | DnsUdp | DnsTcp | Udp | Agent) => Cannot("an answer has no head"),

        (EndlessBody, TcpExpect) => {
            Fails(&[(Content, "more than 16384 bytes, without \"+PONG\\r\\n\"; got \"xxxx*")])
        }
        (EndlessBody, TcpTls | SmtpStartTls) => Cannot("a handshake is all head"),
        (EndlessBody, Http | Https | Http2 | Https2) => Fails(&[(
            Content,
            "the body does not contain \"fine\" in its first 32768 bytes; it starts with \"xxxx*",
        )]),
        (EndlessBody, Smtp | Smtps) => {
            Fails(&[(Protocol, "greeting: a line of more than 2048 bytes")])
        }
        (EndlessBody, DnsUdp) => {
            Fails(&[(Protocol, "1000 datagrams instead of the answer: it has another id")])
        }
        (EndlessBody, DnsTcp) => {
            Fails(&[(Protocol, "not the answer to the query: it has another id")])
        }
        (EndlessBody, Agent) => Fails(&[(Protocol, "a line of more than 1024 bytes")]),
        (EndlessBody, Grpc | GrpcTls) => Fails(&[(Protocol, "an answer of more than 4096 bytes")]),

        (EndlessBody | Garbage, Udp) => Fails(&[(Content, "answer \"\\xff\\xfe\\x00\\x80*")]),
        (Garbage, TcpTls | SmtpStartTls) => {
            Fails(&[(Cause::Tls, "TLS: the server does not speak TLS on this port")])
        }
        (Garbage, Http | Https) => {
            Fails(&[(Protocol, "not a valid HTTP answer: invalid HTTP version parsed")])
        }
        (Garbage, Http2 | Https2 | Grpc | GrpcTls) => Fails(&[(
            Protocol,
            "not an HTTP/2 answer (does the server speak another protocol on this port?)",
        )]),
        (Garbage, Smtp | Smtps) => {
            Fails(&[(Protocol, "greeting: a line without a reply code: \"\\xff\\xfe*")])
        }
        (Garbage, DnsUdp) => Fails(&[(
            TimedOut,
            "timed out after 500ms while waiting for the answer (what came is not: it has \
             another id)",
        )]),

        (ResetInTheMiddle | HalfClose | Closes, DnsUdp | Udp) => {
            Cannot("datagrams have no connection")
        }
        // What is still to be sent may meet the end of the connection first.
        (ResetInTheMiddle, Http2 | Https2 | Grpc | GrpcTls) => Fails(&[
            (Reset, "connection reset"),
            (Closed, "connection closed before the answer was complete"),
        ]),
        (ResetInTheMiddle, _) => Fails(&[(Reset, "connection reset")]),

        (HalfClose, TcpExpect) => {
            Fails(&[(Content, "connection closed, without \"+PONG\\r\\n\"; got \"+PO\"")])
        }
        (HalfClose, TcpTls | SmtpStartTls) => {
            Fails(&[(Closed, "TLS: connection closed during the handshake")])
        }
        (HalfClose, Smtp | Smtps) => {
            Fails(&[(Closed, "connection closed before the reply (greeting)")])
        }
        // `up 75%`: the end of the connection ends the line.
        (HalfClose, Agent) => Passes,
        (HalfClose, Http | Https | Http2 | Https2 | DnsTcp | Grpc | GrpcTls) => {
            Fails(&[(Closed, "connection closed before the answer was complete")])
        }

        // With what was sent unread it becomes a reset.
        (Closes, TcpExpect) => {
            Fails(&[(Closed, "connection closed, without an answer"), (Reset, "connection reset")])
        }
        (Closes, TcpTls | Https | Https2 | Smtps | GrpcTls) => Fails(&[
            (Closed, "TLS: connection closed during the handshake"),
            (Reset, "connection reset"),
        ]),
        (Closes, Smtp | SmtpStartTls) => {
            Fails(&[(Closed, "connection closed before the reply (greeting)")])
        }
        (Closes, Agent) => Fails(&[(Closed, "connection closed before the agent said anything")]),
        (Closes, Http | Http2 | DnsTcp | Grpc) => Fails(&[
            (Closed, "connection closed before the answer was complete"),
            (Reset, "connection reset"),
        ]),
    }
}
