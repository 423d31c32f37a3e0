//! Makes the objects in the cluster what was built: server-side apply under one field manager, and only where something
//! differs, so that a steady state writes nothing.
//!
//! An object differs when
//! - it is not there,
//! - a field we set has another value (someone edited it),
//! - someone put a field beside ours (see [`foreign`](super::foreign)), or
//! - it was last applied from another content: the hash in its annotation differs. That finds the fields which we no
//!   longer set; server-side apply then removes them.

use std::fmt::Debug;

use futures::FutureExt;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{Api, ObjectMeta, Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use kube::{Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::build::{Objects, service_monitor_resource};
use super::dereference::Live;
use super::foreign::without_foreign;
use super::hash::short_hash;
use super::names::{Names, label};
use super::problem::Problem;
use crate::api::{MANAGER, Quantity};
use crate::metrics::Metrics;

/// What became of the objects.
#[derive(Debug, Default)]
pub struct Applied {
    /// The objects as they are now, the changed ones replaced.
    pub live: Live,
    /// Whether the Secret was written: the pod's mounted files are older.
    pub secret_changed: bool,
    /// What could not be applied.
    pub problems: Vec<Problem>,
}

/// Applies `objects` over what is `live`. One that fails does not keep the others from being applied.
pub async fn apply(
    client: &Client,
    metrics: &Metrics,
    names: &Names,
    owner: &OwnerReference,
    objects: Objects,
    live: Live,
) -> Applied {
    let Objects {
        secret,
        config_map,
        volume_claim,
        service,
        headless_service,
        network_policy,
        stateful_set,
        service_monitor,
    } = objects;
    let mut apply = Apply { client, metrics, names, owner, problems: Vec::new() };
    let (secret, secret_changed) = apply.typed(&secret, live.secret).await;
    // The StatefulSet last: what its pod mounts is there before the pod is.
    let (config_map, _) = apply.typed(&config_map, live.config_map).await;
    let (volume_claim, _) = apply.typed(&volume_claim, live.volume_claim).await;
    let (service, _) = apply.typed(&service, live.service).await;
    let (headless_service, _) = apply.typed(&headless_service, live.headless_service).await;
    let (network_policy, _) = apply.typed(&network_policy, live.network_policy).await;
    // A pod that mounts what belongs to someone else would run with a stranger's configuration or data.
    let stateful_set = if apply.problems.iter().any(Problem::is_of_ownership) {
        live.stateful_set
    } else {
        apply.typed(&stateful_set, live.stateful_set).await.0
    };
    let service_monitor = match service_monitor {
        Some(monitor) => {
            let resource = service_monitor_resource();
            let api = Api::namespaced_with(client.clone(), &names.namespace, &resource);
            apply.one(&api, "ServiceMonitor", &monitor, live.service_monitor).await.0
        }
        None => None,
    };
    let pod = live.pod;
    Applied {
        live: Live {
            secret,
            config_map,
            volume_claim,
            service,
            headless_service,
            network_policy,
            stateful_set,
            service_monitor,
            pod,
        },
        secret_changed,
        problems: apply.problems,
    }
}

/// HTTP's 422: the object as it would be is invalid.
const UNPROCESSABLE: u16 = 422;

struct Apply<'a> {
    client: &'a Client,
    metrics: &'a Metrics,
    names: &'a Names,
    owner: &'a OwnerReference,
    problems: Vec<Problem>,
}

impl Apply<'_> {
    async fn typed<K>(&mut self, desired: &K, live: Option<K>) -> (Option<K>, bool)
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + Debug
            + Serialize
            + DeserializeOwned
            + Send
            + Sync,
    {
        let api = Api::namespaced(self.client.clone(), &self.names.namespace);
        self.one(&api, &K::kind(&()), desired, live).boxed().await
    }

    /// Returns the object as it is now, and whether it was written.
    async fn one<K>(&mut self, api: &Api<K>, kind: &str, desired: &K, live: Option<K>) -> (Option<K>, bool)
    where
        K: Resource + Clone + Debug + Serialize + DeserializeOwned + Send + Sync,
    {
        let name = desired.meta().name.clone().unwrap_or_default();
        if let Some(live) = &live
            && let Err(problem) = self.is_ours(kind, &name, live.meta())
        {
            self.problems.push(problem);
            return (Some(live.clone()), false);
        }
        let desired = match document(kind, desired) {
            Ok(desired) => desired,
            Err(error) => {
                self.problems.push(Problem::not_applied(kind, &name, &error));
                return (live, false);
            }
        };
        if live.as_ref().is_some_and(|live| is_current(&desired, live)) {
            return (live, false);
        }
        let outcome = if live.is_some() { "changed" } else { "created" };
        match self.write(api, &name, &desired, live.is_some()).await {
            Ok(now) => {
                tracing::info!(kind, name, namespace = self.names.namespace, outcome, "applied");
                self.metrics.applied(kind, outcome);
                (Some(now), true)
            }
            Err(error) => {
                self.metrics.applied(kind, "failed");
                self.problems.push(Problem::refused(kind, &name, &error));
                (live, false)
            }
        }
    }

    /// Server-side apply; where that keeps what others put beside ours, or refuses it (a Service's port of the same name),
    /// a merge patch puts ours in its place.
    async fn write<K>(&self, api: &Api<K>, name: &str, desired: &Value, exists: bool) -> kube::Result<K>
    where
        K: Resource + Clone + Debug + Serialize + DeserializeOwned,
    {
        let parameters = PatchParams::apply(MANAGER);
        let applied = api.patch(name, &parameters.clone().force(), &Patch::Apply(desired)).await;
        let ours = match &applied {
            Ok(now) => foreign(desired, now).or_else(|| (!is_current(desired, now)).then(|| desired.clone())),
            Err(kube::Error::Api(status)) if status.code == UNPROCESSABLE => Some(desired.clone()),
            Err(_) => None,
        };
        let Some(ours) = ours.filter(|_| exists) else { return applied };
        match api.patch(name, &parameters, &Patch::Merge(&ours)).await {
            Ok(now) => Ok(now),
            // The first answer says what is wrong with the object as a whole.
            Err(error) => applied.or(Err(error)),
        }
    }

    /// An object of this name that belongs to someone else is left alone.
    fn is_ours(&self, kind: &str, name: &str, meta: &ObjectMeta) -> Result<(), Problem> {
        let owners = meta.owner_references.as_deref().unwrap_or_default();
        let controller = owners.iter().find(|owner| owner.controller == Some(true));
        if let Some(controller) = controller {
            return if controller.uid == self.owner.uid {
                Ok(())
            } else if controller.kind == self.owner.kind && controller.name == self.owner.name {
                // Deleted and created again under the same name; what the old one owned is being collected.
                Err(Problem::of_predecessor(kind, name))
            } else {
                Err(Problem::name_taken(kind, name, &format!("{} {}", controller.kind, controller.name)))
            };
        }
        let labels = meta.labels.as_ref();
        let is = |key: &str, value: &str| labels.and_then(|l| l.get(key)).is_some_and(|found| found == value);
        if is(label::MANAGED_BY, MANAGER) && is(label::INSTANCE, &self.names.database) {
            Ok(())
        } else {
            Err(Problem::name_taken(kind, name, "someone else"))
        }
    }
}

