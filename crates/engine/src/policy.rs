//! The place of each real server of one virtual server: health first, then the policies that keep
//! a service from losing too much of itself.
//!
//! 1. Health: all checks of a server must pass. One that is not known yet stays where it is.
//! 2. Panic: when the last server would leave, or more than `max_ejected`, the `panic` policy
//!    decides about those that fail. Until it is known whether there is another, the last stays.
//! 3. Quorum: while the live weight is too small, the sorry servers take over.
//! 4. `on_failure = "weight_zero"` keeps a failed server in the table, without new connections.
//! 5. Slow start: a server that comes in gets its weight step by step.
//!
//! The weight of a server is the operator's, else the lowest that one of its passing checks asks
//! for, else the configured one.
//!
//! Before all that comes the operator: a server that is disabled or drained takes no part in it.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use checkers::{Check, Initial, Monitor, State};
use config::{OnFailure, Panic, RealServer, VirtualServer};
use ipvs::{DestinationKey, Weight};

use crate::wanted::{Health, HealthBook, Placement, Verdict, WantedServer};
use crate::weight::{Asked, SLOW_START_STEPS, SlowStart, Weighing};

/// What a decision needs to know of the past of its virtual server.
pub(crate) trait Memory {
    /// Where the server is, or was meant to be.
    fn place(&self, server: &DestinationKey) -> Placement;

    /// The weight that the server stands in the kernel's table with, if it is there.
    fn standing_weight(&self, server: &DestinationKey) -> Option<Weight>;

    /// Whether the quorum was there; `None` when that has not been decided yet.
    fn had_quorum(&self) -> Option<bool>;

    /// What the operator asks for the server.
    fn wish(&self, server: &DestinationKey) -> Option<Wish>;

    /// How far its slow start is; `None` when it has its whole weight.
    fn slow_start(&self, server: &DestinationKey) -> Option<SlowStart>;
}

/// What the operator asks for one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Out, for this reason.
    Out(String),
    /// In with weight 0 while it has connections, for this reason.
    Drain(String),
    /// Another weight, for this reason.
    Weight(Weight, String),
}

/// What was decided for one virtual server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decision {
    /// Real servers and sorry servers.
    pub(crate) servers: Vec<WantedServer>,
    /// The state of the service as a whole.
    pub(crate) condition: Condition,
}

/// State of a service as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Whether the quorum is there; `None` while servers wait for their first check.
    pub quorum: Option<bool>,
    /// Sum of the weights of the healthy real servers, without slow start.
    pub live_weight: u64,
    /// Why the panic policy is in force, if it is.
    pub panic: Option<String>,
}

/// A real server with what its checks say.
struct Judged<'a> {
    server: &'a RealServer,
    state: State,
    why: Cow<'static, str>,
    /// When its failing check failed; orders those that fail.
    since: Option<Instant>,
    was: Placement,
    wish: Option<Wish>,
    /// Without slow start and inhibition.
    weighing: Weighing,
}

impl Judged<'_> {
    /// Whether health decides about it at all.
    fn takes_part(&self) -> bool {
        !matches!(self.wish, Some(Wish::Out(_) | Wish::Drain(_)))
    }

    fn is_healthy(&self) -> bool {
        let up = match self.state {
            State::Up => true,
            State::Unknown => self.was == Placement::In,
            State::Down => false,
        };
        self.takes_part() && up
    }

    fn is_waiting(&self) -> bool {
        self.takes_part() && self.state == State::Unknown && self.was != Placement::In
    }

    fn is_failing(&self) -> bool {
        self.takes_part() && self.state == State::Down
    }
}

