//! Writes the state files, so that a disk that hangs holds up nothing else.

use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use anyhow::Context;

use crate::owned::{Owned, OwnedFile};
use crate::wishes::{Wishes, WishesFile};

/// The end of lvsd waits so long for the disk.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is to be kept. Of several that wait the newest of each is written.
#[derive(Debug, Default)]
struct News {
    owned: Option<Owned>,
    wishes: Option<Wishes>,
}

/// The thread that writes.
#[derive(Debug)]
pub(crate) struct Saver {
    news: Sender<News>,
    /// Closed when the thread has ended.
    ended: Receiver<()>,
}

impl Saver {
    /// Starts the thread.
    pub(crate) fn spawn(mut owned: OwnedFile, mut wishes: WishesFile) -> anyhow::Result<Self> {
        Self::writing(move |news| {
            if let Some(news) = news.owned {
                owned.save(&news);
            }
            if let Some(news) = news.wishes {
                wishes.save(&news);
            }
        })
    }

    fn writing(mut write: impl FnMut(News) + Send + 'static) -> anyhow::Result<Self> {
        let (news, waiting) = mpsc::channel();
        let (running, ended) = mpsc::channel();
        thread::Builder::new()
            .name("state".to_owned())
            .spawn(move || {
                while let Ok(first) = waiting.recv() {
                    write(waiting.try_iter().fold(first, News::followed_by));
                }
                drop::<Sender<()>>(running);
            })
            .context("starting the thread that keeps the state")?;
        Ok(Self { news, ended })
    }

    /// Keeps what is lvsd's.
    pub(crate) fn owned(&self, owned: Owned) {
        self.save(News { owned: Some(owned), wishes: None });
    }

    /// Keeps the wishes.
    pub(crate) fn wishes(&self, wishes: Wishes) {
        self.save(News { owned: None, wishes: Some(wishes) });
    }

    fn save(&self, news: News) {
        // The thread ends only after this, unless it panicked, which was printed.
        let _ = self.news.send(news);
    }

    /// Waits until all is written. A disk that hangs is told of and left behind.
    pub(crate) fn finish(self) {
        let Self { news, ended } = self;
        drop(news);
        if ended.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
            tracing::error!(
                "state_dir has not taken the state within {} s; what was asked and changed last \
                 may be forgotten",
                PATIENCE.as_secs()
            );
        }
    }
}

impl News {
    fn followed_by(self, next: Self) -> Self {
        Self { owned: next.owned.or(self.owned), wishes: next.wishes.or(self.wishes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(key: &str) -> Owned {
        Owned { services: [key.parse().unwrap()].into(), sync_daemons: false }
    }

    /// The writer waits for the test as it would for a disk; the test waits for nobody meanwhile.
    #[test]
    fn who_saves_does_not_wait_and_the_newest_is_written() {
        let (disk, disk_hangs) = mpsc::channel::<()>();
        let (written, found) = mpsc::channel();
        let saver = Saver::writing(move |news| {
            written.send(news).unwrap();
            let _ = disk_hangs.recv();
        })
        .unwrap();
        saver.owned(owned("fwmark 1"));
        let first: News = found.recv().unwrap();
        assert_eq!(first.owned, Some(owned("fwmark 1")));
        saver.owned(owned("fwmark 2"));
        saver.wishes(Wishes::default());
        saver.owned(owned("fwmark 3"));
        drop(disk);
        saver.finish();
        let rest: Vec<News> = found.iter().collect();
        assert_eq!(rest.len(), 1, "{rest:?}");
        assert_eq!(rest[0].owned, Some(owned("fwmark 3")));
        assert!(rest[0].wishes.is_some());
    }

    #[test]
    fn the_end_waits_until_all_is_written() {
        let directory = tempfile::tempdir().unwrap();
        let files = || (OwnedFile::new(directory.path()), WishesFile::new(directory.path()));
        let (file, wishes) = files();
        let saver = Saver::spawn(file, wishes).unwrap();
        saver.owned(owned("fwmark 1"));
        saver.wishes(Wishes::default());
        saver.finish();
        let (mut file, _) = files();
        assert_eq!(file.load(), owned("fwmark 1"));
        assert!(directory.path().join("wishes.json").exists());
    }
}
