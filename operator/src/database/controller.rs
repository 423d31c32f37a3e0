//! Which changes lead to a reconciliation, and how many run at once.
//!
//! A kind that the cluster does not know cannot be watched: the failing watch would hold up all others. So ServiceMonitors
//! are watched only where that kind exists. Whether it does is asked again and again, and when the answer changes the
//! watches start over, which reconciles every Database.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::future::select;
use futures::{FutureExt, StreamExt};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Secret, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{Api, DynamicObject};
use kube::core::NamespaceResourceScope;
use kube::runtime::controller::{Action, Config, Controller};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher;
use kube::{Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use super::build::service_monitor_resource;
use super::names::label;
use super::problem::brief;
use super::reconcile::{Context, Error, reconcile};
use crate::api::{Database, MANAGER};

/// How the controller runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The namespace to look after; none: all of them.
    pub namespace: Option<String>,
    /// Reconciliations that run at one time.
    pub concurrency: u16,
}

/// How often the cluster is asked whether it knows ServiceMonitors.
const DISCOVERY: Duration = Duration::from_secs(10);

/// Reconciles until `stop` resolves; reconciliations that run by then are finished.
pub async fn run(
    context: Arc<Context>,
    settings: Settings,
    stop: impl Future<Output = ()> + Clone + Unpin + Send + Sync + 'static,
) {
    discover(&context).await;
    let discovery = tokio::spawn({
        let context = context.clone();
        async move {
            loop {
                tokio::time::sleep(DISCOVERY).await;
                discover(&context).await;
            }
        }
    });
    loop {
        let mut kinds = context.service_monitors.subscribe();
        let changed = Box::pin(async move {
            // The sender is the context's own; it outlives this.
            let _ = kinds.changed().await;
        });
        let end = select(stop.clone(), changed).map(|_| ());
        watch(context.clone(), &settings, end).await;
        if stop.clone().now_or_never().is_some() {
            break;
        }
        tracing::info!(known = context.knows_service_monitors(), "the kind ServiceMonitor came or went");
    }
    discovery.abort();
}

/// Reconciles on changes of Databases and of what they own, until `end` resolves.
async fn watch(
    context: Arc<Context>,
    settings: &Settings,
    end: impl Future<Output = ()> + Send + Sync + 'static,
) {
    let client = &context.client;
    let ours = watcher::Config::default().labels(&format!("{}={MANAGER}", label::MANAGED_BY));
    let mut controller = Controller::new(all::<Database>(client, settings), watcher::Config::default())
        .owns(all::<Secret>(client, settings), ours.clone())
        .owns(all::<ConfigMap>(client, settings), ours.clone())
        .owns(all::<Service>(client, settings), ours.clone())
        .owns(all::<NetworkPolicy>(client, settings), ours.clone())
        .owns(all::<StatefulSet>(client, settings), ours.clone())
        // A pod is owned by its StatefulSet and a kept volume by nobody: their labels say whose they are.
        .watches(all::<Pod>(client, settings), ours.clone(), |pod| of_instance(&pod))
        .watches(all::<PersistentVolumeClaim>(client, settings), ours.clone(), |claim| of_instance(&claim));
    if context.knows_service_monitors() {
        let resource = service_monitor_resource();
        let monitors: Api<DynamicObject> = match &settings.namespace {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
            None => Api::all_with(client.clone(), &resource),
        };
        controller = controller.owns_with(monitors, resource, ours);
    }
    let config = Config::default().concurrency(settings.concurrency).debounce(Duration::from_millis(50));
    controller
        .with_config(config)
        .graceful_shutdown_on(end)
        .run(reconcile, on_error, context.clone())
        .for_each(|result| {
            if let Err(error) = result {
                // Failed reconciliations were told by `on_error`; the rest are watches, which start over by themselves.
                tracing::debug!(%error, "controller");
            }
            std::future::ready(())
        })
        .await;
}

/// Asks the cluster whether it knows ServiceMonitors. Without an answer, what was known stays known.
async fn discover(context: &Context) {
    let resource = service_monitor_resource();
    let known = match context.client.list_api_group_resources(&resource.api_version).await {
        Ok(list) => list.resources.iter().any(|found| found.kind == resource.kind),
        // Not a Status, but a bare 404: the group itself is not there.
        Err(kube::Error::Api(status)) if status.code == 404 => false,
        Err(error) => {
            tracing::debug!(
                error = brief(&error),
                "the cluster does not say whether it knows ServiceMonitors"
            );
            return;
        }
    };
    context.service_monitors.send_if_modified(|before| std::mem::replace(before, known) != known);
}

fn all<K>(client: &Client, settings: &Settings) -> Api<K>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned,
{
    match &settings.namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

fn of_instance(object: &impl ResourceExt) -> Option<ObjectRef<Database>> {
    let database = object.labels().get(label::INSTANCE)?;
    Some(ObjectRef::new(database).within(&object.namespace()?))
}

fn on_error(database: Arc<Database>, error: &Error, context: Arc<Context>) -> Action {
    let (namespace, name) = (database.namespace().unwrap_or_default(), database.name_any());
    let wait = context.backoff(namespace.clone(), name.clone());
    tracing::warn!(database = name, namespace, %error, again_in_ms = wait.as_millis(), "reconciliation failed");
    Action::requeue(wait)
}
