//! The fastest thing possible: datagrams that were made before, sent, and their answers read.

use anyhow::{Context, Result, ensure};
use ipvs::Operation;
use netlink_sys::protocols::NETLINK_GENERIC;
use netlink_sys::{Socket, SocketAddr};

/// Which messages are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answered {
    /// Each, as most programs have it.
    Each,
    /// The last of each datagram, which is the least that can be asked for.
    Last,
}

/// Messages in a datagram. More make no difference.
const MESSAGES: usize = 64;

/// Room for the answers to one datagram.
const ANSWERS: usize = 64 << 10;

/// A socket, and what is to be sent over it.
pub(crate) struct Prepared {
    socket: Socket,
    /// Each with the number of its answers.
    datagrams: Vec<(Vec<u8>, usize)>,
}

/// Makes everything ready.
pub(crate) fn prepare(operations: &[Operation], answered: Answered) -> Result<Prepared> {
    let mut socket = Socket::new(NETLINK_GENERIC)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    socket.set_cap_ack(true)?;
    let family = family(&socket)?;
    let mut sequence = 0;
    let mut datagrams = Vec::new();
    let mut payload = Vec::new();
    for operations in operations.chunks(MESSAGES) {
        let (mut datagram, mut answers) = (Vec::new(), 0);
        for (index, operation) in operations.iter().enumerate() {
            let is_last = index + 1 == operations.len();
            let is_answered = is_last || answered == Answered::Each;
            let flags = if is_answered { REQUEST | ACKNOWLEDGE } else { REQUEST };
            answers += usize::from(is_answered);
            sequence += 1;
            payload.clear();
            operation.append_request(&mut payload);
            datagram.extend(message(family, flags, sequence, &payload)?);
        }
        datagrams.push((datagram, answers));
    }
    Ok(Prepared { socket, datagrams })
}

impl Prepared {
    /// Sends everything.
    pub(crate) fn play(&self) -> Result<()> {
        let mut answers = Vec::with_capacity(ANSWERS);
        for (datagram, count) in &self.datagrams {
            self.socket.send(datagram, 0)?;
            let mut missing = *count;
            while missing > 0 {
                answers.clear();
                self.socket.recv(&mut answers, 0)?;
                missing -= acknowledged(&answers)?;
            }
        }
        Ok(())
    }
}

/// The number of answers in a datagram, which must all say that the request was carried out.
fn acknowledged(datagram: &[u8]) -> Result<usize> {
    let mut count = 0;
    let mut rest = datagram;
    while let Some((length, _)) = rest.split_first_chunk() {
        let length = u32::from_ne_bytes(*length) as usize;
        // The error number of a `struct nlmsgerr` follows the header.
        let error = rest.get(16..20).context("an answer without an error number")?;
        ensure!(error == [0; 4], "refused: {error:?}");
        count += 1;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(count)
}

/// `NLM_F_REQUEST`.
const REQUEST: u16 = 1;
/// `NLM_F_ACK`.
const ACKNOWLEDGE: u16 = 4;

/// A message with its header.
fn message(family: u16, flags: u16, sequence: u32, payload: &[u8]) -> Result<Vec<u8>> {
    let length = u32::try_from(16 + payload.len())?;
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(family.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    Ok(bytes)
}

/// Asks the controller for the family's number.
fn family(socket: &Socket) -> Result<u16> {
    /// `GENL_ID_CTRL`.
    const CONTROLLER: u16 = 16;
    // `CTRL_CMD_GETFAMILY` with `CTRL_ATTR_FAMILY_NAME`.
    let request = message(CONTROLLER, REQUEST | ACKNOWLEDGE, 0, b"\x03\x01\0\0\x09\0\x02\0IPVS\0")?;
    socket.send(&request, 0)?;
    let (answer, _) = socket.recv_from_full()?;
    // Two attributes: the name, which takes 12 bytes, and the number.
    let number = answer.get(16 + 4 + 12..).and_then(|rest| rest.get(4..6));
    let number = number.context("no family in the controller's answer")?.try_into()?;
    // The acknowledgement.
    socket.recv_from_full()?;
    Ok(u16::from_ne_bytes(number))
}
