//! What is deleted or edited by hand comes back.

use super::small;
use crate::cluster::{Namespace, OPERATOR_NAMESPACE};
use anyhow::{Result, ensure};
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

/// Fields beside those that the operator sets are taken out again; annotations are left to whom they belong.
pub async fn what_others_put_beside_ours_goes(namespace: &Namespace) -> Result<()> {
    namespace.apply_database("orders", small()).await?;
    namespace.wait_condition("orders", "Ready", LIMIT).await?;
    let container = json!({"name": "dbserver", "env": [{"name": "PLIMSOLL_LOG_LEVEL", "value": "trace"}]});
    // Each with a place where nothing is to be found afterwards.
    let edits = [
        (
            "v1",
            "Service",
            "orders",
            json!({"spec": {"selector": {"strange": "true"}}}),
            "/spec/selector/strange",
        ),
        ("v1", "Service", "orders", json!({"spec": {"externalIPs": ["192.0.2.1"]}}), "/spec/externalIPs"),
        ("v1", "ConfigMap", "orders-config", json!({"data": {"strange": "true"}}), "/data/strange"),
        (
            "networking.k8s.io/v1",
            "NetworkPolicy",
            "orders",
            json!({"spec": {"egress": [{}]}}),
            "/spec/egress",
        ),
        (
            "apps/v1",
            "StatefulSet",
            "orders",
            json!({"spec": {"template": {"spec": {"nodeSelector": {"strange": "true"}, "containers": [container]}}}}),
            "/spec/template/spec/nodeSelector",
        ),
    ];
    for (version, kind, name, edit, place) in edits {
        let objects = namespace.objects(version, kind);
        let mut edit = edit;
        if let Some(object) = edit.as_object_mut() {
            object.insert("metadata".into(), json!({"annotations": {"example.org/note": "mine"}}));
        }
        // As `kubectl patch` sends it: into the list of containers by their names.
        objects.patch(name, &PatchParams::default(), &Patch::Strategic(edit)).await?;
        namespace
            .wait(&format!("{kind}: {place} is taken out"), LIMIT, async || {
                let object = objects.get(name).await?;
                let env = object.data.pointer("/spec/template/spec/containers/0/env");
                Ok(object.data.pointer(place).is_none() && env.is_none())
            })
            .await?;
        ensure!(
            objects.get(name).await?.annotations().contains_key("example.org/note"),
            "{kind}: the annotation is gone"
        );
    }
    namespace.wait_condition("orders", "Ready", LIMIT).await?;
    let after = namespace.pod("orders").await?;
    ensure!(after.spec.and_then(|spec| spec.node_selector).is_none(), "the pod has a strange node selector");
    Ok(())
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
