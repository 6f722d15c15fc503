//! Which services lvsd may remove, kept across restarts in `state_dir/owned.json`.
//!
//! Without it a service that is taken out of the file while lvsd is not running would look like
//! another program's and stay for ever.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use ipvs::ServiceKey;
use serde::{Deserialize, Serialize};

const VERSION: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
struct Document {
    version: u32,
    services: Vec<String>,
}

/// The file.
#[derive(Debug)]
pub(crate) struct OwnedFile {
    path: PathBuf,
}

impl OwnedFile {
    /// The file of `state_dir`.
    pub(crate) fn new(state_dir: &Path) -> Self {
        Self { path: state_dir.join("owned.json") }
    }

    /// What was last saved. A missing file is an empty set; one that cannot be understood is set
    /// aside as `owned.json.bad`, because losing it costs far less than not starting.
    pub(crate) fn load(&self) -> BTreeSet<ServiceKey> {
        let error = match fs::read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return BTreeSet::new(),
            Err(error) => anyhow::Error::new(error),
            Ok(bytes) => match parse(&bytes) {
                Ok(owned) => return owned,
                Err(error) => error,
            },
        };
        let aside = self.path.with_extension("json.bad");
        let kept = match fs::rename(&self.path, &aside) {
            Ok(()) => format!("it is set aside as {}", aside.display()),
            Err(error) => format!("it could not be set aside: {error}"),
        };
        tracing::warn!(
            "state file {}: {error:#}; {kept}. lvsd goes on; services that earlier definitions \
             created and that no file defines now count as unmanaged",
            self.path.display()
        );
        BTreeSet::new()
    }

    /// Replaces the file at once: a crash leaves the old content or the new one.
    pub(crate) fn save(&self, owned: &BTreeSet<ServiceKey>) -> anyhow::Result<()> {
        let document = Document {
            version: VERSION,
            services: owned.iter().map(ToString::to_string).collect(),
        };
        let save = || -> io::Result<()> {
            if let Some(directory) = self.path.parent() {
                fs::create_dir_all(directory)?;
            }
            let new = self.path.with_extension("json.new");
            let mut file = fs::File::create(&new)?;
            file.write_all(serde_json::to_string_pretty(&document)?.as_bytes())?;
            file.sync_all()?;
            fs::rename(new, &self.path)
        };
        save().with_context(|| format!("state file {}", self.path.display()))
    }
}

fn parse(bytes: &[u8]) -> anyhow::Result<BTreeSet<ServiceKey>> {
    let document: Document = serde_json::from_slice(bytes)?;
    anyhow::ensure!(
        document.version == VERSION,
        "its version is {}, this lvsd knows version {VERSION}",
        document.version
    );
    document.services.iter().map(|key| Ok(key.parse()?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_loaded() {
        let directory = tempfile::tempdir().unwrap();
        let file = OwnedFile::new(&directory.path().join("deeper"));
        assert!(file.load().is_empty());
        let owned =
            BTreeSet::from(["tcp 192.0.2.10:80", "fwmark 8 IPv6"].map(|k| k.parse().unwrap()));
        file.save(&owned).unwrap();
        assert_eq!(file.load(), owned);
    }

    #[test]
    fn a_bad_file_is_set_aside() {
        for bad in ["", "{", r#"{"version":2,"services":[]}"#, r#"{"version":1,"services":["x"]}"#]
        {
            let directory = tempfile::tempdir().unwrap();
            let file = OwnedFile::new(directory.path());
            fs::write(&file.path, bad).unwrap();
            assert!(file.load().is_empty());
            let aside = fs::read_to_string(directory.path().join("owned.json.bad")).unwrap();
            assert_eq!(aside, bad);
            assert!(!file.path.exists());
        }
    }
}
