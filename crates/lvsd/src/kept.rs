//! What the guard keeps of the definitions for the next worker: those that ran, with their texts,
//! and the trial that they are on.
//!
//! The file on the disk is not asked: somebody may be in the middle of editing it, and a crash is
//! no order to put that in force.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::{Context, anyhow};
use api::AppliedBy;
use config::{Config, Source};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use vrrp::shell::Heard;

use crate::clock::{from_wall, to_wall};
use crate::trial::{Definitions, InForce, Origin, Trial};
use crate::worker;
use lvsd_guard::in_force;
use lvsd_guard::link::FromWorker;

/// After the guard was too busy, until it is told again.
const PAUSE: Duration = Duration::from_millis(20);

/// Definitions with the texts that they were read from: the file's own first.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    pub(crate) sources: Arc<[Source]>,
}

impl Loaded {
    /// Reads the texts, and no file.
    pub(crate) fn parse(sources: Vec<Source>) -> Result<Self, config::Errors> {
        let mut rest = sources.iter().cloned();
        let first =
            rest.next().unwrap_or_else(|| Source { path: PathBuf::new(), text: String::new() });
        let config = config::parse_sources(first, rest.collect())?;
        Ok(Self { config, sources: sources.into() })
    }

    /// Whether both were read from the same texts, under whatever names.
    pub(crate) fn has_texts_of(&self, other: &Self) -> bool {
        self.sources.iter().map(|one| &one.text).eq(other.sources.iter().map(|one| &one.text))
    }
}

/// As the guard keeps it.
#[derive(Serialize, Deserialize)]
struct Document {
    now: KeptDefinitions,
    trial: Option<KeptTrial>,
}

#[derive(Serialize, Deserialize)]
struct KeptDefinitions {
    file: PathBuf,
    by: AppliedBy,
    since: SystemTime,
    /// Path and text of each file.
    sources: Vec<(PathBuf, String)>,
}

#[derive(Serialize, Deserialize)]
struct KeptTrial {
    before: KeptDefinitions,
    until: SystemTime,
}

impl KeptDefinitions {
    fn new(definitions: &Definitions<Loaded>) -> Self {
        let Definitions { config, origin } = definitions;
        let source = |source: &Source| (source.path.clone(), source.text.clone());
        Self {
            file: origin.file.clone(),
            by: origin.by.clone(),
            since: to_wall(origin.since),
            sources: config.sources.iter().map(source).collect(),
        }
    }

    fn read(self) -> anyhow::Result<Definitions<Loaded>> {
        let source = |(path, text)| Source { path, text };
        let config = Loaded::parse(self.sources.into_iter().map(source).collect())
            .map_err(|errors| anyhow!("{errors}"))?;
        let origin = Origin { file: self.file, by: self.by, since: from_wall(self.since) };
        Ok(Definitions { config, origin })
    }
}

/// The text for the guard.
fn write(in_force: &InForce<Loaded>) -> serde_json::Result<String> {
    let (now, trial) = in_force.parts();
    let trial = trial.map(|trial| KeptTrial {
        before: KeptDefinitions::new(&trial.before),
        until: to_wall(trial.until),
    });
    serde_json::to_string(&Document { now: KeptDefinitions::new(now), trial })
}

/// What the worker before this one had in force.
///
/// # Errors
/// When this lvsd does not understand it: it may be another version.
pub(crate) fn read(text: &str) -> anyhow::Result<InForce<Loaded>> {
    let document: Document =
        serde_json::from_str(text).context("reading what the worker before had in force")?;
    let now = document.now.read()?;
    let trial = document.trial.map(|kept| -> anyhow::Result<_> {
        Ok(Trial { before: kept.before.read()?, until: from_wall(kept.until) })
    });
    Ok(InForce::go_on(now, trial.transpose()?))
}

/// Tells the guard what is in force, whenever that changes, without making anybody wait.
#[derive(Debug)]
pub(crate) struct Keeping(Arc<Untold>);

/// The newest text that the guard has not been told. Once it has, no copy stays here: it is as
/// large as the configuration.
#[derive(Debug, Default)]
struct Untold {
    text: Mutex<Option<String>>,
    changed: Notify,
}

impl Untold {
    fn text(&self) -> MutexGuard<'_, Option<String>> {
        self.text.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keeping {
    /// Needs the context of a runtime; ends with it.
    pub(crate) fn start(guard: worker::Guard) -> Self {
        let untold = Arc::default();
        tokio::spawn(tell(guard, Arc::clone(&untold)));
        Self(untold)
    }

    /// These are in force now.
    pub(crate) fn keep(&self, in_force: &InForce<Loaded>) {
        match write(in_force) {
            Ok(text) => {
                *self.0.text() = Some(text);
                self.0.changed.notify_one();
            }
            Err(error) => tracing::error!("telling the guard what is in force: {error}"),
        }
    }
}

async fn tell(guard: worker::Guard, untold: Arc<Untold>) {
    loop {
        untold.changed.notified().await;
        let Some(text) = untold.text().take() else { continue };
        for piece in in_force::pieces(&text) {
            let message = FromWorker::InForce(piece);
            while guard.tell(&message) == Heard::Later {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::trial::Input;

    const MINUTE: Duration = Duration::from_secs(60);

    fn loaded(mark: u32) -> Loaded {
        let source = |path: &str, text: String| Source { path: path.into(), text };
        Loaded::parse(vec![
            source(
                "lvsd.toml",
                "[global]\nrouter_id = \"lb1\"\ninclude = [\"a.toml\"]\n".to_owned(),
            ),
            source(
                "a.toml",
                format!(
                    "[virtual_server.web]\nfwmark = {mark}\n\
                     [[virtual_server.web.real_servers]]\naddress = \"198.51.100.11\"\n"
                ),
            ),
        ])
        .unwrap()
    }

    #[test]
    fn a_trial_goes_on_in_the_next_worker_with_the_texts_of_all_files() {
        let now = Instant::now();
        let mut first = InForce::new(loaded(1), "lvsd.toml".into(), now);
        let file = PathBuf::from("new.toml");
        let (by, confirm) = ("root".to_owned(), Some(MINUTE));
        let apply = Input::Apply { config: loaded(2), file: file.clone(), by: by.clone(), confirm };
        first.handle(apply, now).unwrap();

        let mut next = read(&write(&first).unwrap()).unwrap();
        assert_eq!(next.config().config, loaded(2).config);
        assert_eq!((&next.origin().file, &next.origin().by), (&file, &AppliedBy::User(by)));
        let left = next.poll_timeout().unwrap() - now;
        assert!(left > MINUTE / 2 && left < MINUTE * 2, "{left:?}");
        next.handle_timeout(now + MINUTE * 2);
        assert_eq!(next.config().config, loaded(1).config);
        assert_eq!(next.origin().file, PathBuf::from("lvsd.toml"));
        assert_eq!(next.rollback().unwrap().file, file);
    }

    #[test]
    fn what_another_version_wrote_is_an_error() {
        let error = read("{\"now\":1}").unwrap_err();
        assert!(format!("{error:#}").starts_with("reading what the worker before had in force: "));
    }
}
