//! What the operator says of a `Database`.

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Quantity;

/// The observed state of a Database.
#[derive(JsonSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseStatus {
    /// The state in one word, for a person. Programs read the conditions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,

    /// The conditions `Ready`, `Progressing`, `Degraded` and `ConfigurationInForce`. The `observedGeneration` of each is
    /// the generation of the spec that it speaks of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,

    /// The newest generation of the spec that the operator has seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// The host and port where clients connect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,

    /// The Secret with user, password and connection strings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_name: Option<String>,

    /// The same Secret under the name that the Service Binding specification asks of a provisioned service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<Binding>,

    /// The size that the volume claim asks for: less than `spec.storage.size` where the storage class refused to grow it,
    /// more where the Database took over a larger volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_size: Option<Quantity>,

    /// The version of the running server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,

    /// The configuration in force, as the running server reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration: Option<ConfigurationInForce>,
}

/// A reference to the Secret of a provisioned service.
#[derive(JsonSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
pub struct Binding {
    /// The name of the Secret.
    pub name: String,
}

/// The configuration in force, as the running server reports it, with the names of the spec.
#[derive(JsonSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ConfigurationInForce {
    /// The name of this version of the configuration.
    #[serde(default)]
    pub revision: String,

    /// What one statement may use.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "any_fields")]
    pub limits: BTreeMap<String, Value>,

    /// Connections and admission.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "any_fields")]
    pub pool: BTreeMap<String, Value>,

    /// The server's logs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "any_fields")]
    pub logging: BTreeMap<String, Value>,
}

/// An object whose fields are the server's: a newer server may report more of them than this CRD knows.
fn any_fields(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

/// The state of a Database in one word.
#[derive(JsonSchema, Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[allow(missing_docs, reason = "the CRD shows them as one list, explained in the manual")]
pub enum Phase {
    Creating,
    Ready,
    Updating,
    Recovering,
    Failed,
    Deleting,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}
