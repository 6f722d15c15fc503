//! Real scripts, which write what they were told into a file.

use std::path::PathBuf;

use vrrp::{Refusal, Trouble};

use super::*;

struct Bench {
    notifier: Notifier,
    directory: tempfile::TempDir,
}

/// `notify` of the instance `VI_1` and of the group `G`; OUT stands for a file.
impl Bench {
    fn new(instance: &str, group: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let bench = Self { notifier: Notifier::new(Handle::current()), directory };
        let text = format!(
            "[vrrp_instance.VI_1]\ninterface = \"eth0\"\nvirtual_router_id = 1\n\
             virtual_addresses = [\"192.0.2.1/24\"]\nnotify = {{ {instance} }}\n\
             [vrrp_sync_group.G]\ninstances = [\"VI_1\"]\nnotify = {{ {group} }}\n"
        );
        let text = text.replace("OUT", bench.out().to_str().unwrap());
        let config = config::parse(Path::new("test.toml"), text);
        bench.notifier.set(&config.unwrap_or_else(|errors| panic!("{errors}")));
        bench
    }

    fn out(&self) -> PathBuf {
        self.directory.path().join("out")
    }

    fn tell(&self, instance: &str, to: State) {
        let reason = "why".to_owned();
        let kind = EventKind::Transition { from: State::Backup, to, reason, priority: 150 };
        self.notifier.tell(&Event { instance: instance.to_owned(), kind });
    }

    fn tell_group(&self, to: State) {
        let kind = EventKind::GroupTransition { from: State::Backup, to, reason: String::new() };
        self.notifier.tell(&Event { instance: "G".to_owned(), kind });
    }