/// The object as it is sent: with its hash, so that a later look can tell whether it is the same.
fn document<K: Serialize>(kind: &str, desired: &K) -> Result<Value, String> {
    let mut document = serde_json::to_value(desired).map_err(|error| error.to_string())?;
    let hash = short_hash(&hashed(document.clone()).to_string());
    let metadata = document.get_mut("metadata").and_then(Value::as_object_mut).ok_or("no metadata")?;
    let annotations = metadata.entry("annotations").or_insert_with(|| Value::Object(serde_json::Map::new()));
    let annotations =
        annotations.as_object_mut().ok_or_else(|| format!("{kind}: annotations are no object"))?;
    annotations.insert(label::APPLIED.to_owned(), Value::String(hash));
    Ok(document)
}

/// What the hash is made of: all but the storage class of a claim. That cannot change, and is the cluster's to say where
/// the spec does not; a claim that got its class must not look changed.
fn hashed(mut document: Value) -> Value {
    if let Some(spec) = document.get_mut("spec").and_then(Value::as_object_mut) {
        spec.remove("storageClassName");
    }
    document
}

fn is_current<K: Resource + Serialize>(desired: &Value, live: &K) -> bool {
    foreign(desired, live).is_none()
        && serde_json::to_value(live).is_ok_and(|live| covers(&live, desired, ""))
}

