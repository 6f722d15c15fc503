//! `lvsctl list` beside the real ipvsadm over hundreds of random tables, with traffic in some:
//! the same bytes in every mode.
//!
//! `LVSD_LIST_SEEDS` sets how many tables (default 150), `LVSD_LIST_SEED` makes one of them alone.

mod random_table;
mod traffic;

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use fastrand::Rng;
use integration::kernel::require_ipvs;
use integration::namespace::Namespace;
use integration::wait::{FAR, wait_until};
use ipvs::{Client, Operation};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use self::random_table::RandomTable;

#[test]
fn random_tables_are_listed_as_ipvsadm_lists_them() {
    let run = || -> Result<()> {
        require_ipvs()?;
        let seeds: Vec<u64> = match number("LVSD_LIST_SEED")? {
            Some(seed) => vec![seed],
            None => (0..number("LVSD_LIST_SEEDS")?.unwrap_or(150)).collect(),
        };
        let programs = Programs {
            lvsctl: integration::paths::program("lvsctl")?,
            ipvsadm: PathBuf::from("ipvsadm"),
        };
        let folder = tempfile::tempdir()?;
        own_names(folder.path())?;
        let begun = Instant::now();
        let mut compared = Compared::default();
        let namespace = |name: &str| Namespace::new(&format!("list{}-{name}", std::process::id()));
        let quiet = namespace("quiet")?;
        quiet.enter(traffic::prepare)?;
        for &seed in &seeds {
            let mut rng = Rng::with_seed(seed);
            let listed = if rng.u8(..100) < 40 {
                // A namespace of its own: connections outlive their services.
                namespace(&seed.to_string())?.enter(|| {
                    traffic::prepare()?;
                    one_table(&mut rng, true, &programs, &mut compared)
                })
            } else {
                quiet.enter(|| one_table(&mut rng, false, &programs, &mut compared))
            };
            listed.with_context(|| format!("LVSD_LIST_SEED={seed}"))?;
        }
        println!("{} tables in {:?}: {compared:?}", seeds.len(), begun.elapsed());
        ensure!(seeds.len() < 50 || compared.is_varied(), "too little variety: {compared:?}");
        Ok(())
    };
    // The names are those of a thread and of what it starts.
    if let Err(error) = thread::scope(|scope| scope.spawn(run).join()).expect("no panic") {
        panic!("{error:#}");
    }
}

fn number(variable: &str) -> Result<Option<u64>> {
    match std::env::var(variable) {
        Ok(text) => Ok(Some(text.parse().with_context(|| format!("{variable}={text}"))?)),
        Err(_) => Ok(None),
    }
}

/// What was compared, to be sure that it was something.
#[derive(Debug, Default)]
struct Compared {
    listings: usize,
    lines: usize,
    connections: usize,
    /// Listings with counters of 100 million or more.
    units: usize,
    /// Listings that had to be made again, because something moved between the two programs.
    again: usize,
}

impl Compared {
    fn is_varied(&self) -> bool {
        self.lines > 10 * self.listings && self.connections > 50 && self.units > 0
    }
}

struct Programs {
    lvsctl: PathBuf,
    ipvsadm: PathBuf,
}

fn one_table(
    rng: &mut Rng,
    traffic: bool,
    programs: &Programs,
    compared: &mut Compared,
) -> Result<()> {
    let mut table = RandomTable::new(rng);
    let heavy = traffic && rng.u8(..100) < 25;
    if heavy {
        table.services.push(random_table::bulk());
    }
    let mut client = Client::open()?;
    let operations = table.operations();
    for (operation, result) in operations.iter().zip(client.execute(&operations)) {
        result.with_context(|| format!("{operation:?}"))?;
    }
    let mut sockets = if traffic { traffic::random(rng, &table)? } else { Vec::new() };
    if heavy {
        sockets.push(traffic::bulk()?);
        // The kernel adds up what its processors counted every two seconds.
        wait_until("the counters of much traffic", FAR, || {
            Ok(listed(&programs.lvsctl, "list -n --stats")?.has_units())
        })?;
        same("-n --stats", programs, compared)?;
    }
    // One listing of most: starting the programs is what takes the time.
    same(&table.mode(rng, traffic), programs, compared)?;
    drop(sockets);
    let daemons = table.daemons.iter().map(|daemon| Operation::DelDaemon(daemon.role));
    let clean: Vec<Operation> = daemons.chain([Operation::Flush]).collect();
    client.execute(&clean).into_iter().collect::<Result<(), ipvs::Error>>()?;
    Ok(())
}

/// The counters and the clock go on between the two programs; so what differs is listed again
/// until it is equal, or until lvsctl prints the same before and after ipvsadm.
fn same(mode: &str, programs: &Programs, compared: &mut Compared) -> Result<()> {
    let begun = Instant::now();
    let mut ours = listed(&programs.lvsctl, &format!("list {mode}"))?;
    loop {
        let theirs = listed(&programs.ipvsadm, &format!("-L {mode}"))?;
        if ours == theirs {
            break;
        }
        let after = listed(&programs.lvsctl, &format!("list {mode}"))?;
        if after == theirs {
            break;
        }
        if after == ours || begun.elapsed() > FAR {
            bail!("lvsctl list {mode}\n{ours}\nipvsadm -L {mode}\n{theirs}");
        }
        compared.again += 1;
        ours = after;
    }
    compared.listings += 1;
    compared.lines += ours.text.lines().count();
    if mode.contains("-c") {
        compared.connections += ours.text.lines().count().saturating_sub(2);
    }
    compared.units += usize::from(ours.has_units());
    Ok(())
}

/// What a program printed, and whether it succeeded.
#[derive(Debug, PartialEq, Eq)]
struct Listing {
    succeeded: bool,
    text: String,
}

impl Listing {
    /// Whether a counter is so large that it is shortened.
    fn has_units(&self) -> bool {
        let is_unit = |word: &str| word.strip_suffix('K').is_some_and(|n| n.parse::<u64>().is_ok());
        self.text.split_whitespace().any(is_unit)
    }
}

impl std::fmt::Display for Listing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "(succeeded: {})\n{}", self.succeeded, self.text)
    }
}

fn listed(program: &Path, arguments: &str) -> Result<Listing> {
    let output = Command::new(program)
        .args(arguments.split_whitespace())
        .output()
        .with_context(|| format!("starting {}", program.display()))?;
    ensure!(output.status.signal().is_none(), "{} {arguments}: {output:?}", program.display());
    Ok(Listing {
        succeeded: output.status.success(),
        // Bytes that are no UTF-8 would be a difference, or the same on both sides.
        text: String::from_utf8_lossy(&output.stdout).into_owned(),
    })
}

/// Gives this thread, and what it starts, host names of its own, short, long and longer than every
/// column, and no other way to a name: packets for a name server would be lost.
fn own_names(folder: &Path) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNS).context("making a mount namespace")?;
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    let switch = "hosts: files\nservices: files\npasswd: files\ngroup: files\n";
    for (path, text) in [("/etc/hosts", random_table::HOSTS), ("/etc/nsswitch.conf", switch)] {
        let own = folder.join(path.rsplit('/').next().unwrap_or_default());
        fs::write(&own, text)?;
        mount(Some(&own), path, none, MsFlags::MS_BIND, none)
            .with_context(|| format!("mounting {path}"))?;
    }
    Ok(())
}
