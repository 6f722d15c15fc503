//! Messages of the family.

use std::fmt;

use netlink_packet_core::{Emitable, ParseableParametrized};
use netlink_packet_generic::{GenlFamily, GenlHeader, GenlMessage};

use super::attributes::{CommandAttribute, InfoAttribute};
use super::error::DecodeError;
use super::value::{length_of, read_all, write_all};

/// Commands (`IPVS_CMD_*`). A reply carries the `New` or `Set` command that belongs to its `Get`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Command {
    /// Adds a service.
    NewService = 1,
    /// Changes a service.
    SetService = 2,
    /// Removes a service.
    DelService = 3,
    /// Asks for one service, or for all.
    GetService = 4,
    /// Adds a destination.
    NewDest = 5,
    /// Changes a destination.
    SetDest = 6,
    /// Removes a destination.
    DelDest = 7,
    /// Asks for the destinations of a service.
    GetDest = 8,
    /// Starts a sync daemon.
    NewDaemon = 9,
    /// Stops a sync daemon.
    DelDaemon = 10,
    /// Asks for the sync daemons.
    GetDaemon = 11,
    /// Sets the timeouts.
    SetConfig = 12,
    /// Asks for the timeouts.
    GetConfig = 13,
    /// Answers [`Command::GetInfo`].
    SetInfo = 14,
    /// Asks for version and size.
    GetInfo = 15,
    /// Sets counters to zero.
    Zero = 16,
    /// Removes every service.
    Flush = 17,
}

impl Command {
    /// Every command, by number from 1 on.
    pub const ALL: [Self; 17] = [
        Self::NewService,
        Self::SetService,
        Self::DelService,
        Self::GetService,
        Self::NewDest,
        Self::SetDest,
        Self::DelDest,
        Self::GetDest,
        Self::NewDaemon,
        Self::DelDaemon,
        Self::GetDaemon,
        Self::SetConfig,
        Self::GetConfig,
        Self::SetInfo,
        Self::GetInfo,
        Self::Zero,
        Self::Flush,
    ];

    /// The command's number.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The command with this number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }
}

/// The kernel's name without its prefix: `NEW_SERVICE`.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NewService => "NEW_SERVICE",
            Self::SetService => "SET_SERVICE",
            Self::DelService => "DEL_SERVICE",
            Self::GetService => "GET_SERVICE",
            Self::NewDest => "NEW_DEST",
            Self::SetDest => "SET_DEST",
            Self::DelDest => "DEL_DEST",
            Self::GetDest => "GET_DEST",
            Self::NewDaemon => "NEW_DAEMON",
            Self::DelDaemon => "DEL_DAEMON",
            Self::GetDaemon => "GET_DAEMON",
            Self::SetConfig => "SET_CONFIG",
            Self::GetConfig => "GET_CONFIG",
            Self::SetInfo => "SET_INFO",
            Self::GetInfo => "GET_INFO",
            Self::Zero => "ZERO",
            Self::Flush => "FLUSH",
        })
    }
}

/// One message, request or reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Any command but `SET_INFO`.
    Command(Command, Vec<CommandAttribute>),
    /// `SET_INFO`, which has attributes of its own.
    Info(Vec<InfoAttribute>),
}

impl Message {
    /// Name of the family, by which the kernel gives out its number (`IPVS_GENL_NAME`).
    pub const FAMILY: &'static str = "IPVS";

    /// Version of the family (`IPVS_GENL_VERSION`).
    pub const VERSION: u8 = 1;

    /// The message's command.
    pub fn command(&self) -> Command {
        match self {
            Self::Command(command, _) => *command,
            Self::Info(_) => Command::SetInfo,
        }
    }

    /// Reads a message from its `genlmsghdr` on.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let header = GenlHeader::parse(bytes).map_err(|_| DecodeError::Header(bytes.len()))?;
        let attributes = bytes.get(header.buffer_len()..).unwrap_or_default();
        Self::decode_attributes(header, attributes)
    }

    fn decode_attributes(header: GenlHeader, bytes: &[u8]) -> Result<Self, DecodeError> {
        match Command::from_number(header.cmd).ok_or(DecodeError::Command(header.cmd))? {
            Command::SetInfo => read_all(bytes).map(Self::Info),
            command => Ok(Self::Command(command, read_all(bytes)?)),
        }
    }

    /// Appends the `genlmsghdr` of a command.
    pub(super) fn append_header(command: Command, buffer: &mut Vec<u8>) {
        let header = GenlHeader { cmd: command.number(), version: Self::VERSION };
        let start = buffer.len();
        buffer.resize(start + header.buffer_len(), 0);
        header.emit(&mut buffer[start..]);
    }

    /// The message's bytes from its `genlmsghdr` on.
    pub fn encode(self) -> Vec<u8> {
        let message = GenlMessage::from_payload(self);
        let mut bytes = vec![0; message.buffer_len()];
        message.emit(&mut bytes);
        bytes
    }
}

impl GenlFamily for Message {
    fn family_name() -> &'static str {
        Self::FAMILY
    }
    fn command(&self) -> u8 {
        Self::command(self).number()
    }
    fn version(&self) -> u8 {
        Self::VERSION
    }
}

impl Emitable for Message {
    fn buffer_len(&self) -> usize {
        match self {
            Self::Command(_, attributes) => length_of(attributes),
            Self::Info(attributes) => length_of(attributes),
        }
    }
    fn emit(&self, buffer: &mut [u8]) {
        match self {
            Self::Command(_, attributes) => write_all(attributes, buffer),
            Self::Info(attributes) => write_all(attributes, buffer),
        }
    }
}

impl ParseableParametrized<[u8], GenlHeader> for Message {
    fn parse_with_param(
        bytes: &[u8],
        header: GenlHeader,
    ) -> Result<Self, netlink_packet_core::DecodeError> {
        Self::decode_attributes(header, bytes).map_err(|error| error.to_string().into())
    }
}
