//! What becomes of the volume when a Database is deleted.

use super::small;
use crate::cluster::Namespace;
use anyhow::{Result, ensure};
use kube::api::{DeleteParams, ListParams};
use serde_json::json;
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
