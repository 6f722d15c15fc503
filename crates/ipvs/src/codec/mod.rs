//! The kernel's messages: generic netlink family `IPVS`, version 1 (`linux/ip_vs.h`). No I/O.
//!
//! A [`Message`] holds attributes as they stand on the wire, one typed enum for each attribute
//! space; what this crate does not know is kept. The functions `Message::get_*` make
//! requests that change nothing, [`Operation::append_request`](crate::Operation::append_request)
//! makes the others, [`Message::service`] and its siblings read replies.

mod attributes;
mod error;
mod message;
mod numbers;
mod reply;
mod request;
mod value;

pub use attributes::{
    CommandAttribute, DaemonAttribute, DestinationAttribute, InfoAttribute, ServiceAttribute,
    Stats64Attribute, StatsAttribute,
};
pub use error::{DecodeError, Place};
pub use message::{Command, Message};
pub use value::{MaskedFlags, Nest, Port};
