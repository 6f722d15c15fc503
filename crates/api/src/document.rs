//! What lvsd tells its operator.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::apply::{DefinitionsStatus, RollbackStatus};
use crate::weight::WeightStepStatus;

/// A moment, as an operator wants it: how long ago, and by the wall clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Since {
    /// Seconds ago, by the monotonic clock.
    pub seconds_ago: u64,
    /// Wall clock time, RFC 3339, UTC. For display only: the wall clock may have been set since.
    pub at: String,
}

/// The director's view: `GET /v1/status`, `lvsctl status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Name of the director.
    pub router_id: String,
    /// The daemon itself.
    pub daemon: DaemonStatus,
    /// Why the kernel's table cannot be read, if it cannot.
    pub ipvs_error: Option<String>,
    /// Defined services, by protocol and address.
    pub virtual_servers: Vec<VirtualServerStatus>,
    /// Services in the kernel that no file defines; lvsd leaves them alone.
    pub unmanaged: Vec<UnmanagedService>,
    /// Operations that the kernel refused the last time; they are tried again.
    pub failing: Vec<FailingOperation>,
    /// VRRP instances, by name.
    pub vrrp_instances: Vec<VrrpStatus>,
    /// VRRP sync groups, by name.
    #[serde(default)]
    pub vrrp_groups: Vec<VrrpGroupStatus>,
    /// The checks as a whole.
    #[serde(default)]
    pub checks: ChecksStatus,
}

/// The checks as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChecksStatus {
    /// How many there are; one that several virtual servers share counts once.
    pub count: u64,
    /// How many run now.
    pub running: u64,
    /// How many are due and wait for others to end: too many run, or too many on their host.
    pub waiting: u64,
    /// How many started in the last one to two minutes. The following figures are theirs.
    pub starts: u64,
    /// Half of them started at most so many microseconds late.
    pub late_median_microseconds: u64,
    /// 99 of 100 started at most so many microseconds late.
    pub late_p99_microseconds: u64,
    /// None started later than so many microseconds.
    pub late_longest_microseconds: u64,
    /// How many cannot run for a reason on the director: their last verdicts stand.
    #[serde(default)]
    pub cannot_run: u64,
    /// How many pass and have something to warn of: a certificate that expires soon.
    #[serde(default)]
    pub warnings: u64,
    /// Both, one by one.
    #[serde(default)]
    pub troubles: Vec<CheckTrouble>,
}

/// Something about a check that somebody should look at, although it changes no verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckTrouble {
    /// Kind of the check.
    pub check: String,
    /// Address and port of the server that it is about.
    pub server: String,
    /// The virtual address that it goes to through the server (`via = "vip"`).
    pub via: Option<IpAddr>,
    /// Whether it cannot run; else it passes, and this is a warning.
    pub cannot_run: bool,
    /// Since when.
    pub since: Since,
    /// What it is: `read /etc/ssl/ca.pem: No such file or directory`.
    pub text: String,
}

/// The daemon itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonStatus {
    /// Version of lvsd.
    pub version: String,
    /// Process id of the worker.
    pub pid: u32,
    /// When it started.
    pub started: Since,
    /// The configuration file.
    pub config_file: String,
    /// The last reload, if there was one.
    pub last_reload: Option<ReloadStatus>,
    /// The definitions in force.
    pub definitions: DefinitionsStatus,
    /// The last trial of definitions, if it ended without a confirmation.
    pub rolled_back: Option<RollbackStatus>,
    /// Its guard.
    pub guard: GuardStatus,
}

/// The process that started the daemon's worker and watches it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardStatus {
    /// Process id: the one that systemd knows, and that takes signals.
    pub pid: u32,
    /// How many workers ended without being told to since the guard started.
    pub restarts: u64,
    /// How the last one of them ended, if any did.
    pub last_end: Option<String>,
}

/// What became of `POST /v1/upgrade`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpgradeAnswer {
    /// The file that is started now.
    pub program: String,
    /// The version that runs.
    pub from: String,
    /// The version that it has been asked for.
    pub to: String,
    /// Process id of the worker that goes.
    pub pid: u32,
}

/// What became of a reload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadStatus {
    /// When.
    pub when: Since,
    /// Why the file was refused, if it was: the definitions before it are still in force.
    pub error: Option<String>,
}

