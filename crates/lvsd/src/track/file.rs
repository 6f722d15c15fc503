//! Tracked files: a number.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use config::TrackFile;
use nix::libc::O_NONBLOCK;
use vrrp::Condition;

use super::{Teller, every};

/// Longer than any number.
const MOST_BYTES: u64 = 64;

/// Reads the file for ever.
pub(super) async fn watch(track: TrackFile, mut teller: Teller) {
    let mut ticks = every(track.interval);
    loop {
        ticks.tick().await;
        let path = track.path.clone();
        // On a thread: a file system that hangs holds up nothing else.
        let read = tokio::task::spawn_blocking(move || read(&path)).await;
        teller.tell(read.unwrap_or_else(|error| Condition::Unclear(error.to_string())));
    }
}

fn read(path: &Path) -> Condition {
    let mut bytes = Vec::new();
    // Opening a pipe must not wait for a writer.
    let file = OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(path);
    match file.and_then(|file| file.take(MOST_BYTES).read_to_end(&mut bytes)) {
        Ok(_) => number(&String::from_utf8_lossy(&bytes)).unwrap_or_else(|| {
            Condition::Unclear(format!("{} has no whole number", path.display()))
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Condition::Number(0),
        Err(error) => Condition::Unclear(format!("reading {}: {error}", path.display())),
    }
}

/// A file that is just being written may be empty.
fn number(text: &str) -> Option<Condition> {
    match text.trim() {
        "" => Some(Condition::Number(0)),
        digits => digits.parse().ok().map(Condition::Number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_files() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("number");
        assert_eq!(read(&path), Condition::Number(0));
        for (text, expected) in [
            ("", Some(0)),
            ("\n", Some(0)),
            ("5\n", Some(5)),
            (" -40 ", Some(-40)),
            ("+7", Some(7)),
            ("five", None),
            ("1.5", None),
            ("5 6", None),
            ("99999999999999999999", None),
        ] {
            std::fs::write(&path, text).unwrap();
            let condition = read(&path);
            match expected {
                Some(number) => assert_eq!(condition, Condition::Number(number), "{text:?}"),
                None => assert!(matches!(condition, Condition::Unclear(_)), "{text:?}"),
            }
        }
        let unclear = read(directory.path());
        assert!(matches!(&unclear, Condition::Unclear(text) if text.starts_with("reading /")));
    }

    /// A pipe without a writer does not hold up the reader.
    #[test]
    fn a_pipe_is_empty() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pipe");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(read(&path), Condition::Number(0));
    }
}
