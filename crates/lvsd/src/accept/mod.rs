//! `accept = false`: what is sent to a virtual address, and is for no virtual service, is dropped
//! by nftables (RFC 9568 §6.1, `Accept_Mode`).
//!
//! The table does not depend on the role, so that no change of a role waits for it: it is made at
//! the start, before VRRP starts, changed by a reload and removed by a stop. `nft` makes it, which
//! every distribution has: libnftnl would be C code in this process, and messages of our own would
//! be some hundreds of lines for a table that changes once a month. Another program may flush
//! everything, as a reload of Debian's nftables.service does, so it is looked at now and then.

mod rules;

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use checkers::ProbeResult;
use config::{Config, Script};
use tokio::process::Command;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::rules::{Rules, TABLE};
use crate::script;

/// How often it is looked whether the table is as it was made.
const LOOK: Duration = Duration::from_secs(10);
/// nft takes milliseconds, unless somebody else holds its lock.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the start waits for the first table; VRRP is worth more than that.
const START: Duration = Duration::from_secs(2);

/// Why there is no table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// The instances whose addresses are open for that.
    pub(crate) instances: BTreeSet<String>,
    /// The reason, and what to do.
    pub(crate) text: String,
}

/// What a reader of the status sees: why there is no table, if one is wanted.
pub(crate) type TroubleReader = watch::Receiver<Option<Trouble>>;

/// Takes what the definitions want.
#[derive(Debug, Clone)]
pub(crate) struct Setter(watch::Sender<Option<Rules>>);

impl Setter {
    /// The table follows these definitions.
    pub(crate) fn set(&self, config: &Config) {
        let rules = Rules::of(config);
        self.0.send_if_modified(|now| {
            let is_new = *now != rules;
            *now = rules;
            is_new
        });
    }
}

/// The task that keeps the table.
#[derive(Debug)]
pub(crate) struct Accept {
    setter: Setter,
    trouble: TroubleReader,
    task: JoinHandle<()>,
    file: ScriptFile,
}

impl Accept {
    /// Starts the task. Unless another worker has just made it, this waits for the first table.
    pub(crate) async fn start(config: &Config, is_resuming: bool) -> Self {
        let (wanted, changes) = watch::channel(Rules::of(config));
        let (teller, mut trouble) = watch::channel(None);
        let file = ScriptFile { folder: config.global.state_dir.clone() };
        let task = tokio::spawn(keep(changes, teller, file.clone()));
        if !is_resuming {
            // An error means that it takes too long; it goes on.
            let _ = tokio::time::timeout(START, trouble.changed()).await;
        }
        Self { setter: Setter(wanted), trouble, task, file }
    }

    /// Takes what later definitions want.
    pub(crate) fn setter(&self) -> Setter {
        self.setter.clone()
    }

    /// What is wrong.
    pub(crate) fn trouble(&self) -> TroubleReader {
        self.trouble.clone()
    }

    /// Removes the table. The addresses are gone by then.
    pub(crate) async fn stop(self) {
        self.task.abort();
        // An error means that it was aborted.
        let _ = self.task.await;
        if let Err(text) = self.file.remove_table().await {
            tracing::warn!("{text}");
        }
    }
}

/// Carries out what is wanted, and looks whether it still stands.
async fn keep(
    mut wanted: watch::Receiver<Option<Rules>>,
    teller: watch::Sender<Option<Trouble>>,
    file: ScriptFile,
) {
    loop {
        let rules = wanted.borrow_and_update().clone();
        let done = match &rules {
            Some(rules) => file.make_table(&rules.script).await,
            None => file.remove_table().await,
        };
        let trouble = done.err().map(|text| Trouble {
            instances: rules.iter().flat_map(|rules| rules.instances.clone()).collect(),
            text,
        });
        tell(&teller, trouble);
        let made = if rules.is_some() { listing().await } else { None };
        loop {
            tokio::select! {
                changed = wanted.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return,
                },
                () = tokio::time::sleep(LOOK), if rules.is_some() => {}
            }
            if made.is_none() || listing().await != made {
                if teller.borrow().is_none() {
                    tracing::warn!("another program has changed table {TABLE}; it is made again");
                }
                break;
            }
        }
    }
}

/// Says what is new of it.
fn tell(teller: &watch::Sender<Option<Trouble>>, trouble: Option<Trouble>) {
    match (&*teller.borrow(), &trouble) {
        (before, Some(now)) if before.as_ref() != Some(now) => tracing::error!("{}", now.text),
        (Some(_), None) => tracing::info!("table {TABLE} is there now"),
        _ => {}
    }
    // The start waits for the first one, whatever it is.
    teller.send_replace(trouble);
}

/// The script that nft reads. The file is there as long as there may be a table, so that a start
/// after a crash knows of it, and a director that never had one never runs nft.
#[derive(Debug, Clone)]
struct ScriptFile {
    /// `state_dir`.
    folder: PathBuf,
}

impl ScriptFile {
    async fn make_table(&self, script: &str) -> Result<(), String> {
        let open = |why: String| {
            format!(
                "accept = false is not in force, so that this host takes in what is sent to the \
                 virtual addresses: {why}"
            )
        };
        self.write(script).map_err(open)?;
        nft(["-f", &self.name()]).await.map_err(open)
    }

    async fn remove_table(&self) -> Result<(), String> {
        if !self.path().exists() {
            return Ok(());
        }
        let stays = |why: String| {
            format!("table {TABLE} may stay: {why}; remove it with `nft delete table {TABLE}`")
        };
        self.write(&rules::remove()).map_err(stays)?;
        nft(["-f", &self.name()]).await.map_err(stays)?;
        match fs::remove_file(self.path()) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(format!("removing {}: {error}", self.name()))
            }
            _ => Ok(()),
        }
    }

    fn write(&self, script: &str) -> Result<(), String> {
        let written =
            fs::create_dir_all(&self.folder).and_then(|()| fs::write(self.path(), script));
        written.map_err(|error| format!("writing {}: {error}", self.name()))
    }

    fn name(&self) -> String {
        self.path().display().to_string()
    }

    fn path(&self) -> PathBuf {
        self.folder.join("accept.nft")
    }
}

/// The table as nft shows it, but for its counters; `None` if there is none.
async fn listing() -> Option<Vec<u8>> {
    let mut nft = Command::new("nft");
    nft.args(["--stateless", "list", "table", "inet", "lvsd"]);
    nft.env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin").stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, nft.output()).await.ok()?.ok()?;
    output.status.success().then_some(output.stdout)
}

/// Runs nft, or tells why that did not work.
async fn nft<const N: usize>(arguments: [&str; N]) -> Result<(), String> {
    let command = ["nft"].into_iter().chain(arguments).map(str::to_owned).collect();
    let script = Script { command, user: Some("root".to_owned()) };
    match script::run(script, [], Vec::new(), PATIENCE).await {
        ProbeResult::Passed => Ok(()),
        ProbeResult::Failed(failure) => Err(format!("nft: {failure}")),
        ProbeResult::Local(text) => {
            Err(format!("{text}; nft is needed: install the package nftables"))
        }
    }
}
