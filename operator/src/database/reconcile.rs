//! One reconciliation of one Database.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::FutureExt;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions};
use kube::runtime::controller::Action;
use kube::runtime::events::Recorder;
use kube::{Client, Resource, ResourceExt};
use rand::Rng;
use serde_json::json;
use tokio::sync::watch;

use super::apply::{Applied, apply};
use super::build::{Inputs, build};
use super::dereference::{Live, dereference};
use super::events;
use super::names::{Names, label};
use super::pod::PodState;
use super::problem::{Problem, brief};
use super::refresh::refresh;
use super::rollout::{Rollout, rollout};
use super::server::{ServerStatus, Servers};
use super::status::{Observed, status};
use super::validate::{ServerConfig, validate};
use crate::api::{ConditionType, Database, DatabaseStatus, MANAGER, is_true, transitions};
use crate::metrics::Metrics;

/// A Database in its steady state is looked at again after about this time, should a watch have missed something.
const STEADY: Duration = Duration::from_secs(300);
/// A configuration on its way is looked at this often, for so long; then as what is on its way otherwise.
const PENDING: Duration = Duration::from_millis(500);
const PENDING_FOR: Duration = Duration::from_secs(60);
/// A Database on its way is looked at this often, besides on every change of its objects.
const PROGRESSING: Duration = Duration::from_secs(5);

/// What a reconciliation works with.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// Where events go.
    pub recorder: Recorder,
    /// The databases' servers.
    pub servers: Arc<dyn Servers>,
    /// The image of a Database that names none.
    pub default_image: String,
    /// What the operator counts.
    pub metrics: Arc<Metrics>,
    /// Failures in a row, by namespace and name: how long to wait before the next try.
    failures: Mutex<HashMap<(String, String), u32>>,
    /// Whether the cluster knows ServiceMonitors, as was last seen.
    pub(super) service_monitors: watch::Sender<bool>,
}

/// Why a reconciliation is to be tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server did not do as asked.
    #[error("{}", brief(.0))]
    Api(#[from] kube::Error),
    /// A part of the Database could not be applied; its status says which.
    #[error("{0}")]
    Problem(String),
    /// A Database without a namespace or uid did not come from an API server.
    #[error("the Database has no {0}")]
    Incomplete(&'static str),
}

impl Error {
    /// A word for the metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Api(kube::Error::Api(status)) if status.is_conflict() => "conflict",
            Self::Api(kube::Error::Api(status)) if status.is_forbidden() => "forbidden",
            Self::Api(_) => "api",
            Self::Problem(_) => "problem",
            Self::Incomplete(_) => "incomplete",
        }
    }
}

impl Context {
    /// A context without a past.
    pub fn new(
        client: Client,
        recorder: Recorder,
        servers: Arc<dyn Servers>,
        default_image: String,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            client,
            recorder,
            servers,
            default_image,
            metrics,
            failures: Mutex::default(),
            service_monitors: watch::Sender::new(false),
        }
    }

    /// Whether the cluster knows ServiceMonitors.
    pub fn knows_service_monitors(&self) -> bool {
        *self.service_monitors.borrow()
    }

    /// The wait before the next try of a Database that failed again: 1, 2, 4 … 64 s, each up to a quarter shorter, so that
    /// many that failed together do not come back together.
    pub fn backoff(&self, namespace: String, name: String) -> Duration {
        const FORGET_AT: usize = 10_000;
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() > FORGET_AT {
            failures.clear();
        }
        let count = failures.entry((namespace, name)).or_insert(0);
        let wait = Duration::from_secs(1 << (*count).min(6));
        *count = count.saturating_add(1);
        wait.mul_f64(rand::rng().random_range(0.75..=1.0))
    }

    fn succeeded(&self, names: &Names) {
        let key = (names.namespace.clone(), names.database.clone());
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
    }
}

