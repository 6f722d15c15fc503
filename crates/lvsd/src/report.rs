//! The documents of the control socket, gathered from the parts of the daemon.

mod instances;

use std::path::PathBuf;
use std::process;
use std::time::{Duration, Instant};

use anyhow::Context;
use api::{
    CheckTrouble, ChecksStatus, DaemonStatus, DefinitionsStatus, Explanation, FailingOperation,
    GuardStatus, OverrideAction, OverrideAnswer, OverrideRequest, RealServerStatus, ReloadStatus,
    RollbackStatus, Status, UnmanagedDestination, UnmanagedService, UpgradeAnswer,
    VirtualServerStatus,
};
use checkers::{Statistics, Trouble, TroubleKind};
use engine::{Action, Answer, Override, Placement, ServerName, ServerView, ServiceView};
use ipvs::{TableService, Weight};
use tokio::sync::{mpsc, oneshot, watch};
use vrrp::shell::{Heard, StatusReader};

use crate::accept::TroubleReader;
use crate::clock::{since, until};
use crate::definitions::{Request, Shown};
use crate::director::{Director, Message, Sight};
use crate::explain::{explain, virtual_address};
use crate::{upgrade, worker};
use lvsd_guard::link::{Begin, FromWorker};

/// Answers the operator's questions.
#[derive(Debug)]
pub(crate) struct Reporter {
    pub(crate) director: Director,
    /// To the main task, which holds the definitions.
    pub(crate) requests: mpsc::Sender<Request>,
    pub(crate) vrrp: StatusReader,
    pub(crate) router_id: String,
    pub(crate) config_file: PathBuf,
    pub(crate) started: Instant,
    pub(crate) shown: watch::Receiver<Shown>,
    pub(crate) guard: worker::Guard,
    pub(crate) begin: Begin,
    pub(crate) accept: TroubleReader,
}

impl Reporter {
    async fn ask<T>(
        &self,
        question: impl FnOnce(oneshot::Sender<T>) -> Message,
    ) -> anyhow::Result<T> {
        let (sender, receiver) = oneshot::channel();
        self.director.send(question(sender)).ok().context("lvsd is stopping")?;
        receiver.await.context("lvsd is stopping")
    }

    /// `GET /v1/status`.
    pub(crate) async fn status(&self) -> anyhow::Result<Status> {
        let Sight { view, ipvs_error, statistics, troubles } = self.ask(Message::View).await?;
        let Shown { origin, until: trial, rollback, own_file, last_reload } =
            self.shown.borrow().clone();
        let vrrp = self.vrrp.read().await;
        let open = self.accept.borrow().clone();
        Ok(Status {
            router_id: self.router_id.clone(),
            daemon: DaemonStatus {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                pid: process::id(),
                started: since(self.started),
                config_file: self.config_file.display().to_string(),
                last_reload: last_reload
                    .map(|reload| ReloadStatus { when: since(reload.at), error: reload.error }),
                definitions: DefinitionsStatus {
                    file: origin.file.display().to_string(),
                    by: origin.by,
                    when: since(origin.since),
                    trial: trial.map(until),
                },
                rolled_back: rollback.map(|rollback| RollbackStatus {
                    file: rollback.file.display().to_string(),
                    when: since(rollback.at),
                    why: rollback.why,
                    own_file,
                }),
                guard: GuardStatus {
                    pid: self.begin.guard,
                    restarts: self.begin.restarts,
                    last_end: self.begin.last_end.clone(),
                },
            },
            ipvs_error,
            virtual_servers: view.services.into_iter().map(virtual_server).collect(),
            unmanaged: view.unmanaged.iter().map(unmanaged).collect(),
            failing: view
                .failing
                .into_iter()
                .map(|(operation, error)| FailingOperation { operation, error })
                .collect(),
            vrrp_groups: vrrp.groups.iter().map(|group| instances::group(group, &vrrp)).collect(),
            vrrp_instances: vrrp
                .instances
                .iter()
                .map(|one| instances::instance(one, open.as_ref()))
                .collect(),
            checks: checks(statistics, troubles),
        })
    }

    /// `POST /v1/upgrade`: tries the program that is to take this one's place, and tells the guard.
    pub(crate) async fn upgrade(&self) -> anyhow::Result<UpgradeAnswer> {
        let program = &self.begin.program;
        let to = upgrade::try_program(program, &self.config_file).await?;
        let from = env!("CARGO_PKG_VERSION").to_owned();
        tracing::info!("upgrade: lvsd {from} gives its place to lvsd {to}, {}", program.display());
        if self.guard.tell(&FromWorker::Upgrade) != Heard::Yes {
            anyhow::bail!("the guard does not hear; try again");
        }
        Ok(UpgradeAnswer { program: program.display().to_string(), from, to, pid: process::id() })
    }

