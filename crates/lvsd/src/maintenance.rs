//! The maintenance directory: a file that is named like a real server drains it.
//!
//! For scripts and for people without `lvsctl`: `touch DIR/198.51.100.11` takes the server out of
//! every virtual server, `rm` brings it back. With a port, `198.51.100.11:80`, only that one.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use engine::ServerName;
use tokio::sync::watch;

use crate::director::{Director, Message};

/// How often the directory is looked at. A directory listing each second costs nothing, and works
/// on every file system, which inotify does not.
const INTERVAL: Duration = Duration::from_secs(1);

/// Watches the directory that was last sent, and tells the director what is in it.
pub(crate) fn watch(
    directory: Option<PathBuf>,
    director: Director,
) -> watch::Sender<Option<PathBuf>> {
    let (sender, mut receiver) = watch::channel(directory);
    tokio::spawn(async move {
        let mut last = at_start(receiver.borrow().as_deref());
        let mut trouble = String::new();
        loop {
            let directory = receiver.borrow_and_update().clone();
            let (found, words) = match directory.as_deref().map(names) {
                None => (BTreeSet::new(), String::new()),
                Some(Ok((found, words))) => (found, words),
                // What is out stays out while the directory cannot be read.
                Some(Err(error)) => (last.clone(), error),
            };
            if words != trouble && !words.is_empty() {
                tracing::warn!("{words}");
            }
            trouble = words;
            if found != last && director.send(Message::Maintenance(found.clone())).is_err() {
                return;
            }
            last = found;
            tokio::select! {
                () = tokio::time::sleep(INTERVAL) => {}
                changed = receiver.changed() => if changed.is_err() { return },
            }
        }
    });
    sender
}

/// What the directory holds when lvsd starts, so that the first plan knows of it.
pub(crate) fn at_start(directory: Option<&Path>) -> BTreeSet<ServerName> {
    // Trouble is told when the directory is watched.
    directory.and_then(|directory| names(directory).ok()).unwrap_or_default().0
}

/// The servers that files are named after, and what else is there, in words.
fn names(directory: &Path) -> Result<(BTreeSet<ServerName>, String), String> {
    let words = |error: io::Error| format!("maintenance_dir {}: {error}", directory.display());
    let entries = match std::fs::read_dir(directory) {
        // Nobody is in maintenance until somebody makes the directory.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Default::default()),
        entries => entries.map_err(words)?,
    };
    let mut found = BTreeSet::new();
    let mut others = Vec::new();
    for entry in entries {
        let name = entry.map_err(words)?.file_name();
        let name = name.to_string_lossy();
        match name.parse() {
            Ok(server) => drop(found.insert(server)),
            Err(_) => others.push(name.into_owned()),
        }
    }
    others.sort();
    let words = if others.is_empty() {
        String::new()
    } else {
        format!(
            "maintenance_dir {}: these files are not named like a real server, such as \
             198.51.100.11 or 198.51.100.11:80: {}",
            directory.display(),
            others.join(", ")
        )
    };
    Ok((found, words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_name_servers() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(names(&directory.path().join("missing")), Ok(Default::default()));
        for name in ["198.51.100.11", "2001:db8::1", "README"] {
            std::fs::write(directory.path().join(name), "").unwrap();
        }
        let (found, words) = names(directory.path()).unwrap();
        assert_eq!(found, ["198.51.100.11", "2001:db8::1"].map(|n| n.parse().unwrap()).into());
        assert!(words.ends_with(": README"), "{words}");
        let file = directory.path().join("README");
        assert!(names(&file).unwrap_err().contains("maintenance_dir"));
    }
}
