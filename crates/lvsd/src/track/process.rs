//! Tracked processes, as `/proc` has them.

use std::fs;
use std::path::Path;

use config::TrackProcess;
use vrrp::Condition;

use super::{Teller, every};

/// The kernel keeps so many bytes of a program's name (`TASK_COMM_LEN` less the closing NUL).
const COMM: usize = 15;

/// Counts the processes for ever.
pub(super) async fn watch(track: TrackProcess, mut teller: Teller) {
    let mut ticks = every(track.interval);
    loop {
        ticks.tick().await;
        let wanted = track.clone();
        let counted = tokio::task::spawn_blocking(move || count(&wanted, Path::new("/proc")));
        let condition = match counted.await {
            Ok(Ok(count)) => condition(&track, count),
            Ok(Err(error)) => Condition::Unclear(format!("reading /proc: {error}")),
            Err(error) => Condition::Unclear(error.to_string()),
        };
        teller.tell(condition);
    }
}

fn condition(track: &TrackProcess, count: u32) -> Condition {
    let name = &track.process;
    match track.quorum_max {
        _ if count < track.quorum => {
            Condition::Fails(format!("{count} of {} {name} run", track.quorum))
        }
        Some(most) if count > most => {
            Condition::Fails(format!("{count} {name} run, at most {most} may"))
        }
        _ => Condition::Works,
    }
}

fn count(track: &TrackProcess, proc: &Path) -> std::io::Result<u32> {
    let mut count = 0;
    for entry in fs::read_dir(proc)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_string_lossy().bytes().all(|byte| byte.is_ascii_digit())
            && is_one(track, &entry.path())
        {
            count += 1;
        }
    }
    Ok(count)
}

/// One that ends meanwhile is none.
fn is_one(track: &TrackProcess, directory: &Path) -> bool {
    // Of kernel threads and of those that have ended and were not waited for it is empty.
    let Ok(line) = fs::read(directory.join("cmdline")) else { return false };
    let line = String::from_utf8_lossy(&line);
    let mut words = line.trim_end_matches('\0').split('\0');
    let Some(program) = words.next().filter(|program| !program.is_empty()) else { return false };
    if let Some(arguments) = &track.arguments
        && !words.eq(arguments.iter().map(String::as_str))
    {
        return false;
    }
    let base = program.rsplit('/').next().unwrap_or(program);
    track.process == program || track.process == base || comm(directory) == cut(&track.process)
}

/// Programs that rewrite their command line, such as nginx, have their name here.
fn comm(directory: &Path) -> Vec<u8> {
    let mut name = fs::read(directory.join("comm")).unwrap_or_default();
    name.pop_if(|last| *last == b'\n');
    name
}

fn cut(name: &str) -> &[u8] {
    let bytes = name.as_bytes();
    bytes.get(..COMM).unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A `/proc` with these processes: comm and command line.
    fn proc(processes: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (number, (comm, line)) in processes.iter().enumerate() {
            let process = directory.path().join((number + 1).to_string());
            fs::create_dir(&process).unwrap();
            fs::write(process.join("comm"), format!("{comm}\n")).unwrap();
            fs::write(process.join("cmdline"), line).unwrap();
        }
        fs::create_dir(directory.path().join("self")).unwrap();
        directory
    }

    fn track(process: &str, arguments: Option<&[&str]>) -> TrackProcess {
        TrackProcess {
            name: "a".to_owned(),
            process: process.to_owned(),
            arguments: arguments.map(|all| all.iter().map(|&word| word.to_owned()).collect()),
            quorum: 1,
            quorum_max: None,
            interval: std::time::Duration::from_secs(1),
        }
    }

    /// Lines as a Debian machine has them.
    #[test]
    fn processes_are_found_by_name_path_and_arguments() {
        let proc = proc(&[
            ("nginx", "nginx: master process /usr/sbin/nginx -g daemon on;\0"),
            ("nginx", "nginx: worker process\0\0\0"),
            ("haproxy", "/usr/sbin/haproxy\0-W\0-f\0/etc/haproxy.cfg\0"),
            ("systemd-journal", "/usr/lib/systemd/systemd-journald\0"),
            ("kworker/0:0", ""),
        ]);
        for (process, arguments, expected) in [
            ("nginx", None, 2),
            ("haproxy", None, 1),
            ("/usr/sbin/haproxy", None, 1),
            ("/usr/local/sbin/haproxy", None, 0),
            ("haproxy", Some(&["-W", "-f", "/etc/haproxy.cfg"][..]), 1),
            ("haproxy", Some(&["-W"][..]), 0),
            ("systemd-journald", None, 1),
            ("kworker/0:0", None, 0),
        ] {
            let count = count(&track(process, arguments), proc.path()).unwrap();
            assert_eq!(count, expected, "{process} {arguments:?}");
        }
    }

    #[test]
    fn there_may_be_too_few_and_too_many() {
        let track = TrackProcess { quorum: 2, quorum_max: Some(3), ..track("a", None) };
        let works = |count| condition(&track, count) == Condition::Works;
        assert_eq!([1, 2, 3, 4].map(works), [false, true, true, false]);
        assert_eq!(condition(&track, 1), Condition::Fails("1 of 2 a run".to_owned()));
    }
}
