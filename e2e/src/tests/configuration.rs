//! Changes of a Database's spec, with load running.

use super::small;
use crate::cluster::Namespace;
use crate::ledger::Ledger;
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::time::{Duration, Instant};

/// Timeout, pool size and log level are in force within seconds; no connection is lost and no pod restarted.
pub async fn changes_reach_the_running_server(namespace: &Namespace) -> Result<()> {
    namespace.apply_database("orders", small()).await?;
    namespace.wait_condition("orders", "Ready", Duration::from_secs(60)).await?;
    let before = namespace.pod("orders").await?;
    let ledger = Ledger::start(namespace, "orders", 4).await?;
    ledger.wait_for_more(namespace, 50, Duration::from_secs(30)).await?;

    let begun = Instant::now();
    let change = json!({"limits": {"queryTimeout": "7s"}, "pool": {"maxConnections": 33}, "logging": {"level": "debug"}});
    namespace.patch_database("orders", change).await?;
    namespace
        .wait("configuration in force", Duration::from_secs(60), async || {
            let configuration = namespace.status("orders").await?["configuration"]["inForce"].clone();
            Ok(configuration.pointer("/limits/queryTimeout") == Some(&json!("7s"))
                && configuration.pointer("/pool/maxConnections") == Some(&json!(33))
                && configuration.pointer("/logging/level") == Some(&json!("debug")))
        })
        .await?;
    println!("  in force {:.1} s after the patch", begun.elapsed().as_secs_f64());
    namespace.wait_condition("orders", "Ready", Duration::from_secs(30)).await?;
    namespace.wait_condition("orders", "ConfigurationInForce", Duration::from_secs(30)).await?;

    let lost = ledger.connections_lost();
    ensure!(lost == 0, "{lost} connections were lost by a change of configuration");
    let after = namespace.pod("orders").await?;
    ensure!(before.metadata.uid == after.metadata.uid, "the pod was replaced");
    ledger.stop_and_verify(namespace, "orders").await
}

/// A change of resources replaces the pod, Ready waits for it, and the data is there.
pub async fn resources_roll_the_pod(namespace: &Namespace) -> Result<()> {
    namespace.apply_database("orders", small()).await?;
    namespace.wait_condition("orders", "Ready", Duration::from_secs(60)).await?;
    let tunnel = namespace.tunnel("orders", 5432).await?;
    namespace
        .connect("orders", &tunnel)
        .await?
        .batch_execute("create table t (n int); insert into t values (7)")
        .await?;
    let before = namespace.pod("orders").await?;
    namespace.patch_database("orders", json!({"resources": {"limits": {"memory": "640Mi"}}})).await?;
    namespace.wait_condition("orders", "Ready", Duration::from_secs(120)).await?;
    let after = namespace.pod("orders").await?;
    ensure!(before.metadata.uid != after.metadata.uid, "the pod was not replaced");
    let limits = after
        .spec
        .and_then(|s| s.containers.into_iter().next())
        .and_then(|c| c.resources)
        .and_then(|r| r.limits);
    let memory = limits.and_then(|l| l.get("memory").cloned()).context("a memory limit")?;
    ensure!(memory.0 == "640Mi", "memory limit is {memory:?}");
    let client = namespace.connect("orders", &tunnel).await?;
    ensure!(client.query_one("select n from t", &[]).await?.get::<_, i32>(0) == 7);
    Ok(())
}

/// An image that no node can get: the condition says so, and the corrected one is rolled out at once.
pub async fn an_image_that_cannot_be_had_is_said_and_corrected(namespace: &Namespace) -> Result<()> {
    namespace.apply_database("orders", small()).await?;
    namespace.wait_condition("orders", "Ready", Duration::from_secs(60)).await?;
    namespace.patch_database("orders", json!({"image": "localhost/plimsoll-nowhere:0"})).await?;
    namespace.wait_reason("orders", "Degraded", "ImageUnavailable", Duration::from_secs(90)).await?;
    namespace.patch_database("orders", json!({"image": null})).await?;
    namespace.wait_condition("orders", "Ready", Duration::from_secs(60)).await?;
    namespace.wait_reason("orders", "Degraded", "AsExpected", Duration::from_secs(30)).await
}
