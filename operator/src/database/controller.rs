//! Which changes lead to a reconciliation, and how many run at once.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
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

/// Reconciles until `stop` resolves; reconciliations that run by then are finished.
pub async fn run(
    context: Arc<Context>,
    settings: Settings,
    stop: impl Future<Output = ()> + Send + Sync + 'static,
) -> kube::Result<()> {
    let client = &context.client;
    let ours = watcher::Config::default().labels(&format!("{}={MANAGER}", label::MANAGED_BY));
    let mut controller = Controller::new(all::<Database>(client, &settings), watcher::Config::default())
        .owns(all::<Secret>(client, &settings), ours.clone())
        .owns(all::<ConfigMap>(client, &settings), ours.clone())
        .owns(all::<Service>(client, &settings), ours.clone())
        .owns(all::<NetworkPolicy>(client, &settings), ours.clone())
        .owns(all::<StatefulSet>(client, &settings), ours.clone())
        // A pod is owned by its StatefulSet and a kept volume by nobody: their labels say whose they are.
        .watches(all::<Pod>(client, &settings), ours.clone(), |pod| of_instance(&pod))
        .watches(all::<PersistentVolumeClaim>(client, &settings), ours.clone(), |claim| of_instance(&claim));
    // Where the kind comes later, a deleted ServiceMonitor comes back only at the next look.
    if context.has_service_monitors().await? {
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
        .graceful_shutdown_on(stop)
        .run(reconcile, on_error, context.clone())
        .for_each(|result| {
            if let Err(error) = result {
                // Failed reconciliations were told by `on_error`; the rest are watches, which start over by themselves.
                tracing::debug!(%error, "controller");
            }
            std::future::ready(())
        })
        .await;
    Ok(())
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
