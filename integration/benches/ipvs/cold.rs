//! From an empty table to a full one.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use ipvs::Client;

use crate::bare::{self, Answered};
use crate::daemon::{self, Daemon};
use crate::director::{Director, Spent, require_operations};
use crate::figures::{Bars, Times, milliseconds, ratio};
use crate::shape::Shape;
use crate::{ROUNDS, place};

/// Who brings the table into the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Contender {
    Ipvsadm,
    Bare(Answered),
    Director,
    Daemon,
}

impl Contender {
    const ALL: [Self; 5] = [
        Self::Ipvsadm,
        Self::Bare(Answered::Each),
        Self::Bare(Answered::Last),
        Self::Director,
        Self::Daemon,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Ipvsadm => "ipvsadm -R",
            Self::Bare(Answered::Each) => "bare loop, each message answered",
            Self::Bare(Answered::Last) => "bare loop, one answer for 64",
            Self::Director => "lvsd's engine and client",
            Self::Daemon => "lvsd run, from its start on",
        }
    }

    /// How long it took; of the director, also with what.
    fn run(self, shape: Shape) -> Result<(Duration, Spent)> {
        let no_detail = |time| (time, Spent::default());
        match self {
            Self::Ipvsadm => daemon::restore(shape).map(no_detail),
            Self::Bare(answered) => {
                let prepared = bare::prepare(&shape.operations()?, answered)?;
                let start = Instant::now();
                prepared.play()?;
                Ok(no_detail(start.elapsed()))
            }
            Self::Director => {
                let definitions = shape.definitions(1)?;
                let client = Client::open()?;
                let start = Instant::now();
                let mut director = Director::new(definitions, client);
                let sent = director.start()?;
                let took = start.elapsed();
                require_operations(sent, shape.size())?;
                Ok((took, director.spent))
            }
            Self::Daemon => Daemon::start(shape).map(|(_, took)| no_detail(took)),
        }
    }
}

/// Prints a table; returns the time of lvsd's engine and client.
pub(crate) fn measure(shape: Shape, bars: &mut Bars) -> Result<Duration> {
    let mut times = [(); Contender::ALL.len()].map(|()| Times::default());
    let mut spent = Spent::default();
    // The first round warms caches up and does not count.
    for round in 0..=ROUNDS {
        let mut order: Vec<_> = Contender::ALL.iter().zip(&mut times).collect();
        order.rotate_left(round % Contender::ALL.len());
        for (contender, times) in order {
            let run = || {
                let result = contender.run(shape)?;
                shape.require(&Client::open()?.table()?)?;
                Ok(result)
            };
            let (took, detail) = place::fresh(run).with_context(|| contender.name())?;
            if round > 0 {
                times.add(took);
                if *contender == Contender::Director {
                    spent = detail;
                }
            }
        }
    }

    let [ipvsadm, bare_each, bare_last, director, _] = &times;
    println!("\nCold apply of {shape}: {} operations", shape.size());
    let heads = ["ipvsadm/it", "it/each", "it/one"];
    println!("  {:<58} {:>10} {:>10} {:>10}", "", heads[0], heads[1], heads[2]);
    for (contender, times) in Contender::ALL.iter().zip(&times) {
        println!(
            "  {:<33} {times} {:>10.1} {:>10.2} {:>10.2}",
            contender.name(),
            ratio(ipvsadm.median(), times.median()),
            ratio(times.median(), bare_each.median()),
            ratio(times.median(), bare_last.median()),
        );
    }
    println!(
        "  of the engine and client's last run: reading {:.2} ms, planning {:.2} ms, \
         executing {:.2} ms",
        milliseconds(spent.reading),
        milliseconds(spent.planning),
        milliseconds(spent.executing),
    );
    if shape.has_bars() {
        let to_ipvsadm = ratio(director.median(), ipvsadm.median());
        bars.add("cold apply / ipvsadm -R", to_ipvsadm, 0.125, "");
        let to_each = ratio(director.median(), bare_each.median());
        bars.add("cold apply / bare loop, each message answered", to_each, 1.5, "");
        let to_last = ratio(director.median(), bare_last.median());
        bars.add("cold apply / bare loop, one answer for 64", to_last, 1.5, "");
    }
    Ok(director.median())
}
