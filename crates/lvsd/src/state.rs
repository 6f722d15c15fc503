//! What survives a restart: JSON files in `state_dir`.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Version of the documents that this lvsd writes and reads.
const VERSION: u64 = 1;

/// One file.
#[derive(Debug)]
pub(crate) struct StateFile {
    path: PathBuf,
    /// What its loss means, in words.
    loss: &'static str,
}

impl StateFile {
    /// The file `name` of `state_dir`. `loss` completes "lvsd goes on; ".
    pub(crate) fn new(state_dir: &Path, name: &str, loss: &'static str) -> Self {
        Self { path: state_dir.join(name), loss }
    }

    /// What was last saved. A missing file is the default; one that cannot be understood is set
    /// aside with the ending `.bad`, because losing it costs far less than not starting.
    pub(crate) fn load<T: Default>(&self, parse: impl FnOnce(&[u8]) -> anyhow::Result<T>) -> T {
        let error = match fs::read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return T::default(),
            Err(error) => {
                // It may be readable the next time.
                let (path, loss) = (self.path.display(), self.loss);
                tracing::warn!("state file {path}: {error}; lvsd goes on; {loss}");
                return T::default();
            }
            Ok(bytes) => match parse(&bytes) {
                Ok(found) => return found,
                Err(error) => error,
            },
        };
        let aside = self.path.with_extension("json.bad");
        let kept = match fs::rename(&self.path, &aside) {
            Ok(()) => format!("it is set aside as {}", aside.display()),
            Err(error) => format!("it could not be set aside: {error}"),
        };
        tracing::warn!(
            "state file {}: {error:#}; {kept}. lvsd goes on; {}",
            self.path.display(),
            self.loss
        );
        T::default()
    }

    /// Replaces the file at once: a crash leaves the old content or the new one. Trouble is
    /// logged: the daemon's work goes on.
    pub(crate) fn save(&self, document: &impl Serialize) {
        let save = || -> anyhow::Result<()> {
            if let Some(directory) = self.path.parent() {
                fs::create_dir_all(directory)?;
            }
            let mut value = serde_json::to_value(document)?;
            if let Value::Object(fields) = &mut value {
                fields.insert("version".to_owned(), VERSION.into());
            }
            let new = self.path.with_extension("json.new");
            let mut file = fs::File::create(&new)?;
            file.write_all(serde_json::to_string_pretty(&value)?.as_bytes())?;
            file.sync_all()?;
            fs::rename(new, &self.path)?;
            Ok(())
        };
        let saved = save().with_context(|| format!("state file {}", self.path.display()));
        if let Err(error) = saved {
            tracing::warn!("{error:#}; after a restart, {}", self.loss);
        }
    }
}

/// Reads a document of this version.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> anyhow::Result<T> {
    let value: Value = serde_json::from_slice(bytes)?;
    let version = value.get("version").and_then(Value::as_u64);
    anyhow::ensure!(
        version == Some(VERSION),
        "its version is {}, this lvsd knows version {VERSION}",
        version.map_or_else(|| "missing".to_owned(), |version| version.to_string())
    );
    Ok(serde_json::from_value(value)?)
}
