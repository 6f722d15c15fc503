//! What lvsd's director does with its engine and the kernel, without its channel and its log.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use checkers::Monitor;
use config::Config;
use engine::{Engine, Event, Health, Input, Kept, Output, Snapshot, Step};
use ipvs::Client;

/// An engine with the kernel that it looks after.
pub(crate) struct Director {
    engine: Engine,
    client: Client,
    operations: usize,
    /// Where the time went.
    pub(crate) spent: Spent,
}

/// Where the time went.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Spent {
    /// Reading the kernel's table.
    pub(crate) reading: Duration,
    /// In the engine: planning, and noting what was done.
    pub(crate) planning: Duration,
    /// Carrying out operations.
    pub(crate) executing: Duration,
}

impl Director {
    /// An engine that has not seen the kernel's table.
    pub(crate) fn new(definitions: Config, client: Client) -> Self {
        let start = Instant::now();
        let Config { virtual_servers, ipvs, .. } = definitions;
        let engine = Engine::new(virtual_servers, ipvs, Kept::default(), start);
        let spent = Spent { planning: start.elapsed(), ..Spent::default() };
        Self { engine, client, operations: 0, spent }
    }

    /// Brings the definitions into the kernel; the number of operations that it took.
    pub(crate) fn start(&mut self) -> Result<usize> {
        self.engine.handle_timeout(Instant::now());
        self.drain()
    }

    /// Takes new definitions; the number of operations that it took.
    pub(crate) fn define(&mut self, definitions: Config) -> Result<usize> {
        let Config { virtual_servers, ipvs, .. } = definitions;
        self.handle(Input::Define(virtual_servers, ipvs));
        self.drain()
    }

    /// Takes what monitors have found; the number of operations that it took.
    pub(crate) fn health(&mut self, changes: Vec<(Monitor, Health)>) -> Result<usize> {
        self.handle(Input::Health(changes));
        self.drain()
    }

    /// Compares the kernel's table with the wanted one; the number of operations that it took.
    pub(crate) fn compare(&mut self) -> Result<usize> {
        self.read()?;
        self.drain()
    }

    fn handle(&mut self, input: Input) {
        let start = Instant::now();
        self.engine.handle(input, start);
        self.spent.planning += start.elapsed();
    }

    fn read(&mut self) -> Result<()> {
        let start = Instant::now();
        let snapshot = Snapshot {
            table: self.client.table()?,
            timeouts: Some(self.client.timeouts()?),
            daemons: Some(self.client.daemons()?),
        };
        self.spent.reading += start.elapsed();
        self.handle(Input::Table(Ok(snapshot)));
        Ok(())
    }

    fn drain(&mut self) -> Result<usize> {
        let before = self.operations;
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::ReadTable => self.read()?,
                Output::Apply(steps) => self.apply(steps),
                Output::Event(Event::Failed(step, error)) => {
                    bail!("{}: {error}", step.operation);
                }
                Output::Event(_)
                | Output::Watch(_)
                | Output::SaveOwned(..)
                | Output::SaveWishes(..)
                | Output::Run { .. } => {}
            }
        }
        Ok(self.operations - before)
    }

    fn apply(&mut self, steps: Vec<Step>) {
        self.operations += steps.len();
        let start = Instant::now();
        let results = self.client.execute(&steps);
        let results = steps
            .into_iter()
            .zip(results)
            .map(|(step, result)| (step, result.map_err(|error| error.to_string())));
        let results = results.collect();
        self.spent.executing += start.elapsed();
        self.handle(Input::Applied(results));
    }
}

/// Fails unless so many operations were sent.
pub(crate) fn require_operations(sent: usize, wanted: usize) -> Result<()> {
    ensure!(sent == wanted, "{sent} operations were sent, not {wanted}");
    Ok(())
}
