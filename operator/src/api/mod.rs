//! The custom resources: their types, the rules the API server checks for us, and their conditions.
//!
//! The CRD is the first line of validation. Whatever can be said as a pattern, a bound, a default or a CEL rule is
//! said here, so that a bad value is refused by `kubectl apply` itself, with no webhook that could be unreachable.
//! What only the cluster knows (a name that is taken, a volume that cannot grow) becomes a condition later.

mod condition;
mod database;
mod duration;
mod quantity;
mod status;
mod values;

pub use condition::{ConditionType, Transition, condition, is_true, set_condition, transitions};
pub use database::{
    Database, DatabaseSpec, LimitsSpec, LogLevel, LoggingSpec, PoolSpec, QueryLog, ResourceAmounts,
    ResourcesSpec, StorageSpec, WhenDeleted,
};
pub use duration::{Duration, DurationError};
pub use quantity::{Quantity, QuantityError};
pub use status::{Binding, ConfigurationInForce, DatabaseStatus, Phase};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::Value;

/// The field manager of every server-side apply, and the value of `app.kubernetes.io/managed-by`.
pub const MANAGER: &str = "plimsoll";

/// The CRD of `Database`, as `crds/` holds it.
///
/// No field of it is nullable, other than the derived schema has it: then the API server reads a null as "unset" and puts
/// the default in its place, and no rule has to think of null.
pub fn database_crd() -> CustomResourceDefinition {
    let derived = Database::crd();
    let Ok(mut json) = serde_json::to_value(&derived) else { return derived };
    without_null(&mut json);
    serde_json::from_value(json).unwrap_or(derived)
}

/// The CRD of `Database` as YAML, byte for byte the file in `crds/`.
///
/// Fails only when the CRD cannot be written as YAML, which no value of its types can cause.
pub fn database_crd_yaml() -> Result<String, serde_yaml::Error> {
    let yaml = serde_yaml::to_string(&database_crd())?;
    Ok(format!("# Generated from operator/src/api by `operator crds`; do not edit.\n{yaml}"))
}

/// The JSON schema of the values of the chart `plimsoll-database`: the spec's own schema and the chart's few keys, as
/// the file `values.schema.json` there.
pub fn database_values_schema_json() -> String {
    format!("{:#}\n", values::schema())
}

fn without_null(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            map.remove("nullable");
            if let Some(Value::Array(values)) = map.get_mut("enum") {
                values.retain(|value| !value.is_null());
            }
            map.values_mut().for_each(without_null);
        }
        Value::Array(items) => items.iter_mut().for_each(without_null),
        _ => {}
    }
}
