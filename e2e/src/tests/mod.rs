//! The tests: each gets a namespace of its own and leaves nothing behind that another could need.

mod configuration;
mod crash;
mod healing;
mod lifecycle;
mod monitoring;
mod observability;
mod pgbench;
mod ready;
mod validation;

use crate::cluster::Namespace;
use anyhow::Result;
use futures::future::LocalBoxFuture;
use serde_json::{Value, json};

/// A test.
pub struct Test {
    /// Its name, by the behaviour it holds.
    pub name: &'static str,
    /// Runs it.
    pub run: fn(&Namespace) -> LocalBoxFuture<'_, Result<()>>,
}

macro_rules! tests {
    ($($module:ident::$name:ident),* $(,)?) => {
        /// Every test, in order.
        pub static ALL: &[Test] = &[$(Test { name: stringify!($name), run: |namespace| Box::pin($module::$name(namespace)) }),*];
    };
}

tests! {
    ready::database_becomes_ready_and_takes_connections,
    ready::objects_are_as_a_cluster_wants_them,
    validation::impossible_specs_are_refused,
    configuration::changes_reach_the_running_server,
    configuration::resources_roll_the_pod,
    configuration::an_image_that_cannot_be_had_is_said_and_corrected,
    healing::owned_objects_come_back,
    healing::what_others_put_beside_ours_goes,
    healing::operator_survives_its_own_restart,
    lifecycle::volume_is_retained_and_adopted,
    lifecycle::volume_is_deleted_when_asked,
    lifecycle::volume_follows_a_changed_mind,
    lifecycle::a_size_that_the_class_refuses_can_be_taken_back,
    lifecycle::databases_outlive_the_operators_chart,
    crash::killed_server_loses_nothing,
    crash::deleted_pod_loses_nothing,
    crash::node_without_power_loses_nothing,
    observability::prometheus_reads_p99,
    monitoring::service_monitor_follows_its_kind,
    pgbench::pgbench_runs_without_a_failed_transaction,
}

/// A spec that fits beside others on a small cluster.
fn small() -> Value {
    json!({"storage": {"size": "1Gi"}, "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}},
           "limits": {"maxQueryMemory": "64Mi"}})
}
