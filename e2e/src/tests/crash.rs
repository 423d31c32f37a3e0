//! Crashes under load: what was acknowledged is there, nothing is half there, and no person had to help.

use super::small;
use crate::cluster::Namespace;
use crate::ledger::Ledger;
use crate::node;
use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Pod;
use kube::api::DeleteParams;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(120);
/// For the volume's provisioner, which may hang on a node where the test before deleted one: it gives up after two minutes and tries
/// again. How fast a Database is Ready is another test's question.
const BEGIN_LIMIT: Duration = Duration::from_secs(180);

async fn loaded(namespace: &Namespace) -> Result<Ledger> {
    namespace.apply_database("orders", small()).await?;
    namespace.wait_condition("orders", "Ready", BEGIN_LIMIT).await?;
    let ledger = Ledger::start(namespace, "orders", 8).await?;
    ledger.wait_for_more(namespace, 200, LIMIT).await?;
    Ok(ledger)
}

/// After the blow: Ready again, transactions acknowledged again, the books in order.
async fn recovers(namespace: &Namespace, ledger: Ledger) -> Result<()> {
    ledger.wait_for_more(namespace, 200, LIMIT).await?;
    namespace.wait_condition("orders", "Ready", LIMIT).await?;
    ledger.stop_and_verify(namespace, "orders").await
}

fn uid(pod: &Pod) -> Result<&str> {
    pod.metadata.uid.as_deref().context("a pod has a uid")
}

/// `kill -9` of the server, three times.
pub async fn killed_server_loses_nothing(namespace: &Namespace) -> Result<()> {
    let ledger = loaded(namespace).await?;
    for _ in 0..3 {
        node::kill_server(uid(&namespace.pod("orders").await?)?)?;
        ledger.wait_for_more(namespace, 100, LIMIT).await?;
    }
    recovers(namespace, ledger).await
}

/// The pod is deleted, once gently and once at once.
pub async fn deleted_pod_loses_nothing(namespace: &Namespace) -> Result<()> {
    let ledger = loaded(namespace).await?;
    namespace.pods().delete("orders-0", &DeleteParams::default()).await?;
    ledger.wait_for_more(namespace, 100, LIMIT).await?;
    namespace.pods().delete("orders-0", &DeleteParams::default().grace_period(0)).await?;
    recovers(namespace, ledger).await
}

/// Its node loses power and comes back.
pub async fn node_without_power_loses_nothing(namespace: &Namespace) -> Result<()> {
    let ledger = loaded(namespace).await?;
    let node = namespace.pod("orders").await?.spec.and_then(|s| s.node_name).context("the pod's node")?;
    node::command(&namespace.cluster.commands.node_stop, &node)?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    node::command(&namespace.cluster.commands.node_start, &node)?;
    recovers(namespace, ledger).await
}
