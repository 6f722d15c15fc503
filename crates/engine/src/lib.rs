//! What the kernel's IPVS table should hold, and the operations that make it so. Pure: no clock,
//! no socket, no file.
//!
//! ```text
//! definitions ─┐
//! health ──────┼─> wanted ──┐
//! standing ────┘            ├─> plan ─> two stages of steps (operation + reason)
//! the kernel's table ───────┘
//! ```
//!
//! [`Engine`] holds these together: inputs and `now` go in by [`Engine::handle`], what the shell
//! has to do comes out of [`Engine::poll_output`], until it returns `None`.
//!
//! Four rules follow from the design:
//! - The weight in the kernel is derived from definitions and health; it is never read back as a
//!   wish of somebody.
//! - The table that stands at start is adopted: a real server that is in it stays in until its
//!   checks say otherwise.
//! - A service that lvsd did not create and that no file defines is left alone.
//! - A service that has a server never has none on the way to another: what comes in goes first,
//!   and what takes a server out goes only if that has left the service with one that takes new
//!   connections, see [`Plan`].

mod diff;
mod drain;
mod engine;
mod operator;
mod paths;
mod plan;
mod policy;
mod stages;
mod standing;
mod view;
mod wanted;
mod weight;

pub use drain::Leaving;
pub use engine::{Answer, Engine, Event, Input, Kept, Output, Preview, Settings};
pub use operator::{Action, InvalidServerName, Override, ServerName};
pub use plan::{Cause, Ownership, Reason, Step, plan};
pub use policy::Condition;
pub use stages::Plan;
pub use standing::{Snapshot, Standing, StandingDestination, StandingService};
pub use view::{ServerState, ServerView, ServiceView, View};
pub use wanted::{Health, HealthBook, Placement, Verdict, Wanted, WantedServer, WantedService};
pub use weight::{Asked, SlowStart, Weighing, WeightStep};
