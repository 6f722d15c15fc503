//! Tells scripts and a pipe of the changes of VRRP instances and sync groups, in their order.
//!
//! Each instance and each group has a queue of its own: its scripts run one after the other, and a
//! script that hangs holds up no other queue, and VRRP least of all.

mod fifo;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use config::{Config, Notifications, Notify, Script};
use tokio::runtime::Handle;
use tokio::sync::watch;
use vrrp::{Event, EventKind, State};

use self::fifo::Fifo;
use crate::script;

/// So many changes of one instance or group wait while a script runs.
const MOST_WAITING: usize = 32;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Instance,
    Group,
}

/// Who has changed.
type Subject = (Kind, String);

/// keepalived's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Master,
    Backup,
    Fault,
    Stop,
    Deleted,
    /// Something is not as it should be.
    Trouble,
    /// It is no longer so.
    Over,
}

/// A change, as scripts and readers of the pipe hear of it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Notice {
    subject: Subject,
    word: Word,
    detail: Detail,
}

/// What comes after the word.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Detail {
    /// Of a group: 0, as with keepalived.
    Priority(u8),
    /// What the trouble is, as the log has it.
    Text(String),
}

impl Word {
    fn as_str(self) -> &'static str {
        match self {
            Self::Master => "MASTER",
            Self::Backup => "BACKUP",
            Self::Fault => "FAULT",
            Self::Stop => "STOP",
            Self::Deleted => "DELETED",
            Self::Trouble => "TROUBLE",
            Self::Over => "OVER",
        }
    }
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Instance => "INSTANCE",
            Self::Group => "GROUP",
        }
    }
}

/// `INSTANCE "VI_1" MASTER 150`, `INSTANCE "VI_1" TROUBLE "vrrp VI_1: ..."`.
impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, name) = &self.subject;
        write!(f, "{} \"{name}\" {} ", kind.as_str(), self.word.as_str())?;
        match &self.detail {
            Detail::Priority(priority) => write!(f, "{priority}"),
            Detail::Text(text) => write!(f, "\"{text}\""),
        }
    }
}

/// The word for what is not as it should be between directors, and for its end. Each is told once:
/// the state machine sees to that.
fn trouble(kind: &EventKind) -> Option<Word> {
    match kind {
        EventKind::Begins(trouble) => trouble.is_of_the_pair().then_some(Word::Trouble),
        EventKind::Over(trouble) => trouble.is_of_the_pair().then_some(Word::Over),
        EventKind::Rival { .. } => Some(Word::Trouble),
        EventKind::RivalGone { .. } | EventKind::RivalStays { .. } => Some(Word::Over),
        _ => None,
    }
}

/// A script that waits for its turn.
#[derive(Debug)]
struct Job {
    script: Script,
    arguments: Vec<String>,
    timeout: Duration,
}

/// Tells whom it concerns.
#[derive(Debug, Clone)]
pub(crate) struct Notifier(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    inner: Mutex<Inner>,
    /// How many queues have a script that runs.
    running: watch::Sender<usize>,
    /// Where scripts run.
    runtime: Handle,
}

#[derive(Debug, Default)]
struct Inner {
    notifications: Notifications,
    defined: BTreeSet<Subject>,
    fifo: Option<Fifo>,
    /// Of those that have a script that runs: what comes after it.
    waiting: BTreeMap<Subject, VecDeque<Job>>,
}

impl Notifier {
    pub(crate) fn new(runtime: Handle) -> Self {
        let running = watch::Sender::new(0);
        Self(Arc::new(Shared { inner: Mutex::default(), running, runtime }))
    }

    /// Whom to tell from now on. Is to be called before VRRP gets the same definitions.
    pub(crate) fn set(&self, config: &Config) {
        let instances = config.vrrp_instances.iter();
        let groups = instances.clone().filter_map(|instance| instance.group.clone());
        let mut inner = self.0.lock();
        inner.defined = groups.map(|group| (Kind::Group, group)).collect();
        inner.defined.extend(instances.map(|instance| (Kind::Instance, instance.name.clone())));
        inner.notifications = config.notifications.clone();
        inner.set_fifo(config.global.notify_fifo.as_deref());
    }

    /// Tells of a change of state, and of a trouble.
    pub(crate) fn tell(&self, event: &Event) {
        let mut inner = self.0.lock();
        let Some(notice) = inner.notice(event) else { return };
        if let Some(fifo) = &mut inner.fifo {
            fifo.write(&format!("{notice}\n"));
        }
        for job in inner.jobs(&notice) {
            if inner.enqueue(&notice.subject, job) {
                self.0.running.send_modify(|running| *running += 1);
                let shared = Arc::clone(&self.0);
                self.0.runtime.spawn(work(shared, notice.subject.clone()));
            }
        }
    }

