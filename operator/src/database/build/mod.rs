//! From a spec to the objects that make it real. Pure: no client, no clock, no randomness, so that a test can hold
//! every field against a file.

mod config_map;
mod network_policy;
mod secret;
mod service_monitor;
mod services;
mod stateful_set;
mod volume_claim;

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Secret, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::api::DynamicObject;

pub use secret::{DATABASE, PASSWORD_KEY, USER};
pub use service_monitor::resource as service_monitor_resource;

use super::names::{Names, label};
use super::validate::ServerConfig;
use crate::api::{DatabaseSpec, MANAGER, Quantity};

/// The port of PostgreSQL's protocol.
pub const POSTGRESQL_PORT: i32 = 5432;
/// The port of probes, metrics and status.
pub const HTTP_PORT: i32 = 8080;
/// The name of the server's container.
pub const CONTAINER: &str = "dbserver";
/// The key of the configuration in the ConfigMap.
pub const CONFIG_KEY: &str = "dbserver.yaml";

const CONFIG_DIR: &str = "/etc/plimsoll/config";
const SECRET_DIR: &str = "/etc/plimsoll/secret";
const DATA_DIR: &str = "/var/lib/plimsoll";

/// All that decides what is built.
#[derive(Clone, Debug)]
pub struct Inputs<'a> {
    /// The names of the objects.
    pub names: &'a Names,
    /// The Database as an owner.
    pub owner: &'a OwnerReference,
    /// What is asked for.
    pub spec: &'a DatabaseSpec,
    /// The server's configuration, validated.
    pub config: &'a ServerConfig,
    /// The server's image.
    pub image: &'a str,
    /// The password: the one there is, or a new one.
    pub password: &'a str,
    /// The size of the volume: the one asked for, or a larger one there is.
    pub volume_size: &'a Quantity,
    /// The storage class of the volume: the one there is, or the one asked for.
    pub storage_class_name: Option<&'a str>,
    /// Whether the cluster knows ServiceMonitors.
    pub with_service_monitor: bool,
}

/// Everything a Database owns. Take it apart without `..`, so that an object that is forgotten does not compile.
#[derive(Clone, Debug)]
pub struct Objects {
    /// User, password and connection strings.
    pub secret: Secret,
    /// The server's configuration file.
    pub config_map: ConfigMap,
    /// The claim of the volume with the data.
    pub volume_claim: PersistentVolumeClaim,
    /// Where clients connect.
    pub service: Service,
    /// What gives the pod its stable name.
    pub headless_service: Service,
    /// Who may connect to what.
    pub network_policy: NetworkPolicy,
    /// The server.
    pub stateful_set: StatefulSet,
    /// What tells a Prometheus operator to scrape the server.
    pub service_monitor: Option<DynamicObject>,
}

/// Builds everything a Database owns.
pub fn build(inputs: &Inputs) -> Objects {
    Objects {
        secret: secret::build(inputs),
        config_map: config_map::build(inputs),
        volume_claim: volume_claim::build(inputs),
        service: services::client(inputs),
        headless_service: services::headless(inputs),
        network_policy: network_policy::build(inputs),
        stateful_set: stateful_set::build(inputs),
        service_monitor: inputs.with_service_monitor.then(|| service_monitor::build(inputs)),
    }
}

/// The labels that select the pod of a Database. They never change: a StatefulSet's selector cannot.
pub fn selector(names: &Names) -> BTreeMap<String, String> {
    BTreeMap::from([
        (label::NAME.to_owned(), "plimsoll".to_owned()),
        (label::INSTANCE.to_owned(), names.database.clone()),
        (label::COMPONENT.to_owned(), "database".to_owned()),
    ])
}

/// The labels of everything a Database owns.
fn labels(names: &Names) -> BTreeMap<String, String> {
    let mut labels = selector(names);
    labels.insert(label::MANAGED_BY.to_owned(), MANAGER.to_owned());
    labels
}

/// The metadata of an object that goes with its Database.
fn owned(inputs: &Inputs, name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(inputs.names.namespace.clone()),
        labels: Some(labels(inputs.names)),
        owner_references: Some(vec![inputs.owner.clone()]),
        ..ObjectMeta::default()
    }
}

#[cfg(test)]
mod tests;
