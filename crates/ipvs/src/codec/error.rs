//! What can be wrong with a message.

use std::fmt;

use super::Command;

/// An attribute, for error texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Attribute space: `command`, `service`, `destination`, `daemon`, `info` or `statistics`.
    pub space: &'static str,
    /// Name of the attribute within its space.
    pub attribute: &'static str,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} attribute {}", self.space, self.attribute)
    }
}

/// A message of the family that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Fewer bytes than a `genlmsghdr`.
    #[error("{0} bytes are too few for a generic netlink header")]
    Header(usize),
    /// A command number that the family does not have.
    #[error("command {0} is unknown")]
    Command(u8),
    /// An attribute's length contradicts the space that is left, or it has both of the flags
    /// `NLA_F_NESTED` and `NLA_F_NET_BYTEORDER`, which exclude each other.
    #[error("the {space} attributes are malformed")]
    Malformed {
        /// Attribute space.
        space: &'static str,
    },
    /// A value of the wrong size.
    #[error("{place} has {received} bytes instead of {expected}")]
    Length {
        /// The attribute.
        place: Place,
        /// Bytes that its type has.
        expected: usize,
        /// Bytes that came.
        received: usize,
    },
    /// A name that is no text.
    #[error("{0} is not valid UTF-8")]
    Text(Place),
    /// An attribute without which the message has no meaning.
    #[error("{0} is missing")]
    Missing(Place),
    /// A value outside its range.
    #[error("{place} has the unknown value {value}")]
    Value {
        /// The attribute.
        place: Place,
        /// Its value.
        value: String,
    },
    /// A message of another command than the one that was asked for.
    #[error("{0} came where another command was expected")]
    Unexpected(Command),
}
