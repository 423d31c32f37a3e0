//! What becomes of the volume when a Database is deleted.

use super::small;
use crate::cluster::{Namespace, OPERATOR_NAMESPACE};
use crate::images::run;
use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::{DeleteParams, ListParams, ObjectMeta, PostParams};
use kube::{Api, ResourceExt};
use serde_json::json;
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

async fn delete_database(namespace: &Namespace) -> Result<()> {
    namespace.databases().delete("orders", &DeleteParams::default()).await?;
    namespace
        .wait("Database and pod are gone", LIMIT, async || {
            Ok(namespace.databases().get_opt("orders").await?.is_none()
                && namespace.pods().get_opt("orders-0").await?.is_none())
        })
        .await
}

/// By default the volume stays, and a Database of the same name finds its data.
pub async fn volume_is_retained_and_adopted(namespace: &Namespace) -> Result<()> {
    namespace.apply_database("orders", small()).await?;
    namespace.wait_condition("orders", "Ready", LIMIT).await?;
    {
        let tunnel = namespace.tunnel("orders", 5432).await?;
        let client = namespace.connect("orders", &tunnel).await?;
        client.batch_execute("create table t (n int primary key); insert into t values (1), (2)").await?;
    }
    delete_database(namespace).await?;
    namespace.apply_database("orders", small()).await?;
    namespace.wait_condition("orders", "Ready", LIMIT).await?;
    let tunnel = namespace.tunnel("orders", 5432).await?;
    let client = namespace.connect("orders", &tunnel).await?;
    ensure!(client.query_one("select count(*) from t", &[]).await?.get::<_, i64>(0) == 2);
    Ok(())
}

/// With `whenDeleted: Delete` the volume claim goes with its Database.
pub async fn volume_is_deleted_when_asked(namespace: &Namespace) -> Result<()> {
    let mut spec = small();
    if let Some(storage) = spec.pointer_mut("/storage") {
        *storage = json!({"size": "1Gi", "whenDeleted": "Delete"});
    }
    namespace.apply_database("orders", spec).await?;
    namespace.wait_condition("orders", "Ready", LIMIT).await?;
    delete_database(namespace).await?;
    let claims = namespace.objects("v1", "PersistentVolumeClaim");
    namespace
        .wait("the claim is gone", LIMIT, async || {
            Ok(claims.list(&ListParams::default()).await?.items.is_empty())
        })
        .await
}

fn claims(namespace: &Namespace) -> Api<PersistentVolumeClaim> {
    Api::namespaced(namespace.cluster.client.clone(), &namespace.name)
}

/// `Delete`, then `Retain` again: the claim belongs to the Database and then to nobody, and it stays.
pub async fn volume_follows_a_changed_mind(namespace: &Namespace) -> Result<()> {
    namespace.apply_database("orders", small()).await?;
    namespace.wait_condition("orders", "Ready", LIMIT).await?;
    for (when_deleted, owners) in [("Delete", 1), ("Retain", 0)] {
        namespace.patch_database("orders", json!({"storage": {"whenDeleted": when_deleted}})).await?;
        namespace
            .wait(&format!("{when_deleted}: {owners} owners"), LIMIT, async || {
                let claim = claims(namespace).get("orders-data").await?;
                Ok(claim.metadata.owner_references.unwrap_or_default().len() == owners)
            })
            .await?;
    }
    delete_database(namespace).await?;
    ensure!(claims(namespace).get("orders-data").await?.metadata.deletion_timestamp.is_none());
    Ok(())
}

/// A volume that its class cannot grow: the condition says so, the server serves, and the size can be taken back.
pub async fn a_size_that_the_class_refuses_can_be_taken_back(namespace: &Namespace) -> Result<()> {
    let classes = Api::<StorageClass>::all(namespace.cluster.client.clone());
    let default = classes.list(&ListParams::default()).await?.into_iter().find(|class| {
        class.annotations().get("storageclass.kubernetes.io/is-default-class").is_some_and(|is| is == "true")
    });
    // As the cluster's own, but its volumes stay as they are.
    let mut class = default.context("the cluster has no default storage class")?;
    class.metadata = ObjectMeta { name: Some(namespace.name.clone()), ..ObjectMeta::default() };
    class.allow_volume_expansion = Some(false);
    classes.create(&PostParams::default(), &class).await?;
    let outcome = refused_and_taken_back(namespace).await;
    classes.delete(&namespace.name, &DeleteParams::default()).await?;
    outcome
}

async fn refused_and_taken_back(namespace: &Namespace) -> Result<()> {
    let mut spec = small();
    spec["storage"]["storageClassName"] = json!(namespace.name);
    namespace.apply_database("orders", spec).await?;
    namespace.wait_condition("orders", "Ready", LIMIT).await?;
    namespace.patch_database("orders", json!({"storage": {"size": "2Gi"}})).await?;
    namespace.wait_reason("orders", "Degraded", "VolumeRefused", LIMIT).await?;
    let tunnel = namespace.tunnel("orders", 5432).await?;
    namespace.connect("orders", &tunnel).await?.batch_execute("select 1").await?;
    let below = namespace.patch_database("orders", json!({"storage": {"size": "1023Mi"}})).await;
    ensure!(below.is_err(), "a size below the volume's was taken");
    namespace.patch_database("orders", json!({"storage": {"size": "1Gi"}})).await?;
    namespace.wait_reason("orders", "Degraded", "AsExpected", LIMIT).await?;
    namespace.wait_condition("orders", "Ready", LIMIT).await?;
    Ok(())
}

/// `helm uninstall` takes the operator and leaves definition, Databases and their servers; the next install goes on.
pub async fn databases_outlive_the_operators_chart(namespace: &Namespace) -> Result<()> {
    namespace.apply_database("orders", small()).await?;
    namespace.wait_condition("orders", "Ready", LIMIT).await?;
    let before = namespace.pod("orders").await?;
    let release = ["uninstall", "plimsoll", "--namespace", OPERATOR_NAMESPACE, "--wait"];
    run(Command::new("helm").args(release))?;
    let tunnel = namespace.tunnel("orders", 5432).await?;
    let served = namespace.connect("orders", &tunnel).await;
    namespace.cluster.install_operator().await?;
    served?.batch_execute("select 1").await?;
    namespace.patch_database("orders", json!({"limits": {"queryTimeout": "9s"}})).await?;
    namespace.wait_condition("orders", "Ready", LIMIT).await?;
    ensure!(namespace.pod("orders").await?.metadata.uid == before.metadata.uid, "the pod was replaced");
    Ok(())
}