    /// `GET /v1/explain`.
    pub(crate) async fn explain(&self, name: &str) -> anyhow::Result<Explanation> {
        let (sight, monitors) = self.ask(Message::Checks).await?;
        Ok(explain(name, sight.view, &monitors))
    }

    /// `POST /v1/override`, by the user of that name.
    pub(crate) async fn override_server(
        &self,
        request: OverrideRequest,
        by: String,
    ) -> anyhow::Result<OverrideAnswer> {
        let name: ServerName = request.server.parse()?;
        let server = ServerName { virtual_server: request.virtual_server, ..name };
        let since = Instant::now();
        let after = |seconds: Option<u64>| {
            seconds.and_then(|seconds| since.checked_add(Duration::from_secs(seconds)))
        };
        let action = match request.action {
            OverrideAction::Enable => {
                let done = self.ask(|answer| Message::Clear(server, answer)).await?;
                return done.map(override_answer).map_err(anyhow::Error::msg);
            }
            OverrideAction::Disable => Action::Disable,
            OverrideAction::Drain { deadline_seconds } => {
                Action::Drain { deadline: after(deadline_seconds) }
            }
            OverrideAction::Weight(weight) => Action::Weight(
                Weight::new(weight)
                    .with_context(|| format!("weight {weight} is above 2147483647"))?,
            ),
        };
        let until = after(request.for_seconds);
        let wish = Override { server, action, by, reason: request.reason, since, until };
        let done = self.ask(|answer| Message::Override(wish, answer)).await?;
        done.map(override_answer).map_err(anyhow::Error::msg)
    }
}

fn override_answer(answer: Answer) -> OverrideAnswer {
    let Answer { servers, held, notes } = answer;
    OverrideAnswer { servers, held, notes }
}

fn checks(statistics: Statistics, troubles: Vec<Trouble>) -> ChecksStatus {
    let Statistics { monitors, running, waiting, lateness } = statistics;
    let troubles: Vec<CheckTrouble> = troubles.into_iter().map(trouble).collect();
    let count =
        |cannot_run| troubles.iter().filter(|one| one.cannot_run == cannot_run).count() as u64;
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    ChecksStatus {
        count: monitors as u64,
        running: running as u64,
        waiting: waiting as u64,
        starts: lateness.starts,
        late_median_microseconds: micros(lateness.median),
        late_p99_microseconds: micros(lateness.p99),
        late_longest_microseconds: micros(lateness.longest),
        cannot_run: count(true),
        warnings: count(false),
        troubles,
    }
}

fn trouble(trouble: Trouble) -> CheckTrouble {
    let monitor = &trouble.monitor;
    CheckTrouble {
        check: monitor.check.kind.name().to_owned(),
        server: monitor.target.to_string(),
        via: virtual_address(monitor),
        cannot_run: trouble.kind == TroubleKind::CannotRun,
        since: since(trouble.since),
        text: trouble.text,
    }
}

fn virtual_server(service: ServiceView) -> VirtualServerStatus {
    VirtualServerStatus {
        name: service.name,
        service: service.key.to_string(),
        scheduler: service.scheduler,
        in_kernel: service.kernel.is_some(),
        quorum: service.quorum,
        quorum_reached: service.condition.quorum,
        live_weight: service.condition.live_weight,
        panic: service.condition.panic,
        real_servers: service.servers.into_iter().map(real_server).collect(),
    }
}

pub(crate) fn real_server(server: ServerView) -> RealServerStatus {
    let kernel = server.kernel.as_ref();
    RealServerStatus {
        address: server.destination.key.to_string(),
        forward: server.destination.forward.to_string(),
        sorry: server.sorry,
        state: server.state.state.into(),
        in_service: server.state.placement == Placement::In,
        since: server.since.map(since),
        why: server.why,
        wanted_weight: server.destination.weight.get(),
        kernel_weight: kernel.map(|k| k.destination.weight.get()),
        active_connections: kernel.map_or(0, |k| k.active_connections),
        inactive_connections: kernel.map_or(0, |k| k.inactive_connections),
    }
}

fn unmanaged(service: &TableService) -> UnmanagedService {
    UnmanagedService {
        service: service.entry.service.key.to_string(),
        scheduler: service.entry.service.scheduler.to_string(),
        destinations: service
            .destinations
            .iter()
            .map(|d| UnmanagedDestination {
                address: d.destination.key.to_string(),
                forward: d.destination.forward.to_string(),
                weight: d.destination.weight.get(),
            })
            .collect(),
    }
}