/// What takes out of the object what others put into it. A volume claim is others' too: its volume, and what a driver says.
fn foreign<K: Resource>(desired: &Value, live: &K) -> Option<Value> {
    let is_claim = desired.get("kind").is_some_and(|kind| kind == "PersistentVolumeClaim");
    if is_claim { None } else { without_foreign(desired, live.meta()) }
}

/// Whether `live` has everything that `desired` sets. What the API server or others added does not count.
fn covers(live: &Value, desired: &Value, key: &str) -> bool {
    match (desired, live) {
        (Value::Object(desired), Value::Object(live)) => desired
            .iter()
            .all(|(key, value)| live.get(key).map_or(is_empty(value), |l| covers(l, value, key))),
        // Others may own the object too.
        (Value::Array(desired), Value::Array(live)) if key == "ownerReferences" => {
            desired.iter().all(|owner| live.iter().any(|l| covers(l, owner, "")))
        }
        (Value::Array(desired), Value::Array(live)) => {
            desired.len() == live.len() && live.iter().zip(desired).all(|(l, d)| covers(l, d, ""))
        }
        // The API server writes amounts in a form of its own: 1024Mi becomes 1Gi.
        (Value::String(desired), Value::String(live)) if matches!(key, "cpu" | "memory" | "storage") => {
            let amount =
                |text: &str| text.parse::<Quantity>().ok().and_then(|quantity| quantity.milli().ok());
            desired == live
                || amount(desired).is_some_and(|amount_desired| Some(amount_desired) == amount(live))
        }
        (desired, live) => desired == live,
    }
}

/// Values that the API server does not keep.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_others_added_does_not_count() {
        let desired = json!({"a": 1, "list": [{"name": "x"}], "none": {}});
        assert!(covers(&json!({"a": 1, "b": 2, "list": [{"name": "x", "default": true}]}), &desired, ""));
        assert!(!covers(&json!({"a": 2, "list": [{"name": "x"}]}), &desired, ""));
        assert!(!covers(&json!({"a": 1, "list": []}), &desired, ""));
        assert!(!covers(&json!({"a": 1, "list": [{"name": "x"}, {"name": "y"}]}), &desired, ""));
        assert!(!covers(&json!({"list": [{"name": "x"}]}), &desired, ""));
    }

    #[test]
    fn amounts_are_compared_by_value() {
        let amounts = |memory: &str| json!({"limits": {"memory": memory, "cpu": "1"}});
        assert!(covers(&amounts("1Gi"), &amounts("1024Mi"), ""));
        assert!(!covers(&amounts("1Gi"), &amounts("1025Mi"), ""));
        // Elsewhere a text is a text.
        assert!(!covers(&json!({"env": "1Gi"}), &json!({"env": "1024Mi"}), ""));
    }

    #[test]
    fn owners_may_be_joined_by_others() {
        let owner = |uid: &str| json!({"uid": uid, "controller": true});
        let desired = json!({"ownerReferences": [owner("a")]});
        assert!(covers(&json!({"ownerReferences": [owner("b"), owner("a")]}), &desired, ""));
        assert!(!covers(&json!({"ownerReferences": [owner("b")]}), &desired, ""));
    }
}
