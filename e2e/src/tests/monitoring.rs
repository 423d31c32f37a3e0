//! A cluster where a Prometheus operator brings the kind ServiceMonitor, before or after our operator.

use super::small;
use crate::cluster::Namespace;
use anyhow::{Result, ensure};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(30);
const DEFINITION: &str = "servicemonitors.monitoring.coreos.com";

/// As much of the Prometheus operator's definition as a ServiceMonitor of ours needs.
fn definition() -> Value {
    let port = json!({"type": "object", "properties": {
        "port": {"type": "string"}, "path": {"type": "string"}, "interval": {"type": "string"}}});
    let selector = json!({"type": "object", "properties": {
        "matchLabels": {"type": "object", "additionalProperties": {"type": "string"}}}});
    let spec = json!({"type": "object", "required": ["endpoints", "selector"], "properties": {
        "endpoints": {"type": "array", "items": port}, "selector": selector, "jobLabel": {"type": "string"}}});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": DEFINITION},
        "spec": {
            "group": "monitoring.coreos.com",
            "scope": "Namespaced",
            "names": {"kind": "ServiceMonitor", "listKind": "ServiceMonitorList", "plural": "servicemonitors", "singular": "servicemonitor"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {
                "openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}}]
        }
    })
}

/// The ServiceMonitor appears when its kind does, and comes back when it is edited or deleted.
pub async fn service_monitor_follows_its_kind(namespace: &Namespace) -> Result<()> {
    namespace.apply_database("orders", small()).await?;
    namespace.wait_condition("orders", "Ready", Duration::from_secs(60)).await?;
    let definitions = Api::<CustomResourceDefinition>::all(namespace.cluster.client.clone());
    let was_there = definitions.get_opt(DEFINITION).await?.is_some();
    if !was_there {
        definitions.create(&PostParams::default(), &serde_json::from_value(definition())?).await?;
    }
    let outcome = comes_back(namespace).await;
    if !was_there {
        definitions.delete(DEFINITION, &DeleteParams::default()).await?;
    }
    outcome?;
    // The operator goes on without the kind.
    namespace.patch_database("orders", json!({"limits": {"queryTimeout": "9s"}})).await?;
    namespace.wait_condition("orders", "Ready", LIMIT).await?;
    Ok(())
}

async fn comes_back(namespace: &Namespace) -> Result<()> {
    let monitors = namespace.objects("monitoring.coreos.com/v1", "ServiceMonitor");
    let is_whole = async || {
        let Some(monitor) = monitors.get_opt("orders").await? else { return Ok(false) };
        let endpoint = monitor.data.pointer("/spec/endpoints/0").cloned().unwrap_or(Value::Null);
        Ok(endpoint == json!({"port": "http", "path": "/metrics", "interval": "15s"})
            && monitor.data.pointer("/spec/jobLabel").is_none())
    };
    namespace.wait("the ServiceMonitor is there", LIMIT, is_whole).await?;
    let edit = json!({"spec": {"endpoints": [{"port": "nowhere"}], "jobLabel": "strange"}});
    monitors.patch("orders", &PatchParams::default(), &Patch::Merge(edit)).await?;
    namespace.wait("the edited ServiceMonitor is mended", LIMIT, is_whole).await?;
    let uid = monitors.get("orders").await?.metadata.uid;
    monitors.delete("orders", &DeleteParams::default()).await?;
    namespace.wait("the deleted ServiceMonitor is there again", LIMIT, is_whole).await?;
    ensure!(monitors.get("orders").await?.metadata.uid != uid, "the ServiceMonitor was not deleted");
    Ok(())
}