    /// Waits until all scripts have run, but no longer than this.
    pub(crate) async fn finish(&self, limit: Duration) {
        let mut running = self.0.running.subscribe();
        let idle = running.wait_for(|running| *running == 0);
        if tokio::time::timeout(limit, idle).await.is_err() {
            tracing::warn!("notify scripts still run after {limit:?}; they are killed");
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing that is done under the lock leaves half of something behind.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs what waits in one queue, one after the other.
async fn work(shared: Arc<Shared>, subject: Subject) {
    loop {
        let next = shared.lock().next(&subject);
        let Some(Job { script, arguments, timeout }) = next else { break };
        script::run_and_log(script, arguments, Vec::new(), timeout).await;
    }
    shared.running.send_modify(|running| *running -= 1);
}

impl Inner {
    fn set_fifo(&mut self, path: Option<&Path>) {
        if self.fifo.as_ref().map(Fifo::path) == path {
            return;
        }
        self.fifo = None;
        match path.map(Fifo::open).transpose() {
            Ok(fifo) => self.fifo = fifo,
            Err(error) => tracing::error!("{error}"),
        }
    }

    fn notice(&self, event: &Event) -> Option<Notice> {
        let (kind, to, priority) = match event.kind {
            EventKind::Transition { to, priority, .. } => (Kind::Instance, to, priority),
            EventKind::GroupTransition { to, .. } => (Kind::Group, to, 0),
            ref other => {
                let subject = (Kind::Instance, event.instance.clone());
                let detail = Detail::Text(event.to_string());
                return trouble(other).map(|word| Notice { subject, word, detail });
            }
        };
        let subject = (kind, event.instance.clone());
        let word = match to {
            State::Master => Word::Master,
            State::Backup => Word::Backup,
            State::Fault => Word::Fault,
            State::Initialize if self.defined.contains(&subject) => Word::Stop,
            State::Initialize => Word::Deleted,
        };
        Some(Notice { subject, word, detail: Detail::Priority(priority) })
    }

    /// The scripts of a change: first the one for the state, then the one for all.
    fn jobs(&self, notice: &Notice) -> Vec<Job> {
        let (kind, name) = &notice.subject;
        let all = match kind {
            Kind::Instance => &self.notifications.instances,
            Kind::Group => &self.notifications.groups,
        };
        let Some(notify) = all.get(name) else { return Vec::new() };
        let Notify { master, backup, fault, stop, any, trouble, timeout } = notify;
        let (special, general) = match notice.word {
            Word::Master => (master, any),
            Word::Backup => (backup, any),
            Word::Fault => (fault, any),
            Word::Stop => (stop, any),
            Word::Deleted => (&None, any),
            // Those who know keepalived's words alone are not told others.
            Word::Trouble | Word::Over => (&None, trouble),
        };
        let detail = match &notice.detail {
            Detail::Priority(priority) => priority.to_string(),
            Detail::Text(text) => text.clone(),
        };
        let words = [kind.as_str(), name, notice.word.as_str(), &detail];
        let arguments: Vec<String> = words.map(str::to_owned).to_vec();
        let job = |script: &Option<Script>, arguments| {
            script.clone().map(|script| Job { script, arguments, timeout: *timeout })
        };
        [job(special, Vec::new()), job(general, arguments)].into_iter().flatten().collect()
    }

    /// Adds to a queue; `true` if nobody works on it yet.
    fn enqueue(&mut self, subject: &Subject, job: Job) -> bool {
        let is_new = !self.waiting.contains_key(subject);
        let queue = self.waiting.entry(subject.clone()).or_default();
        if queue.len() == MOST_WAITING
            && let Some(left_out) = queue.pop_front()
        {
            tracing::warn!(
                "notify of {}: {MOST_WAITING} scripts wait already; left out: {} {}",
                subject.1,
                left_out.script.command.join(" "),
                left_out.arguments.join(" ")
            );
        }
        queue.push_back(job);
        is_new
    }

    /// The next script of a queue; without one the queue is gone.
    fn next(&mut self, subject: &Subject) -> Option<Job> {
        let next = self.waiting.get_mut(subject).and_then(VecDeque::pop_front);
        if next.is_none() {
            self.waiting.remove(subject);
        }
        next
    }
}

#[cfg(test)]
mod tests;