/// A defined service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualServerStatus {
    /// Name in the configuration.
    pub name: String,
    /// The service: `tcp 192.0.2.10:80`, `fwmark 7`.
    pub service: String,
    /// The defined scheduler.
    pub scheduler: String,
    /// Whether the kernel has the service.
    pub in_kernel: bool,
    /// Live weight that the service needs.
    pub quorum: u32,
    /// Whether it has it; `None` while servers wait for their first check.
    pub quorum_reached: Option<bool>,
    /// Sum of the configured weights of the healthy real servers.
    pub live_weight: u64,
    /// Why the panic policy is in force, if it is.
    pub panic: Option<String>,
    /// Its real servers and sorry servers, by address.
    pub real_servers: Vec<RealServerStatus>,
}

/// State of a real server or of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckState {
    /// Not known yet.
    Unknown,
    /// All checks pass.
    Up,
    /// A check has failed.
    Down,
}

/// A real server of one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RealServerStatus {
    /// Address and port.
    pub address: String,
    /// `dr`, `nat`, `tunnel ...`.
    pub forward: String,
    /// Whether it is a sorry server.
    pub sorry: bool,
    /// What its checks say together.
    pub state: CheckState,
    /// Whether it belongs in the table now.
    pub in_service: bool,
    /// Since when it has been so.
    pub since: Option<Since>,
    /// Why, in words.
    pub why: String,
    /// The weight that it is to have now, while it is in the table.
    pub wanted_weight: u32,
    /// Its weight in the kernel; `None` while it is out of the table.
    pub kernel_weight: Option<u32>,
    /// Active connections in the kernel.
    pub active_connections: u32,
    /// Inactive connections in the kernel.
    pub inactive_connections: u32,
}

/// A service in the kernel that no file defines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnmanagedService {
    /// The service.
    pub service: String,
    /// Its scheduler.
    pub scheduler: String,
    /// Its destinations.
    pub destinations: Vec<UnmanagedDestination>,
}

/// A destination of an unmanaged service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnmanagedDestination {
    /// Address and port.
    pub address: String,
    /// `dr`, `nat`, `tunnel ...`.
    pub forward: String,
    /// Its weight.
    pub weight: u32,
}

/// An operation that the kernel refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailingOperation {
    /// The operation and its object.
    pub operation: String,
    /// What the kernel said.
    pub error: String,
}

/// One VRRP instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VrrpStatus {
    /// Name in the configuration.
    pub name: String,
    /// `initialize`, `backup`, `master`, `fault`.
    pub state: String,
    /// Since when.
    pub since: Since,
    /// Why, in words.
    pub why: String,
    /// Interface of the adverts.
    pub interface: String,
    /// Virtual router identifier.
    pub virtual_router_id: u8,
    /// Own priority, as it is now.
    pub priority: u8,
    /// How it comes about: `130 = 150 - 20 (script nginx: exit status 1)`.
    #[serde(default)]
    pub priority_arithmetic: String,
    /// What it depends on.
    #[serde(default)]
    pub tracked: Vec<TrackedStatus>,
    /// Name of the sync group, if it is in one.
    #[serde(default)]
    pub group: Option<String>,
    /// Source address of the master's adverts; this director's own while it is master.
    pub master_address: Option<String>,
    /// Priority of the master.
    pub master_priority: Option<u8>,
    /// The virtual addresses.
    pub addresses: Vec<VirtualAddressStatus>,
    /// The virtual routes and rules.
    #[serde(default)]
    pub routing: Vec<VirtualRoutingStatus>,
    /// What should not be, in words: two masters, other settings there, a silent path.
    pub troubles: Vec<String>,
    /// Packets and events, by name.
    pub counters: Vec<Counter>,
}

/// Something that a VRRP instance tracks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackedStatus {
    /// What is tracked: `script nginx`, `interface eth1`.
    pub thing: String,
    /// Its weight; 0: the instance is in fault while the thing does not work.
    pub weight: i16,
    /// `ok`, what is wrong, or a number; `None` until there is a result.
    pub condition: Option<String>,
    /// What it adds to the priority now.
    pub adds: i64,
    /// Whether it keeps the instance in fault.
    pub is_fault: bool,
}

/// A VRRP sync group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VrrpGroupStatus {
    /// Name in the configuration.
    pub name: String,
    /// State of all its instances.
    pub state: String,
    /// Since when.
    pub since: Since,
    /// Names of its instances.
    pub instances: Vec<String>,
}

