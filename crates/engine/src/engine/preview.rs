//! What new definitions would do, without doing it.

use std::time::Instant;

use config::VirtualServer;

use super::scope::Scope;
use super::{Engine, Input, Kept, Output, Settings};
use crate::plan::{Cause, Step};
use crate::standing::{Snapshot, Standing};
use crate::wanted::Wanted;

/// What would be done, and the table that would be wanted then.
#[derive(Debug, Clone)]
pub struct Preview {
    /// The table that would be wanted.
    pub wanted: Wanted,
    /// The operations, in order; empty when nothing would change.
    pub steps: Vec<Step>,
}

impl Engine {
    /// What [`Input::Define`] at `now` would do, given the kernel's state of now. Changes nothing.
    ///
    /// A copy of the engine does it, so that whatever the engine knows counts: slow starts,
    /// hysteresis, panic, drains, the operator's wishes.
    pub fn preview(
        &self,
        virtual_servers: Vec<VirtualServer>,
        settings: Settings,
        snapshot: &Snapshot,
        now: Instant,
    ) -> Preview {
        let mut copy = self.clone();
        copy.outputs.clear();
        copy.standing = Some(Standing::from(snapshot));
        // All of it: what has drifted would be found too.
        if copy.define(virtual_servers, settings, now).is_some() {
            copy.replan(Cause::Definitions, &Scope::All, now);
        }
        copy.first_plan(snapshot, now)
    }

    /// What an lvsd that starts at `now` with nothing kept from an earlier run would do first.
    pub fn preview_start(
        virtual_servers: Vec<VirtualServer>,
        settings: Settings,
        snapshot: &Snapshot,
        now: Instant,
    ) -> Preview {
        let mut engine = Self::new(virtual_servers, settings, Kept::default(), now);
        engine.handle_timeout(now);
        engine.first_plan(snapshot, now)
    }

    fn first_plan(mut self, snapshot: &Snapshot, now: Instant) -> Preview {
        let mut steps = Vec::new();
        while let Some(output) = self.poll_output() {
            match output {
                Output::ReadTable => self.handle(Input::Table(Ok(snapshot.clone())), now),
                Output::Apply(first) => {
                    steps = first;
                    steps.append(&mut self.second_stage);
                    break;
                }
                Output::Watch(_)
                | Output::SaveOwned(..)
                | Output::SaveWishes(..)
                | Output::Run { .. }
                | Output::Event(_) => {}
            }
        }
        Preview { wanted: self.wanted(now), steps }
    }
}
