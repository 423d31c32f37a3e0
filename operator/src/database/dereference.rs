//! What is there: the objects of a Database as the API server has them now, read afresh for every reconciliation. A
//! reconciliation is rare, so reading costs less than keeping a copy of every Secret of the cluster in memory.

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Secret, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{Api, DynamicObject};
use kube::{Client, Result};
use rand::Rng;
use rand::distr::Alphanumeric;

use super::build::{PASSWORD_KEY, service_monitor_resource};
use super::names::Names;
use crate::api::{Quantity, StorageSpec};

/// The objects of a Database that exist.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs, reason = "the same fields as `Objects`, and the pod of the StatefulSet")]
pub struct Live {
    pub secret: Option<Secret>,
    pub config_map: Option<ConfigMap>,
    pub volume_claim: Option<PersistentVolumeClaim>,
    pub service: Option<Service>,
    pub headless_service: Option<Service>,
    pub network_policy: Option<NetworkPolicy>,
    pub stateful_set: Option<StatefulSet>,
    pub service_monitor: Option<DynamicObject>,
    pub pod: Option<Pod>,
}

/// Reads the objects called `names`.
pub async fn dereference(client: &Client, names: &Names, with_service_monitor: bool) -> Result<Live> {
    let namespace = names.namespace.as_str();
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let config_maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let volume_claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), namespace);
    let services: Api<Service> = Api::namespaced(client.clone(), namespace);
    let network_policies: Api<NetworkPolicy> = Api::namespaced(client.clone(), namespace);
    let stateful_sets: Api<StatefulSet> = Api::namespaced(client.clone(), namespace);
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let service_monitor = async {
        if !with_service_monitor {
            return Ok(None);
        }
        let resource = service_monitor_resource();
        let monitors: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
        monitors.get_opt(&names.service_monitor).await
    };
    let (
        secret,
        config_map,
        volume_claim,
        service,
        headless_service,
        network_policy,
        stateful_set,
        pod,
        service_monitor,
    ) = futures::try_join!(
        secrets.get_opt(&names.secret),
        config_maps.get_opt(&names.config_map),
        volume_claims.get_opt(&names.volume_claim),
        services.get_opt(&names.service),
        services.get_opt(&names.headless_service),
        network_policies.get_opt(&names.network_policy),
        stateful_sets.get_opt(&names.stateful_set),
        pods.get_opt(&names.pod),
        service_monitor,
    )?;
    Ok(Live {
        secret,
        config_map,
        volume_claim,
        service,
        headless_service,
        network_policy,
        stateful_set,
        service_monitor,
        pod,
    })
}

impl Live {
    /// The password in force. One that exists is never replaced, also not one that a person wrote into the Secret: that is
    /// how a password is changed. A newline at its end came from a shell, and the server does not count it. Without one, a
    /// new one.
    pub fn password(&self) -> String {
        let existing = self.secret.as_ref().and_then(|secret| secret.data.as_ref()?.get(PASSWORD_KEY));
        match existing
            .and_then(|bytes| String::from_utf8(bytes.0.clone()).ok())
            .map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
            .filter(|text| !text.is_empty())
        {
            Some(password) => password,
            None => new_password(),
        }
    }

    /// The size the volume is to have: what is asked for, but never less than an adopted volume has.
    pub fn volume_size(&self, storage: &StorageSpec) -> Quantity {
        let existing = self.volume_claim.as_ref().and_then(|claim| {
            let size = claim.spec.as_ref()?.resources.as_ref()?.requests.as_ref()?.get("storage")?;
            size.0.parse::<Quantity>().ok()
        });
        match existing {
            Some(existing) if existing.milli().ok() > storage.size.milli().ok() => existing,
            _ => storage.size.clone(),
        }
    }

    /// The storage class to ask for. That of an existing volume cannot change, so an adopted one keeps its own.
    pub fn storage_class_name<'a>(&'a self, storage: &'a StorageSpec) -> Option<&'a str> {
        match &self.volume_claim {
            Some(claim) => claim.spec.as_ref()?.storage_class_name.as_deref(),
            None => storage.storage_class_name.as_deref(),
        }
    }
}

/// 32 letters and digits: 190 bits, and nothing that a shell or a URI would read otherwise.
fn new_password() -> String {
    rand::rng().sample_iter(Alphanumeric).take(32).map(char::from).collect()
}
