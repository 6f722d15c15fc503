//! What surrounds VRRP instances: the things that they track, and who is told of their changes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use checkers::Timing;

use super::Script;

/// The things that VRRP instances track, apart from interfaces and virtual servers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tracked {
    /// `[track_script.NAME]`.
    pub scripts: Vec<TrackScript>,
    /// `[track_file.NAME]`.
    pub files: Vec<TrackFile>,
    /// `[track_process.NAME]`.
    pub processes: Vec<TrackProcess>,
}

/// `[track_script.NAME]`: works while it exits with status 0. keepalived: `vrrp_script`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackScript {
    /// Name in the configuration; unique.
    pub name: String,
    /// What runs.
    pub script: Script,
    /// When it runs and how its results count.
    pub timing: Timing,
}

/// `[track_file.NAME]`: a file with a number. keepalived: `track_file`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackFile {
    /// Name in the configuration; unique.
    pub name: String,
    /// The file; one that is not there counts as 0.
    pub path: PathBuf,
    /// How often it is read.
    pub interval: Duration,
}

/// `[track_process.NAME]`: works while enough of these run. keepalived: `vrrp_track_process`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackProcess {
    /// Name in the configuration; unique.
    pub name: String,
    /// Base name of the program, or its path if it starts with `/`.
    pub process: String,
    /// The arguments that it must have; `None`: any.
    pub arguments: Option<Vec<String>>,
    /// So many must run at least.
    pub quorum: u32,
    /// So many may run at most; `None`: any number.
    pub quorum_max: Option<u32>,
    /// How often it is looked for.
    pub interval: Duration,
}

/// Who is told of changes of VRRP instances and sync groups.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notifications {
    /// `notify` of the instances, by name.
    pub instances: BTreeMap<String, Notify>,
    /// `notify` of the groups, by name.
    pub groups: BTreeMap<String, Notify>,
}

/// `notify`: the scripts of one instance or group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notify {
    /// Runs when it becomes master. keepalived: `notify_master`.
    pub master: Option<Script>,
    /// Runs when it becomes backup. keepalived: `notify_backup`.
    pub backup: Option<Script>,
    /// Runs when it is in fault. keepalived: `notify_fault`.
    pub fault: Option<Script>,
    /// Runs when it stops. keepalived: `notify_stop`.
    pub stop: Option<Script>,
    /// Runs at each of these, with four further arguments: `INSTANCE` or `GROUP`, the name, the
    /// state and the priority. keepalived: `notify`.
    pub any: Option<Script>,
    /// Runs when something is not as it should be, and when that is over, once each; with four
    /// further arguments: `INSTANCE`, the name, `TROUBLE` or `OVER`, and what it is in words. Of
    /// instances alone. keepalived has none.
    pub trouble: Option<Script>,
    /// A script that takes longer is killed.
    pub timeout: Duration,
}