/// Makes the cluster what the Database asks for, as far as that can be done now, and says in its status how far that is.
pub async fn reconcile(database: Arc<Database>, context: Arc<Context>) -> Result<Action, Error> {
    let started = Instant::now();
    // Boxed, here and below: objects of Kubernetes are large, and so are the futures that hold them.
    let result = reconcile_once(&database, &context).boxed().await;
    context.metrics.reconciled(started.elapsed(), result.as_ref().err().map(Error::reason));
    result
}

async fn reconcile_once(database: &Database, context: &Context) -> Result<Action, Error> {
    let namespace = database.namespace().ok_or(Error::Incomplete("namespace"))?;
    let names = Names::of(&namespace, &database.name_any());
    let databases: Api<Database> = Api::namespaced(context.client.clone(), &namespace);
    // The watch may be behind what we wrote ourselves a moment ago; a stale status would tell its events twice.
    let Some(database) = databases.get_opt(&names.database).await? else { return Ok(Action::await_change()) };
    if database.metadata.deletion_timestamp.is_some() {
        // What it owns goes with it (or, with `Retain`, has no owner); nothing is left to do here.
        return Ok(Action::await_change());
    }

    let with_service_monitor = context.knows_service_monitors();
    let live = dereference(&context.client, &names, with_service_monitor).boxed().await?;
    let config = validate(&database.spec);
    let applied = match &config {
        Ok(config) => applied(context, &database, &names, config, live, with_service_monitor).boxed().await?,
        Err(problems) => {
            Applied { live, secret_changed: false, problems: vec![Problem::invalid_spec(problems)] }
        }
    };
    let Applied { live, secret_changed, problems } = applied;

    let step = rollout(live.stateful_set.as_ref(), live.pod.as_ref());
    let pod_is_ours = live.pod.as_ref().is_some_and(|pod| is_of(pod, &names));
    let pod = live.pod.as_ref().filter(|_| pod_is_ours);
    if let (Rollout::Replace, Some(pod)) = (step, pod) {
        replace(context, &names, pod).await?;
    }
    let pod_state = PodState::of(pod);
    let server = match pod.filter(|_| step != Rollout::Replace).and_then(address) {
        Some(address) => Some(context.servers.status(address).await),
        None => None,
    };
    let revision = config.as_ref().ok().map(|config| config.revision.as_str());
    if let (Some(pod), Some(revision)) = (pod, revision)
        && step == Rollout::Current
    {
        hasten(context, &names, pod, revision, secret_changed, server.as_ref()).await?;
    }

    let now = Time(Timestamp::from_second(Timestamp::now().as_second()).unwrap_or(Timestamp::UNIX_EPOCH));
    let status = status(&Observed {
        database: &database,
        names: &names,
        revision,
        problems: &problems,
        volume_claim: live.volume_claim.as_ref(),
        rollout: step,
        pod: &pod_state,
        server: server.as_ref(),
        now: &now,
    });
    write_status(context, &databases, &database, &status).await?;

    if let Some(problem) = problems.iter().find(|problem| problem.retry) {
        return Err(Error::Problem(problem.message.clone()));
    }
    context.succeeded(&names);
    Ok(next_look(&status, &pod_state, &now))
}

async fn applied(
    context: &Context,
    database: &Database,
    names: &Names,
    config: &ServerConfig,
    live: Live,
    with_service_monitor: bool,
) -> Result<Applied, Error> {
    let owner = database.controller_owner_ref(&()).ok_or(Error::Incomplete("uid"))?;
    let password = live.password();
    let volume_size = live.volume_size(&database.spec.storage);
    let storage_class_name = live.storage_class_name(&database.spec.storage).map(ToOwned::to_owned);
    let objects = build(&Inputs {
        names,
        owner: &owner,
        spec: &database.spec,
        config,
        image: database.spec.image.as_deref().unwrap_or(&context.default_image),
        password: &password,
        volume_size: &volume_size,
        storage_class_name: storage_class_name.as_deref(),
        with_service_monitor,
    });
    Ok(apply(&context.client, &context.metrics, names, &owner, objects, live).await)
}