/// Decides for one virtual server.
pub(crate) fn decide(
    virtual_server: &VirtualServer,
    health: &HealthBook,
    memory: &impl Memory,
) -> Decision {
    let judged: Vec<Judged<'_>> =
        virtual_server.real_servers.iter().map(|server| judge(server, health, memory)).collect();
    let panic = panic_reason(virtual_server, &judged);
    let live_weight = judged
        .iter()
        .filter(|one| one.is_healthy())
        .map(|one| u64::from(one.weighing.full().get()))
        .sum();
    let quorum = if panic.is_some() && virtual_server.panic == Panic::Sorry {
        Some(false)
    } else {
        let waiting = judged.iter().any(Judged::is_waiting);
        quorum(virtual_server, live_weight, memory.had_quorum(), waiting)
    };
    // With another policy than "sorry" the real servers answer, healthy or not.
    let panic_decides = panic.is_some() && virtual_server.panic != Panic::Sorry;
    let sorry = quorum == Some(false) && !panic_decides && !virtual_server.sorry_servers.is_empty();
    let condition = Condition { quorum, live_weight, panic };
    let mut kept = kept_in_panic(virtual_server, &judged, &condition);
    if !sorry {
        keep_until_others_are_known(&judged, &mut kept);
    }

    let mut servers: Vec<WantedServer> = judged
        .into_iter()
        .zip(kept)
        .map(|(one, kept)| place(virtual_server, one, kept, sorry.then_some(&condition), memory))
        .collect();
    servers.extend(virtual_server.sorry_servers.iter().map(|&destination| {
        // Until the first checks have decided, what serves goes on.
        let undecided =
            condition.quorum.is_none() && memory.place(&destination.key) != Placement::Out;
        let (placement, why) = if sorry {
            (Placement::In, lost_words(virtual_server, &condition).into())
        } else if undecided {
            (Placement::In, "in the table already; real servers are not checked yet".into())
        } else {
            (Placement::Out, "the real servers suffice".into())
        };
        let verdict = Verdict { placement, state: State::Up, why };
        let weighing = Weighing::configured(destination.weight);
        WantedServer { destination, weighing, sorry: true, verdict }
    }));
    Decision { servers, condition }
}

/// The monitor of one check of one real server.
pub(crate) fn monitor(server: &RealServer, check: &Arc<Check>) -> Monitor {
    Monitor { target: server.destination.key.socket_addr(), check: Arc::clone(check) }
}

/// All checks must pass; one that is down decides.
fn judge<'a>(server: &'a RealServer, health: &HealthBook, memory: &impl Memory) -> Judged<'a> {
    let was = memory.place(&server.destination.key);
    let wish = memory.wish(&server.destination.key);
    let configured = server.destination.weight;
    let mut unknown = 0;
    let mut failing = None;
    let mut passing = "";
    let mut asked: Option<Asked> = None;
    let mut adopted = None;
    for check in &server.checks {
        match health.get(&monitor(server, check)) {
            Some(Health { state: State::Down, why, since, .. }) => {
                failing = failing.or(Some((why.as_str(), Some(*since))));
            }
            Some(Health { state: State::Up, why, advice, .. }) => {
                passing = why;
                if let Some(advice) = *advice {
                    let new = Asked::new(check.kind.name(), advice, configured);
                    if asked.is_none_or(|lowest| new.weight < lowest.weight) {
                        asked = Some(new);
                    }
                }
            }
            Some(Health { state: State::Unknown, .. }) | None => match check.timing.initial {
                Initial::Up => passing = "counts as up until it is checked",
                Initial::Down if was == Placement::In => {
                    failing = failing.or(Some(("counts as down until it is checked", None)));
                }
                Initial::Adopt | Initial::Down => {
                    unknown += 1;
                    if check.kind.advises() && was == Placement::In {
                        // The weight there is what the check asked of the lvsd before this one.
                        adopted = memory.standing_weight(&server.destination.key);
                    }
                }
            },
        }
    }
    let (state, why) = match (server.checks.len(), unknown, failing) {
        (_, _, Some((why, _))) => (State::Down, why.to_owned().into()),
        (0, ..) => (State::Up, "no checks".into()),
        (1, 0, None) => (State::Up, passing.to_owned().into()),
        (count, 0, None) => {
            let words = asked.map_or_else(String::new, |asked| {
                format!(", {} asks for {}", asked.check, asked.advice)
            });
            (State::Up, format!("all {count} checks pass{words}").into())
        }
        _ if was == Placement::In => {
            (State::Unknown, "in the table already, not checked yet".into())
        }
        _ => (State::Unknown, "not checked yet".into()),
    };
    let since = failing.and_then(|(_, since)| since);
    let operator = match wish {
        Some(Wish::Weight(weight, _)) => Some(weight),
        _ => None,
    };
    let weighing = Weighing { asked, adopted, operator, ..Weighing::configured(configured) };
    Judged { server, state, why, since, was, wish, weighing }
}

/// At most so many of `count` servers may be out for their health, and never the last one.
fn most_out(virtual_server: &VirtualServer, count: usize) -> usize {
    let allowed =
        virtual_server.max_ejected.map_or(count, |share| count * usize::from(share) / 100);
    allowed.min(count.saturating_sub(1))
}

