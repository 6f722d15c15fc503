//! The operator's wishes and the servers that are still leaving: `state_dir/wishes.json`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use config::{Drain, DrainPolicy};
use engine::{Action, Leaving, Override, ServerName};
use ipvs::{DestinationKey, Weight};
use serde::{Deserialize, Serialize};

use crate::clock::{from_wall, to_wall};
use crate::state::{StateFile, parse};

/// What the file holds.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    pub(crate) overrides: Vec<Override>,
    pub(crate) leaving: Vec<Leaving>,
    /// Since when the files in the maintenance directory are known.
    pub(crate) maintenance_since: BTreeMap<ServerName, Instant>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Document {
    overrides: Vec<OverrideRecord>,
    leaving: Vec<LeavingRecord>,
    /// Older files have none.
    #[serde(default)]
    maintenance: Vec<MaintenanceRecord>,
}

#[derive(Debug, Serialize, Deserialize)]
struct MaintenanceRecord {
    file: String,
    since: Seconds,
}

#[derive(Debug, Serialize, Deserialize)]
struct OverrideRecord {
    server: String,
    virtual_server: Option<String>,
    action: ActionRecord,
    by: String,
    reason: Option<String>,
    since: Seconds,
    until: Option<Seconds>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ActionRecord {
    Disable,
    Drain { deadline: Option<Seconds> },
    Weight(u32),
}

#[derive(Debug, Serialize, Deserialize)]
struct LeavingRecord {
    /// Absent in what older versions wrote, as are the policies.
    #[serde(default)]
    virtual_server: String,
    service: String,
    destination: String,
    deadline: Seconds,
    /// How long the drain may take in all.
    drain_seconds: Option<u64>,
    #[serde(default)]
    wait_for_udp: bool,
    #[serde(default)]
    wait_for_persistent: bool,
}

/// Seconds since 1970.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(transparent)]
struct Seconds(u64);

impl From<Instant> for Seconds {
    fn from(moment: Instant) -> Self {
        let since = to_wall(moment).duration_since(SystemTime::UNIX_EPOCH);
        Self(since.unwrap_or_default().as_secs())
    }
}

impl From<Seconds> for Instant {
    fn from(seconds: Seconds) -> Self {
        from_wall(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.0.min(u64::from(u32::MAX))))
    }
}

/// The file.
#[derive(Debug)]
pub(crate) struct WishesFile(StateFile);

impl WishesFile {
    /// The file of `state_dir`.
    pub(crate) fn new(state_dir: &Path) -> Self {
        let loss =
            "what the operator asked with `lvsctl drain`, `disable` and `weight` is forgotten";
        Self(StateFile::new(state_dir, "wishes.json", loss))
    }

    /// What was last saved.
    pub(crate) fn load(&mut self) -> Wishes {
        self.0.load(|bytes| {
            let document: Document = parse(bytes)?;
            let overrides = document.overrides.into_iter().map(read_override);
            let leaving = document.leaving.into_iter().map(read_leaving);
            let maintenance = document.maintenance.into_iter().map(read_maintenance);
            Ok(Wishes {
                overrides: overrides.collect::<Result<_, _>>()?,
                leaving: leaving.collect::<Result<_, _>>()?,
                maintenance_since: maintenance.collect::<Result<_, _>>()?,
            })
        })
    }

    /// Keeps the wishes.
    pub(crate) fn save(&mut self, wishes: &Wishes) {
        self.0.save(&Document {
            overrides: wishes.overrides.iter().map(write_override).collect(),
            leaving: wishes.leaving.iter().map(write_leaving).collect(),
            maintenance: wishes.maintenance_since.iter().map(write_maintenance).collect(),
        });
    }
}

fn write_override(one: &Override) -> OverrideRecord {
    let any = ServerName { virtual_server: None, ..one.server.clone() };
    OverrideRecord {
        server: any.to_string(),
        virtual_server: one.server.virtual_server.clone(),
        action: match one.action {
            Action::Disable => ActionRecord::Disable,
            Action::Drain { deadline } => {
                ActionRecord::Drain { deadline: deadline.map(Seconds::from) }
            }
            Action::Weight(weight) => ActionRecord::Weight(weight.get()),
        },
        by: one.by.clone(),
        reason: one.reason.clone(),
        since: one.since.into(),
        until: one.until.map(Seconds::from),
    }
}

fn read_override(record: OverrideRecord) -> anyhow::Result<Override> {
    let name: ServerName = record.server.parse()?;
    Ok(Override {
        server: ServerName { virtual_server: record.virtual_server, ..name },
        action: match record.action {
            ActionRecord::Disable => Action::Disable,
            ActionRecord::Drain { deadline } => {
                Action::Drain { deadline: deadline.map(Instant::from) }
            }
            ActionRecord::Weight(weight) => Action::Weight(
                Weight::new(weight).with_context(|| format!("weight {weight} is too large"))?,
            ),
        },
        by: record.by,
        reason: record.reason,
        since: record.since.into(),
        until: record.until.map(Instant::from),
    })
}

fn write_leaving(one: &Leaving) -> LeavingRecord {
    LeavingRecord {
        virtual_server: one.virtual_server.clone(),
        service: one.service.to_string(),
        destination: one.destination.to_string(),
        deadline: one.deadline.into(),
        drain_seconds: Some(one.policy.deadline.as_secs()),
        wait_for_udp: one.policy.udp == DrainPolicy::Wait,
        wait_for_persistent: one.policy.persistent == DrainPolicy::Wait,
    }
}

