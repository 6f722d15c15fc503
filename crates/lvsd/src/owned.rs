//! Which services lvsd may remove, and whether it may stop the sync daemons:
//! `state_dir/owned.json`.
//!
//! Without it a service that is taken out of the file while lvsd is not running would look like
//! another program's and stay for ever.

use std::collections::BTreeSet;
use std::path::Path;

use ipvs::ServiceKey;
use serde::{Deserialize, Serialize};

use crate::state::{StateFile, parse};

#[derive(Debug, Serialize, Deserialize)]
struct Document {
    services: Vec<String>,
    /// Older files have none.
    #[serde(default)]
    sync_daemons: bool,
}

/// What is lvsd's in the kernel.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Owned {
    pub(crate) services: BTreeSet<ServiceKey>,
    /// Those that run.
    pub(crate) sync_daemons: bool,
}

/// The file.
#[derive(Debug)]
pub(crate) struct OwnedFile(StateFile);

impl OwnedFile {
    /// The file of `state_dir`.
    pub(crate) fn new(state_dir: &Path) -> Self {
        let loss = "services that lvsd created and that no file defines any more count as \
                    unmanaged";
        Self(StateFile::new(state_dir, "owned.json", loss))
    }

    /// What was last saved.
    pub(crate) fn load(&mut self) -> Owned {
        self.0.load(|bytes| {
            let document: Document = parse(bytes)?;
            let services = document.services.iter().map(|key| Ok(key.parse()?));
            let services = services.collect::<anyhow::Result<_>>()?;
            Ok(Owned { services, sync_daemons: document.sync_daemons })
        })
    }

    /// Keeps it.
    pub(crate) fn save(&mut self, owned: &Owned) {
        self.0.save(&Document {
            services: owned.services.iter().map(ToString::to_string).collect(),
            sync_daemons: owned.sync_daemons,
        });
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_saved_is_loaded() {
        let directory = tempfile::tempdir().unwrap();
        let mut file = OwnedFile::new(&directory.path().join("deeper"));
        assert_eq!(file.load(), Owned::default());
        let services =
            BTreeSet::from(["tcp 192.0.2.10:80", "fwmark 8 IPv6"].map(|k| k.parse().unwrap()));
        let owned = Owned { services, sync_daemons: true };
        file.save(&owned);
        assert_eq!(file.load(), owned);
    }

    #[test]
    fn an_older_file_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let text = r#"{"services":["tcp 192.0.2.10:80"],"version":1}"#;
        fs::write(directory.path().join("owned.json"), text).unwrap();
        let services = BTreeSet::from(["tcp 192.0.2.10:80".parse().unwrap()]);
        let owned = Owned { services, sync_daemons: false };
        assert_eq!(OwnedFile::new(directory.path()).load(), owned);
    }

    #[test]
    fn a_bad_file_is_set_aside() {
        for bad in [
            "",
            "{",
            r#"{"services":[]}"#,
            r#"{"version":2,"services":[]}"#,
            r#"{"version":1,"services":["x"]}"#,
        ] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("owned.json");
            fs::write(&path, bad).unwrap();
            assert_eq!(OwnedFile::new(directory.path()).load(), Owned::default());
            let aside = fs::read_to_string(directory.path().join("owned.json.bad")).unwrap();
            assert_eq!(aside, bad);
            assert!(!path.exists());
        }
    }
}
