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
    /// It is there and could not be read, which may be otherwise the next time.
    unread: bool,
}

impl StateFile {
    /// The file `name` of `state_dir`. `loss` completes "lvsd goes on; ".
    pub(crate) fn new(state_dir: &Path, name: &str, loss: &'static str) -> Self {
        Self { path: state_dir.join(name), loss, unread: false }
    }

    /// What was last saved. A missing file is the default; one that cannot be understood is set
    /// aside with the ending `.bad`, because losing it costs far less than not starting.
    pub(crate) fn load<T: Default>(&mut self, parse: impl FnOnce(&[u8]) -> anyhow::Result<T>) -> T {
        let error = match fs::read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return T::default(),
            Err(error) => {
                self.unread = true;
                let (path, loss) = (self.path.display(), self.loss);
                tracing::warn!("state file {path}: {error}; lvsd goes on; {loss}");
                return T::default();
            }
            Ok(bytes) => match parse(&bytes) {
                Ok(found) => return found,
                Err(error) => error,
            },
        };
        let kept = self.set_aside();
        tracing::warn!(
            "state file {}: {error:#}; {kept}. lvsd goes on; {}",
            self.path.display(),
            self.loss
        );
        T::default()
    }

    /// Says what became of it.
    fn set_aside(&self) -> String {
        let aside = self.path.with_extension("json.bad");
        match fs::rename(&self.path, &aside) {
            Ok(()) => format!("it is set aside as {}", aside.display()),
            Err(error) => format!("it could not be set aside: {error}"),
        }
    }

    /// Replaces the file at once: a crash leaves the old content or the new one. Trouble is
    /// logged: the daemon's work goes on.
    pub(crate) fn save(&mut self, document: &impl Serialize) {
        if std::mem::take(&mut self.unread) {
            let kept = self.set_aside();
            tracing::warn!(
                "state file {}: it could not be read and has to be written; {kept}",
                self.path.display()
            );
        }
        let save = || -> anyhow::Result<()> {
            let directory = self.path.parent().context("a file is in a directory")?;
            fs::create_dir_all(directory)?;
            let mut value = serde_json::to_value(document)?;
            if let Value::Object(fields) = &mut value {
                fields.insert("version".to_owned(), VERSION.into());
            }
            let new = self.path.with_extension("json.new");
            let mut file = fs::File::create(&new)?;
            file.write_all(serde_json::to_string_pretty(&value)?.as_bytes())?;
            file.sync_all()?;
            fs::rename(new, &self.path)?;
            // Only then does the name survive a power cut.
            fs::File::open(directory)?.sync_all()?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &mut StateFile) -> Value {
        file.load(parse)
    }

    /// A directory in the file's place is there and cannot be read, for root neither.
    #[test]
    fn what_could_not_be_read_is_not_written_over() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("owned.json");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("kept"), "").unwrap();
        let mut file = StateFile::new(directory.path(), "owned.json", "");
        assert_eq!(read(&mut file), Value::Null);
        assert!(path.is_dir(), "as long as nothing is saved it may be readable the next time");
        file.save(&serde_json::json!({ "services": [] }));
        assert!(directory.path().join("owned.json.bad/kept").exists());
        assert_eq!(read(&mut file)["version"], VERSION);
    }

    /// A file in the directory's place: nothing can be written there, by root neither.
    #[test]
    fn a_state_dir_that_cannot_be_written_changes_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let state_dir = directory.path().join("state");
        fs::write(&state_dir, "no directory").unwrap();
        let mut file = StateFile::new(&state_dir, "owned.json", "");
        file.save(&serde_json::json!({}));
        assert_eq!(read(&mut file), Value::Null);
        assert_eq!(fs::read_to_string(&state_dir).unwrap(), "no directory");
    }
}
