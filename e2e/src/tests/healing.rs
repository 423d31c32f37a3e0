//! What is deleted or edited by hand comes back.

use super::small;
use crate::cluster::{Namespace, OPERATOR_NAMESPACE};
use anyhow::Result;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

/// Each owned object is deleted (the Service edited too) and is there again; the password stays what it was.
pub async fn owned_objects_come_back(namespace: &Namespace) -> Result<()> {
    namespace.apply_database("orders", small()).await?;
    namespace.wait_condition("orders", "Ready", LIMIT).await?;

    for (version, kind) in [
        ("v1", "Service"),
        ("v1", "ConfigMap"),
        ("networking.k8s.io/v1", "NetworkPolicy"),
        ("apps/v1", "StatefulSet"),
    ] {
        let objects = namespace.objects(version, kind);
        let owned = |o: &kube::api::DynamicObject| {
            o.metadata.owner_references.as_ref().is_some_and(|r| r.iter().any(|r| r.kind == "Database"))
        };
        for object in objects.list(&ListParams::default()).await?.into_iter().filter(owned) {
            let name = object.name_any();
            objects.delete(&name, &DeleteParams::default()).await?;
            namespace
                .wait(&format!("{kind} {name} comes back"), LIMIT, async || {
                    Ok(objects.get_opt(&name).await?.is_some_and(|o| o.metadata.uid != object.metadata.uid))
                })
                .await?;
        }
    }
    let services = namespace.objects("v1", "Service");
    let edit =
        Patch::Merge(json!({"spec": {"ports": [{"name": "postgresql", "port": 9999, "targetPort": 9999}]}}));
    services.patch("orders", &PatchParams::default(), &edit).await?;
    namespace
        .wait("the Service's port is mended", LIMIT, async || {
            let ports =
                services.get("orders").await?.data.pointer("/spec/ports").cloned().unwrap_or(Value::Null);
            Ok(ports.as_array().is_some_and(|p| p.iter().any(|p| p["port"] == 5432)))
        })
        .await?;
    namespace.wait_condition("orders", "Ready", LIMIT).await?;
    let tunnel = namespace.tunnel("orders", 5432).await?;
    namespace
        .wait("connections are taken again", LIMIT, async || {
            Ok(namespace.connect("orders", &tunnel).await.is_ok())
        })
        .await
}

/// The operator is killed while a Database is being made; the next one finishes the work.
pub async fn operator_survives_its_own_restart(namespace: &Namespace) -> Result<()> {
    let pods = Api::<Pod>::namespaced(namespace.cluster.client.clone(), OPERATOR_NAMESPACE);
    namespace.apply_database("orders", small()).await?;
    for pod in pods.list(&ListParams::default()).await? {
        pods.delete(&pod.name_any(), &DeleteParams::default().grace_period(0)).await?;
    }
    namespace.wait_condition("orders", "Ready", Duration::from_secs(120)).await?;
    Ok(())
}