fn read_leaving(record: LeavingRecord) -> anyhow::Result<Leaving> {
    let policy = |wait| if wait { DrainPolicy::Wait } else { DrainPolicy::Ignore };
    Ok(Leaving {
        virtual_server: record.virtual_server,
        service: record.service.parse()?,
        destination: DestinationKey::new(record.destination.parse()?),
        deadline: record.deadline.into(),
        policy: Drain {
            deadline: record
                .drain_seconds
                .map_or_else(|| Drain::default().deadline, Duration::from_secs),
            udp: policy(record.wait_for_udp),
            persistent: policy(record.wait_for_persistent),
        },
    })
}

fn write_maintenance((file, since): (&ServerName, &Instant)) -> MaintenanceRecord {
    MaintenanceRecord { file: file.to_string(), since: (*since).into() }
}

fn read_maintenance(record: MaintenanceRecord) -> anyhow::Result<(ServerName, Instant)> {
    Ok((record.file.parse()?, record.since.into()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_saved_is_loaded() {
        let directory = tempfile::tempdir().unwrap();
        let mut file = WishesFile::new(directory.path());
        let now = Instant::now();
        let one = |server: &str, action| Override {
            server: server.parse().unwrap(),
            action,
            by: "root".to_owned(),
            reason: Some("new kernel".to_owned()),
            since: now,
            until: Some(now + Duration::from_secs(60)),
        };
        let deadline = Some(now + Duration::from_secs(600));
        let mut overrides = vec![
            one("198.51.100.1", Action::Disable),
            one("198.51.100.2:80", Action::Drain { deadline }),
            one("2001:db8::1", Action::Weight(Weight::ONE)),
        ];
        overrides[0].server.virtual_server = Some("web".to_owned());
        let leaving = vec![Leaving {
            virtual_server: "web".to_owned(),
            service: "fwmark 7".parse().unwrap(),
            destination: DestinationKey::new("198.51.100.9:0".parse().unwrap()),
            deadline: now,
            policy: Drain { udp: DrainPolicy::Wait, ..Drain::default() },
        }];
        let name: ServerName = "198.51.100.3".parse().unwrap();
        let since = now.checked_sub(Duration::from_secs(300)).unwrap();
        let maintenance_since = BTreeMap::from([(name.clone(), since)]);
        let saved = Wishes { overrides, leaving, maintenance_since };
        file.save(&saved);
        let loaded = file.load();
        let Wishes { overrides, leaving, .. } = saved;
        let (found, left) = (loaded.overrides, loaded.leaving);
        // The file holds whole seconds of another clock.
        let near = |a: Instant, b: Instant| a.max(b) - a.min(b) < Duration::from_secs(5);
        assert_eq!(found.len(), 3);
        for (found, saved) in found.iter().zip(&overrides) {
            assert_eq!((&found.server, &found.by), (&saved.server, &saved.by));
            assert_eq!(found.reason, saved.reason);
            assert!(near(found.until.unwrap(), saved.until.unwrap()));
            assert!(near(found.since, saved.since));
            match (found.action, saved.action) {
                (Action::Drain { deadline: a }, Action::Drain { deadline: b }) => {
                    assert!(near(a.unwrap(), b.unwrap()));
                }
                (a, b) => assert_eq!(a, b),
            }
        }
        assert!(near(left[0].deadline, leaving[0].deadline));
        assert_eq!(left, [Leaving { deadline: left[0].deadline, ..leaving[0].clone() }]);
        assert!(near(loaded.maintenance_since[&name], since));
    }

    /// As the first lvsd with wishes wrote it.
    #[test]
    fn an_older_file_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let text = r#"{
            "leaving": [
                {"deadline": 1767225900, "destination": "198.51.100.9:80",
                 "service": "tcp 192.0.2.10:80"}
            ],
            "overrides": [
                {"action": {"drain": {"deadline": null}}, "by": "root", "reason": "new kernel",
                 "server": "198.51.100.11", "since": 1767225600, "until": null,
                 "virtual_server": null},
                {"action": "disable", "by": "root", "reason": null,
                 "server": "198.51.100.12:80", "since": 1767225600, "until": 1767229200,
                 "virtual_server": "web"}
            ],
            "version": 1
        }"#;
        fs::write(directory.path().join("wishes.json"), text).unwrap();
        let loaded = WishesFile::new(directory.path()).load();
        let actions: Vec<Action> = loaded.overrides.iter().map(|one| one.action).collect();
        assert_eq!(actions, [Action::Drain { deadline: None }, Action::Disable]);
        assert_eq!(loaded.leaving.len(), 1);
        assert_eq!(loaded.maintenance_since, BTreeMap::new());
    }

    #[test]
    fn a_bad_file_is_set_aside() {
        for bad in [
            "{",
            r#"{"version":2,"overrides":[],"leaving":[]}"#,
            r#"{"version":1,"overrides":[{"server":"rs1"}],"leaving":[]}"#,
            r#"{"version":1,"overrides":[],"leaving":[],"maintenance":[{"file":"rs1","since":1}]}"#,
        ] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("wishes.json");
            fs::write(&path, bad).unwrap();
            assert!(WishesFile::new(directory.path()).load().overrides.is_empty());
            let aside = fs::read_to_string(directory.path().join("wishes.json.bad")).unwrap();
            assert_eq!(aside, bad);
            assert!(!path.exists());
        }
    }
}
