//! Which services lvsd may remove: `state_dir/owned.json`.
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
    pub(crate) fn load(&self) -> BTreeSet<ServiceKey> {
        self.0.load(|bytes| {
            let document: Document = parse(bytes)?;
            document.services.iter().map(|key| Ok(key.parse()?)).collect()
        })
    }

    /// Keeps the set.
    pub(crate) fn save(&self, owned: &BTreeSet<ServiceKey>) {
        self.0.save(&Document { services: owned.iter().map(ToString::to_string).collect() });
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_saved_is_loaded() {
        let directory = tempfile::tempdir().unwrap();
        let file = OwnedFile::new(&directory.path().join("deeper"));
        assert!(file.load().is_empty());
        let owned =
            BTreeSet::from(["tcp 192.0.2.10:80", "fwmark 8 IPv6"].map(|k| k.parse().unwrap()));
        file.save(&owned);
        assert_eq!(file.load(), owned);
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
            assert!(OwnedFile::new(directory.path()).load().is_empty());
            let aside = fs::read_to_string(directory.path().join("owned.json.bad")).unwrap();
            assert_eq!(aside, bad);
            assert!(!path.exists());
        }
    }
}
