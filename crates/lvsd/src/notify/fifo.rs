//! The named pipe that gets a line for each change.

use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::libc::{O_NONBLOCK, PIPE_BUF};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

/// An open pipe.
#[derive(Debug)]
pub(super) struct Fifo {
    path: PathBuf,
    pipe: File,
    /// The last line was lost, and that was said.
    is_full: bool,
}

impl Fifo {
    /// Opens the pipe, and makes it if it is not there. It stays at the end, so that a reader can
    /// wait through a restart.
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let failed = |what: &str, error: io::Error| {
            format!("notify_fifo {}: {what}: {error}", path.display())
        };
        match mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(errno) => return Err(failed("making it", errno.into())),
        }
        // For reading too: so lines wait for a reader that comes later, and opening needs none.
        let pipe = OpenOptions::new().read(true).write(true).custom_flags(O_NONBLOCK).open(path);
        let pipe = pipe.map_err(|error| failed("opening it", error))?;
        let kind = pipe.metadata().map_err(|error| failed("looking at it", error))?.file_type();
        if !kind.is_fifo() {
            return Err(format!("notify_fifo {} is there and is no pipe", path.display()));
        }
        Ok(Self { path: path.to_owned(), pipe, is_full: false })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a line, without waiting for room.
    pub(super) fn write(&mut self, line: &str) {
        // All of it goes, or nothing does (pipe(7)).
        match self.pipe.write_all(atomic(line).as_bytes()) {
            Ok(()) => self.is_full = false,
            Err(error) if !self.is_full => {
                self.is_full = true;
                tracing::warn!("notify_fifo {}: {error}; lines are lost", self.path.display());
            }
            Err(_) => {}
        }
    }
}

/// The line, or as much of it as a pipe takes at once; the text at its end is in quotes.
fn atomic(line: &str) -> Cow<'_, str> {
    const END: &str = "...\"\n";
    if line.len() <= PIPE_BUF {
        return line.into();
    }
    format!("{}{END}", &line[..line.floor_char_boundary(PIPE_BUF - END.len())]).into()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn lines_wait_for_a_reader_and_a_full_pipe_does_not_block() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fifo");
        let mut fifo = Fifo::open(&path).unwrap();
        fifo.write("one\n");
        fifo.write("two\n");
        let mut reader =
            OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(&path).unwrap();
        let mut buffer = [0; 100];
        let length = reader.read(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"one\ntwo\n");
        // A pipe has 64 KiB (pipe(7)).
        for _ in 0..100_000 {
            fifo.write("many\n");
        }
        assert!(fifo.is_full);
    }

    /// 255 addresses of both directors are more than a pipe takes at once.
    #[test]
    fn a_long_line_goes_whole_or_not_at_all() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fifo");
        let mut fifo = Fifo::open(&path).unwrap();
        let long = format!("INSTANCE \"VI_1\" TROUBLE \"{}\"\n", "ü".repeat(4000));
        for _ in 0..20 {
            fifo.write(&long);
        }
        let mut text = vec![0; 1 << 17];
        let mut reader =
            OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(&path).unwrap();
        let length = reader.read(&mut text).unwrap();
        let text = std::str::from_utf8(&text[..length]).unwrap();
        assert!(text.lines().count() > 10);
        for line in text.split_inclusive('\n') {
            assert!(line.starts_with("INSTANCE \"VI_1\" TROUBLE \"üü"), "{line}");
            assert!(line.ends_with("üü...\"\n"), "{line}");
        }
    }

    #[test]
    fn a_pipe_that_is_there_is_used_and_left_and_a_file_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fifo");
        mkfifo(&path, Mode::S_IRWXU).unwrap();
        drop(Fifo::open(&path).unwrap());
        assert!(path.exists());
        let file = directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(Fifo::open(&file).unwrap_err().ends_with("is there and is no pipe"));
        assert!(Fifo::open(&directory.path().join("no/fifo")).unwrap_err().contains("making it"));
    }
}
