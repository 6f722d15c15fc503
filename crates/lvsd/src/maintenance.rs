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

/// A directory that has not answered for so long is told of.
const PATIENCE: Duration = Duration::from_secs(10);

/// The start waits no longer for the directory.
const PATIENCE_AT_START: Duration = Duration::from_secs(2);

/// The servers that files are named after, and what else is there, in words; or why nobody knows.
type Listing = Result<(BTreeSet<ServerName>, String), String>;

/// Watches the directory that was last sent, and tells the director when another set of servers
/// than `known` is in it.
pub(crate) fn watch(
    directory: Option<PathBuf>,
    known: BTreeSet<ServerName>,
    director: Director,
) -> watch::Sender<Option<PathBuf>> {
    let (sender, receiver) = watch::channel(directory);
    tokio::spawn(watch_with(names, receiver, known, director));
    sender
}

async fn watch_with(
    list: impl Fn(&Path) -> Listing + Clone + Send + 'static,
    mut directories: watch::Receiver<Option<PathBuf>>,
    known: BTreeSet<ServerName>,
    director: Director,
) {
    let mut last = known;
    let mut trouble = String::new();
    loop {
        let directory = directories.borrow_and_update().clone();
        let listing = tokio::select! {
            listing = read(list.clone(), directory) => listing,
            // One that hangs is left behind.
            changed = directories.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
        };
        // What is out stays out while the directory cannot be read.
        let (found, words) = listing.unwrap_or_else(|error| (last.clone(), error));
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
            changed = directories.changed() => if changed.is_err() { return },
        }
    }
}

/// Lists a directory, which may hang, beside everything else that the main task does.
async fn read(
    list: impl Fn(&Path) -> Listing + Send + 'static,
    directory: Option<PathBuf>,
) -> Listing {
    let Some(directory) = directory else { return Ok(Default::default()) };
    let shown = directory.display().to_string();
    let mut listing = tokio::task::spawn_blocking(move || list(&directory));
    let done = match tokio::time::timeout(PATIENCE, &mut listing).await {
        Ok(done) => done,
        Err(_) => {
            tracing::warn!(
                "maintenance_dir {shown}: no answer for {} s; what is out stays out",
                PATIENCE.as_secs()
            );
            listing.await
        }
    };
    done.unwrap_or_else(|error| Err(format!("maintenance_dir {shown}: {error}")))
}

/// What the directory holds when lvsd starts, so that the first plan knows of it; `known` if it
/// cannot be read, which is told when it is watched.
pub(crate) async fn at_start(
    directory: Option<PathBuf>,
    known: BTreeSet<ServerName>,
) -> BTreeSet<ServerName> {
    match tokio::time::timeout(PATIENCE_AT_START, read(names, directory)).await {
        Ok(Ok((found, _))) => found,
        Ok(Err(_)) | Err(_) => known,
    }
}

/// The servers that files are named after, and what else is there, in words.
fn names(directory: &Path) -> Listing {
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
    use std::sync::{Arc, Mutex};

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

    #[tokio::test]
    async fn a_directory_that_cannot_be_read_at_the_start_keeps_out_whom_it_kept_out() {
        let directory = tempfile::tempdir().unwrap();
        let known = BTreeSet::from(["198.51.100.11".parse().unwrap()]);
        let file = directory.path().join("no-directory");
        std::fs::write(&file, "").unwrap();
        assert_eq!(at_start(Some(file), known.clone()).await, known);
        let empty = Some(directory.path().join("missing"));
        assert_eq!(at_start(empty, known.clone()).await, BTreeSet::new());
        assert_eq!(at_start(None, known).await, BTreeSet::new());
    }

    /// On a runtime with one thread, as lvsd's: what else there is to do goes on, and another
    /// directory takes the place of the one that hangs.
    #[tokio::test]
    async fn a_directory_that_hangs_holds_up_nothing_else() {
        let (release, released) = std::sync::mpsc::channel::<()>();
        let (started, has_started) = std::sync::mpsc::channel();
        let released = Arc::new(Mutex::new(released));
        let list = move |directory: &Path| {
            if directory.ends_with("hangs") {
                started.send(()).unwrap();
                let _ = released.lock().unwrap().recv();
            }
            Ok((["198.51.100.11".parse().unwrap()].into(), String::new()))
        };
        let (director, messages) = std::sync::mpsc::channel();
        let (sender, receiver) = watch::channel(Some(PathBuf::from("/hangs")));
        let watching = tokio::spawn(watch_with(list, receiver, BTreeSet::new(), director));
        let hangs = tokio::task::spawn_blocking(move || has_started.recv());
        hangs.await.unwrap().unwrap();
        sender.send(Some(PathBuf::from("/answers"))).unwrap();
        let message = tokio::task::spawn_blocking(move || messages.recv());
        let message = message.await.unwrap().unwrap();
        assert!(matches!(message, Message::Maintenance(found) if found.len() == 1));
        watching.abort();
        drop(release);
    }
}
