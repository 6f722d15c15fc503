//! The messages in a datagram.

use netlink_packet_core::{
    DoneBuffer, ErrorBuffer, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLM_F_DUMP_INTR, NLMSG_DONE,
    NLMSG_ERROR, NLMSG_NOOP, NLMSG_OVERRUN, NetlinkBuffer, NlasIterator,
};

/// Bytes of a `struct nlmsghdr`.
pub(super) const HEADER: usize = 16;

/// `NLMSGERR_ATTR_MSG`: the kernel's reason in words.
const EXTENDED_TEXT: u16 = 1;

/// A refusal by the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// Positive error number.
    pub(super) errno: i32,
    /// The kernel's words.
    pub(super) words: Option<String>,
}

/// What a message is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content<'a> {
    /// The payload, from the `genlmsghdr` on.
    Data(&'a [u8]),
    /// The request is done.
    Done,
    /// The request is refused.
    Refused(Refusal),
    /// Messages were lost (`NLMSG_OVERRUN`).
    Overrun,
    /// Nothing (`NLMSG_NOOP`).
    Nothing,
}

/// A message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    /// Sequence number of the request that it answers.
    pub(super) sequence: u32,
    /// The table changed while it was dumped (`NLM_F_DUMP_INTR`).
    pub(super) interrupted: bool,
    /// What it is.
    pub(super) content: Content<'a>,
}

/// The messages of a datagram, up to the first that is cut off.
pub(super) fn frames(datagram: &[u8]) -> impl Iterator<Item = Frame<'_>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let message = NetlinkBuffer::new_checked(rest).ok()?;
        let length = usize::try_from(message.length()).ok()?;
        let payload = rest.get(HEADER..length)?;
        let flags = message.flags();
        let content = match message.message_type() {
            NLMSG_NOOP => Content::Nothing,
            NLMSG_OVERRUN => Content::Overrun,
            NLMSG_ERROR => error(payload, flags)?,
            NLMSG_DONE => done(payload),
            _ => Content::Data(payload),
        };
        let frame = Frame {
            sequence: message.sequence_number(),
            interrupted: flags & NLM_F_DUMP_INTR != 0,
            content,
        };
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(frame)
    })
}

/// `struct nlmsgerr`: the number, the request (only its header where capped), attributes.
fn error(payload: &[u8], flags: u16) -> Option<Content<'static>> {
    let message = ErrorBuffer::new_checked(payload).ok()?;
    let Some(code) = message.code() else {
        return Some(Content::Done);
    };
    let words = (flags & NLM_F_ACK_TLVS != 0).then(|| {
        let echoed = message.payload();
        let request = if flags & NLM_F_CAPPED != 0 {
            HEADER
        } else {
            let header = NetlinkBuffer::new_checked(echoed).ok()?;
            usize::try_from(header.length()).ok()?.next_multiple_of(4)
        };
        extended_text(echoed.get(request..)?)
    });
    Some(refused(code.get(), words.flatten()))
}

/// The end of a dump: the number and attributes; an old kernel sends neither.
fn done(payload: &[u8]) -> Content<'static> {
    match DoneBuffer::new_checked(payload) {
        Ok(message) if message.code() < 0 => {
            refused(message.code(), extended_text(message.extended_ack()))
        }
        _ => Content::Done,
    }
}

fn refused(code: i32, words: Option<String>) -> Content<'static> {
    Content::Refused(Refusal { errno: code.saturating_abs(), words })
}

fn extended_text(attributes: &[u8]) -> Option<String> {
    let text = NlasIterator::new(attributes).flatten().find(|nla| nla.kind() == EXTENDED_TEXT)?;
    let text = text.value().split(|&byte| byte == 0).next()?;
    (!text.is_empty()).then(|| String::from_utf8_lossy(text).into_owned())
}
