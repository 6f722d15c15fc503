//! Requests and the answers that belong to them.

use netlink_packet_core::{
    Emitable, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage,
};
use netlink_packet_generic::{GenlFamily, GenlMessage};
use nix::errno::Errno;

use super::frame::{Content, Frame, HEADER, Refusal, frames};
use super::transport::{Transport, Wait};

/// Requests in one datagram. Were all refused, the answers to so many would fit into the default
/// receive buffer of 208 KiB; those to 256 would not. More are no faster.
pub(super) const WINDOW: usize = 64;

/// How often an interrupted dump is done again. A table that changes all the time interrupts
/// every one, so that the last is taken as it is.
pub(super) const DUMP_RETRIES: usize = 3;

/// Why a request has no good answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// The kernel refused.
    Refused(Refusal),
    /// The answer was lost.
    AnswerLost,
    /// No answer came in time.
    NoAnswer,
    /// The socket failed.
    Socket(Errno),
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::EAGAIN => Self::NoAnswer,
            Errno::ENOBUFS => Self::AnswerLost,
            errno => Self::Socket(errno),
        }
    }
}

/// The payloads that answered one request.
struct Answer {
    payloads: Vec<Vec<u8>>,
    /// The table changed in between.
    interrupted: bool,
    /// Some payloads are missing.
    incomplete: bool,
}

/// A socket with the numbers of its requests.
#[derive(Debug)]
pub(super) struct Link<T> {
    transport: T,
    /// Sequence number of the next request.
    sequence: u32,
    /// The last datagram that came.
    buffer: Vec<u8>,
}

impl<T: Transport> Link<T> {
    pub(super) fn new(transport: T) -> Self {
        Self { transport, sequence: 1, buffer: Vec::new() }
    }

    /// Sends a request for each item, up to [`WINDOW`] of them in one datagram. `append` appends
    /// its payload. There is one result for each, in the same order.
    ///
    /// Only the last request of a datagram asks for an acknowledgement: the kernel takes them in
    /// order and answers each that it refuses anyway (netlink(7), `NLM_F_ACK`). An answer to
    /// every request costs half as much again as the requests themselves.
    pub(super) fn execute<R>(
        &mut self,
        family: u16,
        items: &[R],
        append: impl Fn(&R, &mut Vec<u8>),
    ) -> Vec<Result<(), Failure>> {
        let mut results = Vec::with_capacity(items.len());
        let mut datagram = Vec::new();
        for window in items.chunks(WINDOW) {
            let first = self.sequence;
            datagram.clear();
            for (index, item) in window.iter().enumerate() {
                let flags = if index + 1 == window.len() { NLM_F_ACK } else { 0 };
                let start = datagram.len();
                datagram.resize(start + HEADER, 0);
                append(item, &mut datagram);
                self.set_header(&mut datagram[start..], family, flags);
            }
            results.append(&mut self.window(&datagram, first, window.len()));
        }
        results
    }

    /// Sends a datagram of `count` requests from the sequence number `first` on and waits until
    /// the last has its answer. Those without an answer by then were carried out.
    ///
    /// The kernel works while a datagram is being sent: afterwards every answer that will ever
    /// come is in the queue. So when answers were lost, it is enough to read the queue to its end.
    fn window(&mut self, datagram: &[u8], first: u32, count: usize) -> Vec<Result<(), Failure>> {
        if let Err(errno) = self.transport.send(datagram) {
            return vec![Err(Failure::Socket(errno)); count];
        }
        let mut answers: Vec<Option<Result<(), Failure>>> = vec![None; count];
        let mut lost = false;
        let unanswered = loop {
            if let Some(Some(_)) = answers.last() {
                break if lost { Err(Failure::AnswerLost) } else { Ok(()) };
            }
            let wait = if lost { Wait::Not } else { Wait::Patiently };
            match self.transport.receive(&mut self.buffer, wait) {
                Ok(()) => {}
                Err(Errno::ENOBUFS) => {
                    lost = true;
                    continue;
                }
                Err(Errno::EAGAIN) if lost => break Err(Failure::AnswerLost),
                Err(errno) => break Err(errno.into()),
            }
            for frame in frames(&self.buffer) {
                lost |= frame.content == Content::Overrun;
                let slot = usize::try_from(frame.sequence.wrapping_sub(first)).ok();
                let slot = slot.and_then(|slot| answers.get_mut(slot));
                if let (Some(slot @ None), Some(result)) = (slot, result(frame)) {
                    *slot = Some(result);
                }
            }
        };
        answers.into_iter().map(|answer| answer.unwrap_or_else(|| unanswered.clone())).collect()
    }