    async fn lines(&self) -> Vec<String> {
        self.notifier.finish(Duration::from_secs(30)).await;
        let text = std::fs::read_to_string(self.out()).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

/// A script that writes these words and its arguments.
fn writes(words: &str) -> String {
    format!(
        "{{ command = [\"/bin/sh\", \"-c\", 'echo {words} \"$@\" >> OUT', \"sh\"], user = \"root\" }}"
    )
}

#[tokio::test]
async fn scripts_run_in_order_with_keepaliveds_arguments() {
    let (slow, quick, any) = (
        "{ command = [\"/bin/sh\", \"-c\", 'sleep 0.2; echo master >> OUT'], user = \"root\" }",
        writes("backup"),
        writes("any"),
    );
    let bench = Bench::new(&format!("master = {slow}, backup = {quick}, any = {any}"), "");
    bench.tell("VI_1", State::Master);
    bench.tell("VI_1", State::Backup);
    bench.tell("VI_1", State::Fault);
    bench.tell("VI_1", State::Initialize);
    // Nobody asked for these.
    bench.tell("VI_2", State::Master);
    bench.tell_group(State::Master);
    assert_eq!(
        bench.lines().await,
        [
            "master",
            "any INSTANCE VI_1 MASTER 150",
            "backup",
            "any INSTANCE VI_1 BACKUP 150",
            "any INSTANCE VI_1 FAULT 150",
            "any INSTANCE VI_1 STOP 150",
        ]
    );
}

#[tokio::test]
async fn a_script_that_hangs_is_killed_and_holds_up_nobody_else() {
    let hang = "{ command = [\"/bin/sleep\", \"1000\"] }";
    let instance = format!("master = {hang}, backup = {}, timeout = \"400ms\"", writes("late"));
    let group = format!("any = {}", writes("group"));
    let bench = Bench::new(&instance, &group);
    bench.tell("VI_1", State::Master);
    bench.tell("VI_1", State::Backup);
    bench.tell_group(State::Master);
    assert_eq!(bench.lines().await, ["group GROUP G MASTER 0", "late"]);
}

#[tokio::test]
async fn the_oldest_of_too_many_are_left_out() {
    let bench = Bench::new(&format!("any = {}", writes("any")), "");
    // Nothing runs before the first await, so all of these wait.
    for _ in 0..MOST_WAITING {
        bench.tell("VI_1", State::Master);
    }
    bench.tell("VI_1", State::Backup);
    let lines = bench.lines().await;
    assert_eq!(lines.len(), MOST_WAITING);
    assert_eq!(lines.last().unwrap(), "any INSTANCE VI_1 BACKUP 150");
}

#[tokio::test]
async fn troubles_are_told_to_their_own_script() {
    let instance = format!("any = {}, trouble = {}", writes("any"), writes("trouble"));
    let bench = Bench::new(&instance, "");
    let address = "192.0.2.3".parse().unwrap();
    let wrong = |refusal| Trouble::Dropped { refusal, source: address };
    for kind in [
        EventKind::Rival { address, priority: 99 },
        EventKind::RivalGone { address },
        EventKind::RivalStays { address },
        EventKind::Begins(wrong(Refusal::Peer)),
        EventKind::Over(wrong(Refusal::Peer)),
        EventKind::Begins(wrong(Refusal::Version { found: 2, expected: 3 })),
        EventKind::Over(wrong(Refusal::Version { found: 2, expected: 3 })),
        EventKind::Trouble("this machine's own".to_owned()),
    ] {
        bench.notifier.tell(&Event { instance: "VI_1".to_owned(), kind });
    }
    assert_eq!(
        bench.lines().await,
        [
            "trouble INSTANCE VI_1 TROUBLE vrrp VI_1: 192.0.2.3 claims to be master too, with \
             priority 99",
            "trouble INSTANCE VI_1 OVER vrrp VI_1: 192.0.2.3 no longer claims to be master; \
             addresses announced again",
            "trouble INSTANCE VI_1 OVER vrrp VI_1: no longer two masters: 192.0.2.3 stays, this \
             director does not",
            "trouble INSTANCE VI_1 TROUBLE vrrp VI_1: packet from 192.0.2.3 dropped: it has version 2, \
             expected 3; more of these are only counted",
            "trouble INSTANCE VI_1 OVER vrrp VI_1: no longer: packets from 192.0.2.3 dropped: other version",
        ]
    );
}

#[tokio::test]
async fn the_pipe_gets_every_change() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fifo");
    let text = format!(
        "global.notify_fifo = {:?}\n[vrrp_instance.VI_1]\ninterface = \"eth0\"\n\
         virtual_router_id = 1\nvirtual_addresses = [\"192.0.2.1/24\"]\n",
        path.display().to_string()
    );
    let bench = Bench::new("", "");
    bench.notifier.set(&config::parse(Path::new("test.toml"), text).unwrap());
    bench.tell("VI_1", State::Master);
    bench.tell_group(State::Fault);
    bench.tell("VI_1", State::Initialize);
    bench.tell("gone", State::Initialize);
    // The definitions have no group.
    bench.tell_group(State::Initialize);
    let address = "192.0.2.3".parse().unwrap();
    let kind = EventKind::Rival { address, priority: 99 };
    bench.notifier.tell(&Event { instance: "VI_1".to_owned(), kind });
    // What is written before somebody reads is not lost.
    let read = std::thread::spawn(move || {
        use std::io::{BufRead, BufReader};
        let lines = BufReader::new(std::fs::File::open(path).unwrap()).lines();
        lines.take(6).map(Result::unwrap).collect::<Vec<_>>()
    });
    assert_eq!(
        read.join().unwrap(),
        [
            "INSTANCE \"VI_1\" MASTER 150",
            "GROUP \"G\" FAULT 0",
            "INSTANCE \"VI_1\" STOP 150",
            "INSTANCE \"gone\" DELETED 150",
            "GROUP \"G\" DELETED 0",
            "INSTANCE \"VI_1\" TROUBLE \"vrrp VI_1: 192.0.2.3 claims to be master too, with \
             priority 99\"",
        ]
    );
}