/// A virtual address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualAddressStatus {
    /// Address with prefix.
    pub address: String,
    /// Interface that it is added to.
    pub interface: String,
    /// Whether this director holds it.
    pub held: bool,
}

/// A virtual route or rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualRoutingStatus {
    /// Which, as ip-route(8) and ip-rule(8) write it: `route 10.1.0.0/16 via 192.0.2.1`.
    pub what: String,
    /// Whether it is in this director's kernel.
    pub held: bool,
}

/// A counter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counter {
    /// What is counted.
    pub name: String,
    /// How often.
    pub value: u64,
}

/// What an operator asks of a real server: `POST /v1/override`, `lvsctl drain`, `disable`,
/// `weight`, `enable`. Root alone may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverrideRequest {
    /// Address of the server, with its port if only that one is meant.
    pub server: String,
    /// Name of the one virtual server that is meant; all if there is none.
    pub virtual_server: Option<String>,
    /// What is asked.
    pub action: OverrideAction,
    /// Why, in the operator's words.
    pub reason: Option<String>,
    /// For so many seconds; until it is taken back if there is none.
    pub for_seconds: Option<u64>,
}

/// What is asked of a real server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OverrideAction {
    /// Take back whatever was asked.
    Enable,
    /// Out of the table at once.
    Disable,
    /// Out when its connections have ended.
    Drain {
        /// Out after so many seconds at the latest; the definitions' deadline if there is none.
        deadline_seconds: Option<u64>,
    },
    /// Another weight.
    Weight(u32),
}

/// What became of an [`OverrideRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverrideAnswer {
    /// Whom it concerns, virtual server and address of each: `web 198.51.100.11:80`. After
    /// [`OverrideAction::Enable`]: those of which nothing is asked any more.
    pub servers: Vec<String>,
    /// After [`OverrideAction::Enable`]: those of which something is still asked, with what that is
    /// and how it ends.
    #[serde(default)]
    pub held: Vec<String>,
    /// What else there is to know, such as that the virtual server is without quorum now.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// All about real servers: `GET /v1/explain?name=...`, `lvsctl explain`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// Each server of each virtual server that the name fits.
    pub servers: Vec<ServerExplanation>,
}

/// All about one real server of one virtual server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerExplanation {
    /// Name of the virtual server.
    pub virtual_server: String,
    /// The service.
    pub service: String,
    /// As in the status.
    pub status: RealServerStatus,
    /// The weight that the definitions give it.
    pub configured_weight: u32,
    /// How its weight comes about, step by step; while it is out of the table, the one that it
    /// would have.
    pub weight_steps: Vec<WeightStepStatus>,
    /// What the checks together tell about the cause.
    pub hint: Option<String>,
    /// Its checks.
    pub checks: Vec<CheckExplanation>,
}

/// All about one check of one server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckExplanation {
    /// Kind of the check.
    pub kind: String,
    /// The virtual address that it goes to through the server (`via = "vip"`).
    pub via: Option<IpAddr>,
    /// What its results say.
    pub state: CheckState,
    /// Since when.
    pub since: Since,
    /// Why, in words.
    pub why: String,
    /// Milliseconds until its next run; `None` while one is running.
    pub next_run_milliseconds: Option<u64>,
    /// Its last results, the oldest first.
    pub results: Vec<CheckResult>,
}

/// One run of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckResult {
    /// When it started.
    pub started: Since,
    /// How long it took, in microseconds.
    pub latency_microseconds: u64,
    /// `passed`, or what went wrong.
    pub result: String,
    /// The same in one fixed word, as the truth tables of the configuration reference have it:
    /// `passed`, `timed_out`, `refused`, ...; `local` if the check could not run.
    #[serde(default)]
    pub cause: String,
    /// Whether it passed.
    pub passed: bool,
    /// What else there is to know: the last lines of a program's output.
    pub note: Option<String>,
    /// What somebody should do something about: a certificate expires soon.
    #[serde(default)]
    pub warning: Option<String>,
}

/// Answer to a request that could not be served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What went wrong.
    pub error: String,
}

impl From<checkers::State> for CheckState {
    fn from(state: checkers::State) -> Self {
        match state {
            checkers::State::Unknown => Self::Unknown,
            checkers::State::Up => Self::Up,
            checkers::State::Down => Self::Down,
        }
    }
}
