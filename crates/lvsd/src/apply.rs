//! `POST /v1/plan`, `/v1/apply`, `/v1/confirm` and `/v1/rollback`: the API's side of new
//! definitions.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use api::{ApplyAnswer, Plan, PlannedInstance, TrialAnswer};
use config::Config;
use engine::Preview;
use tokio::sync::oneshot;

use crate::clock::until;
use crate::definitions::{Applied, Apply, Request, TrialEnd};
use crate::kept::Loaded;
use crate::report::Reporter;

const STOPPING: &str = "lvsd is stopping";

impl Reporter {
    /// What the definitions would change.
    pub(crate) async fn plan(&self, config: Config) -> anyhow::Result<Plan> {
        let (plan, preview) = oneshot::channel();
        let (answer, instances) = oneshot::channel();
        self.request(Request::Plan(Box::new(config), plan, answer)).await?;
        let instances = instances.await.context(STOPPING)?;
        let preview = preview.await.context(STOPPING)?;
        Ok(document(&preview.map_err(anyhow::Error::msg)?, instances))
    }

    /// Puts definitions in force.
    pub(crate) async fn apply(
        &self,
        config: Loaded,
        file: PathBuf,
        by: String,
        confirm: Option<Duration>,
    ) -> anyhow::Result<ApplyAnswer> {
        let (plan, preview) = oneshot::channel();
        let (answer, applied) = oneshot::channel();
        let name = file.display().to_string();
        let apply = Box::new(Apply { config, file, by, confirm, plan });
        self.request(Request::Apply(apply, answer)).await?;
        let Applied { instances, until: trial, notes } = applied.await.context(STOPPING)?;
        let (plan, plan_error) = match preview.await.context(STOPPING)? {
            Ok(preview) => (Some(document(&preview, instances)), None),
            Err(error) => (None, Some(error)),
        };
        Ok(ApplyAnswer { file: name, plan, plan_error, trial: trial.map(until), notes })
    }

    /// Ends a trial, one way or the other.
    pub(crate) async fn end_trial(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<TrialEnd, String>>) -> Request,
    ) -> anyhow::Result<TrialAnswer> {
        let (answer, end) = oneshot::channel();
        self.request(request(answer)).await?;
        let end = end.await.context(STOPPING)?.map_err(anyhow::Error::msg)?;
        Ok(TrialAnswer { file: end.file.display().to_string(), notes: end.notes })
    }

    async fn request(&self, request: Request) -> anyhow::Result<()> {
        self.requests.send(request).await.ok().context(STOPPING)
    }
}

fn document(preview: &Preview, vrrp_instances: Vec<PlannedInstance>) -> Plan {
    Plan { vrrp_instances, ..Plan::from(preview) }
}