/// A pod of this name that our StatefulSet made.
fn is_of(pod: &Pod, names: &Names) -> bool {
    pod.owner_references().iter().any(|owner| owner.kind == "StatefulSet" && owner.name == names.stateful_set)
}

fn address(pod: &Pod) -> Option<IpAddr> {
    let running = pod.metadata.deletion_timestamp.is_none();
    pod.status.as_ref()?.pod_ip.as_ref()?.parse().ok().filter(|_| running)
}

/// Deletes a pod of an older template, and no other: the one that has its uid.
async fn replace(context: &Context, names: &Names, pod: &Pod) -> Result<(), Error> {
    let pods: Api<Pod> = Api::namespaced(context.client.clone(), &names.namespace);
    let preconditions = Preconditions { uid: pod.uid(), resource_version: None };
    let parameters = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
    tracing::info!(pod = names.pod, namespace = names.namespace, "replacing the pod of an older template");
    match pods.delete(&names.pod, &parameters).await {
        Ok(_) => Ok(()),
        // Someone was faster.
        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Has the pod's node renew the mounted files, if the server does not have what it is to have.
async fn hasten(
    context: &Context,
    names: &Names,
    pod: &Pod,
    revision: &str,
    secret_changed: bool,
    server: Option<&Result<ServerStatus, String>>,
) -> Result<(), Error> {
    let has_it = match server {
        // It read its files when it started or will do so.
        None | Some(Err(_)) => true,
        Some(Ok(server)) => server.configuration.revision == revision,
    };
    if has_it && !secret_changed {
        return Ok(());
    }
    let Some(asked) = refresh(pod, revision, secret_changed, Timestamp::now().as_second()) else {
        return Ok(());
    };
    let pods: Api<Pod> = Api::namespaced(context.client.clone(), &names.namespace);
    let patch = json!({"metadata": {"uid": pod.uid(), "annotations": {label::REFRESH: asked}}});
    match pods.patch(&names.pod, &PatchParams::default(), &Patch::Merge(&patch)).await {
        Ok(_) => Ok(()),
        // Another pod by now; it reads the new files when it starts.
        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(()),
        Err(error) => Err(error.into()),
    }
}

async fn write_status(
    context: &Context,
    databases: &Api<Database>,
    database: &Database,
    status: &DatabaseStatus,
) -> Result<(), Error> {
    if database.status.as_ref() == Some(status) {
        return Ok(());
    }
    let name = database.name_any();
    let document = json!({
        "apiVersion": Database::api_version(&()),
        "kind": Database::kind(&()),
        "metadata": {"name": name},
        "status": status,
    });
    match databases.patch_status(&name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(&document)).await
    {
        Ok(_) => {}
        Err(kube::Error::Api(error)) if error.is_not_found() => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    let before = database.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let transitions = transitions(before, &status.conditions);
    for transition in &transitions {
        let condition = &transition.condition;
        tracing::info!(
            database = name,
            namespace = database.namespace(),
            generation = condition.observed_generation,
            condition = condition.type_,
            status = condition.status,
            reason = condition.reason,
            message = condition.message,
            "condition changed"
        );
    }
    events::publish(&context.recorder, &database.object_ref(&()), &transitions).await;
    Ok(())
}

/// When to look again if nothing changes before.
fn next_look(status: &DatabaseStatus, pod: &PodState, now: &Time) -> Action {
    let holds = |kind| is_true(&status.conditions, kind);
    let pending = *pod == PodState::Ready
        && !holds(ConditionType::ConfigurationInForce)
        && !holds(ConditionType::Degraded);
    let since = status
        .conditions
        .iter()
        .find(|condition| condition.type_ == ConditionType::ConfigurationInForce.as_str())
        .map_or(0, |condition| now.0.as_second() - condition.last_transition_time.0.as_second());
    let wait = if pending && since.unsigned_abs() < PENDING_FOR.as_secs() {
        PENDING
    } else if holds(ConditionType::Progressing) {
        PROGRESSING
    } else {
        STEADY.mul_f64(rand::rng().random_range(0.8..=1.0))
    };
    Action::requeue(wait)
}
