//! Work that may take long or hang, on other threads.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Deadline, Stop};

/// Why work with files may not come back.
pub(super) const HUNG: &str = "does its file system hang?";

/// Why a search may not come back.
pub(super) const COSTLY: &str = "a costly regular expression, or too large a body_limit?";

/// Work on other threads, where it delays no other probe, and for whom it is done.
///
/// A thread that hangs in a file system cannot be ended, so nobody whose last work has not come
/// back gets another thread: each run would take one more, until there are none for anybody.
#[derive(Debug)]
pub(super) struct Threads<K>(Arc<Mutex<HashSet<K>>>);

impl<K> Default for Threads<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Clone + Eq + Hash + Send + 'static> Threads<K> {
    /// Does `work` for `key`. `doing` says what it is, and `hint` why it may take so long.
    ///
    /// # Errors
    /// Local trouble when it is not done by the deadline, or when the last work for `key` is still
    /// under way.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        key: &K,
        (doing, hint): (&str, &str),
        deadline: &Deadline,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Stop> {
        let Some(turn) = self.begin(key) else {
            let text = format!("{doing}: the last time has not come back yet ({hint})");
            return Err(Stop::Local(text));
        };
        let working = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        match deadline.within(doing, working).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => Err(Stop::Local(format!("{doing}: {error}"))),
            Err(_) => Err(Stop::Local(format!("{doing}: not done within the timeout ({hint})"))),
        }
    }

    /// `None` while the last work for `key` is under way.
    pub(super) fn begin(&self, key: &K) -> Option<Turn<K>> {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let new = keys.insert(key.clone());
        new.then(|| Turn { keys: Arc::clone(&self.0), key: key.clone() })
    }
}

/// Work that is under way. Dropped when it has come back.
#[derive(Debug)]
pub(super) struct Turn<K: Eq + Hash> {
    keys: Arc<Mutex<HashSet<K>>>,
    key: K,
}

impl<K: Eq + Hash> Drop for Turn<K> {
    fn drop(&mut self) {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::{COSTLY, HUNG};
    use crate::State;
    use crate::outcome::ProbeResult;
    use crate::probe::{self, Context};
    use crate::spec::{
        Check, Expect, Expectation, FileCheck, FileValue, HttpGet, HttpRequest, Kind, MiscCheck,
        Monitor, Pattern, TcpCheck, Timing,
    };

    fn monitor(target: &str, kind: Kind) -> Monitor {
        let timing = Timing { timeout: Duration::from_secs(60), ..Timing::default() };
        Monitor { target: target.parse().unwrap(), check: Check { kind, timing }.into() }
    }

    async fn words(monitor: &Monitor, context: &Context) -> String {
        match probe::run(monitor, State::Unknown, context).await.result {
            ProbeResult::Local(text) => text,
            result => panic!("expected local trouble, got {result:?}"),
        }
    }

    /// Neither a file nor a program is looked at while the last look has not come back.
    #[tokio::test]
    async fn what_hangs_is_the_only_one_of_its_monitor() {
        let file = FileCheck { path: "/dev/null".into(), value: FileValue::Verdict };
        let command = vec!["/dev/null".to_owned()];
        let misc = MiscCheck { command, user: Some("root".into()), ..MiscCheck::default() };
        for (kind, doing, trouble) in [
            (Kind::File(file), "read /dev/null", "not a regular file"),
            (Kind::Misc(misc), "start /dev/null", "Permission denied"),
        ] {
            let context = Context::new();
            let hung = monitor("192.0.2.1:80", kind.clone());
            let other = monitor("192.0.2.2:80", kind);
            let turn = context.threads.begin(&hung).unwrap();
            for _ in 0..2 {
                assert_eq!(
                    words(&hung, &context).await,
                    format!("{doing}: the last time has not come back yet ({HUNG})")
                );
                let words = words(&other, &context).await;
                assert!(words.starts_with(doing) && words.contains(trouble), "{words}");
            }
            drop(turn);
            for _ in 0..2 {
                let words = words(&hung, &context).await;
                assert!(words.contains(trouble), "{words}");
            }
        }
    }

    /// A search that may take seconds is made on another thread too, one at a time.
    #[tokio::test]
    async fn a_costly_search_delays_no_other_probe() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let mut streams = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\naaaa").await;
                let _ = stream.shutdown().await;
                streams.push(stream);
            }
        });
        let http = |pattern: &str| {
            let content = vec![Expectation::Matches(Pattern::new(pattern).unwrap())];
            let requests = vec![HttpRequest { content, ..HttpRequest::default() }];
            Kind::Http(HttpGet { requests, ..HttpGet::default() })
        };
        let tcp = |pattern: &str| {
            let expect = Some(Expect::Matches(Pattern::new(pattern).unwrap()));
            Kind::Tcp(TcpCheck { expect, ..TcpCheck::default() })
        };
        for (kind, what) in [
            (http("(?:a.{1000}b)?aaa"), Some("search the body")),
            (tcp("(?:a.{1000}b)?aaa"), Some("search the answer")),
            (http("aaa"), None),
            (tcp("aaa"), None),
        ] {
            let context = Context::new();
            let monitor = monitor(&address.to_string(), kind);
            let turn = context.threads.begin(&monitor).unwrap();
            let result = probe::run(&monitor, State::Unknown, &context).await.result;
            let expected = what.map_or(ProbeResult::Passed, |what| {
                let text = format!("{what}: the last time has not come back yet ({COSTLY})");
                ProbeResult::Local(text)
            });
            assert_eq!(result, expected);
            drop(turn);
            let result = probe::run(&monitor, State::Unknown, &context).await.result;
            assert_eq!(result, ProbeResult::Passed);
        }
    }
}