    /// Sends one request and collects the payloads of its answer.
    pub(super) fn get<F>(&mut self, family: u16, request: F) -> Result<Vec<Vec<u8>>, Failure>
    where
        F: GenlFamily + Emitable + std::fmt::Debug,
    {
        let answer = self.collect(family, NLM_F_ACK, request)?;
        if answer.incomplete { Err(Failure::AnswerLost) } else { Ok(answer.payloads) }
    }

    /// Dumps. A dump during which the table changed is done again, see [`DUMP_RETRIES`].
    pub(super) fn dump<F>(&mut self, family: u16, request: F) -> Result<Vec<Vec<u8>>, Failure>
    where
        F: GenlFamily + Emitable + std::fmt::Debug + Clone,
    {
        let mut retries = DUMP_RETRIES;
        loop {
            let answer = self.collect(family, NLM_F_DUMP, request.clone())?;
            let good = !answer.interrupted && !answer.incomplete;
            if good || retries == 0 && !answer.incomplete {
                return Ok(answer.payloads);
            }
            if retries == 0 {
                return Err(Failure::AnswerLost);
            }
            retries -= 1;
        }
    }

    /// Answers to older requests, which were given up, are skipped.
    fn collect<F>(&mut self, family: u16, flags: u16, request: F) -> Result<Answer, Failure>
    where
        F: GenlFamily + Emitable + std::fmt::Debug,
    {
        let sequence = self.sequence;
        let mut datagram = Vec::new();
        self.append(&mut datagram, family, flags, request);
        self.transport.send(&datagram).map_err(Failure::Socket)?;
        let mut answer = Answer { payloads: Vec::new(), interrupted: false, incomplete: false };
        loop {
            match self.transport.receive(&mut self.buffer, Wait::Patiently) {
                Ok(()) => {}
                Err(Errno::ENOBUFS) => {
                    answer.incomplete = true;
                    continue;
                }
                Err(errno) => return Err(errno.into()),
            }
            for frame in frames(&self.buffer) {
                answer.incomplete |= frame.content == Content::Overrun;
                if frame.sequence != sequence {
                    continue;
                }
                answer.interrupted |= frame.interrupted;
                match frame.content {
                    Content::Data(payload) => answer.payloads.push(payload.to_vec()),
                    Content::Refused(refusal) => return Err(Failure::Refused(refusal)),
                    Content::Done => return Ok(answer),
                    Content::Overrun | Content::Nothing => {}
                }
            }
        }
    }

    /// Fills in the header of a request that is there but for that. Its payload is padded.
    fn set_header(&mut self, request: &mut [u8], family: u16, flags: u16) {
        let mut header = NetlinkHeader::default();
        // A request has some hundred bytes.
        header.length = u32::try_from(request.len()).unwrap_or(u32::MAX);
        header.message_type = family;
        header.flags = NLM_F_REQUEST | flags;
        header.sequence_number = self.sequence;
        header.emit(request);
        self.sequence = self.sequence.wrapping_add(1);
    }

    /// Appends a request to a datagram.
    fn append<F>(&mut self, datagram: &mut Vec<u8>, family: u16, flags: u16, request: F)
    where
        F: GenlFamily + Emitable + std::fmt::Debug,
    {
        let mut message = GenlMessage::from_payload(request);
        message.set_resolved_family_id(family);
        let mut message = NetlinkMessage::from(message);
        message.header.flags = NLM_F_REQUEST | flags;
        message.header.sequence_number = self.sequence;
        message.finalize();
        let start = datagram.len();
        datagram.resize(start + message.header.length as usize, 0);
        message.serialize(&mut datagram[start..]);
        self.sequence = self.sequence.wrapping_add(1);
    }
}

/// What a frame says about the end of its request.
fn result(frame: Frame<'_>) -> Option<Result<(), Failure>> {
    match frame.content {
        Content::Done => Some(Ok(())),
        Content::Refused(refusal) => Some(Err(Failure::Refused(refusal))),
        Content::Data(..) | Content::Overrun | Content::Nothing => None,
    }
}
