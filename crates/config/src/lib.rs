//! The TOML definitions, checked, with errors that point at the place.
//!
//! [`load`] reads a file and its includes into a [`Config`], in the types of the crates that
//! carry it out. What it returns holds: every rule between two settings has been checked. What is
//! wrong is never mended and never left out; all of it comes back at once as [`Errors`], each
//! with file, line, column, the source line and a hint.
//!
//! `REFERENCE.md` beside this crate's manifest lists every key.

mod address;
mod availability;
mod check;
mod error;
mod include;
mod instance;
mod lacking;
mod leaf;
mod load;
mod model;
mod names;
mod notify;
mod path_marks;
mod reader;
mod real_server;
mod script;
mod secret;
mod service;
mod settings;
mod source;
mod sync_daemon;
mod sync_group;
mod syntax;
mod track;
mod unique;

pub use error::{Error, Errors, Related};
pub use load::{load, load_with_sources, parse, parse_sources};
pub use model::{
    Config, Drain, DrainPolicy, Global, Ipvs, Notifications, Notify, OnFailure, Panic, Persistence,
    Policy, RealServer, Script, SyncDaemon, SyncRole, TrackFile, TrackProcess, TrackScript,
    Tracked, VirtualServer,
};
pub use source::{Position, Source};