fn panic_reason(virtual_server: &VirtualServer, judged: &[Judged<'_>]) -> Option<String> {
    let failing = judged.iter().filter(|one| one.is_failing()).count();
    let count = judged.iter().filter(|one| one.takes_part()).count();
    (failing > most_out(virtual_server, count)).then(|| {
        if failing == count {
            format!("all {count} real servers fail")
        } else {
            let share = virtual_server.max_ejected.unwrap_or(100);
            format!("{failing} of {count} real servers fail, max_ejected is {share}%")
        }
    })
}

/// For each server that fails: why it stays in nevertheless.
fn kept_in_panic(
    virtual_server: &VirtualServer,
    judged: &[Judged<'_>],
    condition: &Condition,
) -> Vec<Option<String>> {
    let mut kept = vec![None; judged.len()];
    let Some(reason) = &condition.panic else { return kept };
    let mut failing: Vec<usize> = (0..judged.len()).filter(|&at| judged[at].is_failing()).collect();
    let count = judged.iter().filter(|one| one.takes_part()).count();
    // Who failed first leaves first, and who has left stays out.
    failing.sort_by_key(|&at| (judged[at].was == Placement::In, judged[at].since, at));
    for (rank, &at) in failing.iter().enumerate() {
        let stays = match virtual_server.panic {
            Panic::Sorry => false,
            Panic::All => true,
            Panic::KeepLast => {
                rank >= most_out(virtual_server, count) && judged[at].was == Placement::In
            }
        };
        if stays {
            kept[at] = Some(format!("kept in panic ({reason}): {}", judged[at].why));
        }
    }
    kept
}

/// While nobody else serves and others wait for their first check, those that fail stay where they
/// are: they are not the last ones, but nobody knows yet whether there is another.
fn keep_until_others_are_known(judged: &[Judged<'_>], kept: &mut [Option<String>]) {
    let serves = judged.iter().any(Judged::is_healthy) || kept.iter().any(Option::is_some);
    if serves || !judged.iter().any(Judged::is_waiting) {
        return;
    }
    for (one, kept) in judged.iter().zip(kept) {
        if one.is_failing() && one.was == Placement::In {
            *kept = Some(format!("stays until another server is checked: {}", one.why));
        }
    }
}

/// keepalived's arithmetic: up from `quorum + hysteresis` on, down below `quorum - hysteresis`.
fn quorum(
    virtual_server: &VirtualServer,
    live: u64,
    before: Option<bool>,
    waiting: bool,
) -> Option<bool> {
    let quorum = u64::from(virtual_server.quorum);
    let hysteresis = u64::from(virtual_server.hysteresis);
    match before {
        Some(true) => Some(live > 0 && live + hysteresis >= quorum),
        Some(false) => Some(live >= quorum + hysteresis),
        None if live >= quorum => Some(true),
        // The sorry servers do not come in for the second that the first checks take.
        None if waiting => None,
        None => Some(false),
    }
}

fn lost_words(virtual_server: &VirtualServer, condition: &Condition) -> String {
    match &condition.panic {
        Some(reason) => reason.clone(),
        None => format!(
            "quorum lost: live weight {} of {}",
            condition.live_weight, virtual_server.quorum
        ),
    }
}

fn place(
    virtual_server: &VirtualServer,
    judged: Judged<'_>,
    kept: Option<String>,
    sorry: Option<&Condition>,
    memory: &impl Memory,
) -> WantedServer {
    let mut destination = judged.server.destination;
    let mut weighing = judged.weighing;
    let inhibited =
        if judged.was == Placement::Out { Placement::Out } else { Placement::Inhibited };
    let healthy = judged.is_healthy();
    let (placement, why) = match judged.wish {
        Some(Wish::Out(why)) => (Placement::Out, why.into()),
        Some(Wish::Drain(why)) => (inhibited, why.into()),
        _ if let Some(why) = kept => (Placement::In, why.into()),
        _ if !healthy && virtual_server.on_failure == OnFailure::WeightZero => {
            (inhibited, judged.why)
        }
        _ if !healthy => (Placement::Out, judged.why),
        _ if let Some(condition) = sorry => {
            (Placement::Out, lost_words(virtual_server, condition).into())
        }
        wish => {
            let mut why = judged.why;
            if let Some(Wish::Weight(_, words)) = wish {
                why = format!("{why}; {words}").into();
            }
            weighing.slow_start = memory.slow_start(&destination.key);
            if let Some(SlowStart { step, .. }) = weighing.slow_start {
                why = format!("{why}; slow start, step {step} of {SLOW_START_STEPS}").into();
            }
            (Placement::In, why)
        }
    };
    weighing.inhibited = placement == Placement::Inhibited;
    destination.weight = weighing.weight();
    WantedServer {
        destination,
        weighing,
        sorry: false,
        verdict: Verdict { placement, state: judged.state, why },
    }
}
