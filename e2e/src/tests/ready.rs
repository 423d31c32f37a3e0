//! From `kubectl apply` to a connection.

use super::small;
use crate::cluster::Namespace;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::time::Duration;

/// The Database is Ready, its status complete, and its Secret opens it; a wrong password does not.
pub async fn database_becomes_ready_and_takes_connections(namespace: &Namespace) -> Result<()> {
    namespace.apply_database("orders", small()).await?;
    let took = namespace.wait_condition("orders", "Ready", Duration::from_secs(60)).await?;
    println!("  Ready {:.1} s after the apply", took.as_secs_f64());

    let tunnel = namespace.tunnel("orders", 5432).await?;
    let client = namespace.connect("orders", &tunnel).await?;
    let row = client.query_one("select 6 * 7, current_user::text, current_database()::text", &[]).await?;
    ensure!(row.get::<_, i32>(0) == 42);
    ensure!(row.get::<_, &str>(1) == "plimsoll" && row.get::<_, &str>(2) == "plimsoll");

    let mut wrong = namespace.credentials("orders").await?;
    wrong.insert("password".into(), "not it".into());
    let error =
        crate::cluster::connect(&tunnel, &wrong).await.err().context("a wrong password must be refused")?;
    let code = error.downcast_ref::<tokio_postgres::Error>().and_then(|e| e.code().cloned());
    ensure!(code.as_ref().is_some_and(|c| c.code() == "28P01"), "SQLSTATE of a wrong password: {code:?}");

    let object = namespace.databases().get("orders").await?;
    let status = |path: &str| object.data.pointer(path).cloned().unwrap_or(Value::Null);
    ensure!(status("/status/observedGeneration").as_i64() == object.metadata.generation, "{:?}", object.data);
    ensure!(status("/status/phase") == "Ready", "phase is {}", status("/status/phase"));
    for field in ["/status/endpoint", "/status/secretName", "/status/version"] {
        ensure!(status(field).is_string(), "{field} is {}", status(field));
    }
    Ok(())
}

/// The Secret has the keys of the manual and of the Service Binding specification; the pod is restricted.
pub async fn objects_are_as_a_cluster_wants_them(namespace: &Namespace) -> Result<()> {
    namespace.apply_database("orders", small()).await?;
    namespace.wait_condition("orders", "Ready", Duration::from_secs(60)).await?;
    let credentials = namespace.credentials("orders").await?;
    for key in ["username", "password", "host", "port", "dbname", "uri", "jdbc-uri", "type", "provider"] {
        ensure!(credentials.contains_key(key), "the Secret has no key {key}");
    }
    ensure!(credentials.get("type").is_some_and(|t| t == "postgresql"));
    for (version, kind) in [
        ("networking.k8s.io/v1", "NetworkPolicy"),
        ("v1", "Service"),
        ("v1", "ConfigMap"),
        ("apps/v1", "StatefulSet"),
    ] {
        let found = namespace.objects(version, kind).list(&Default::default()).await?;
        ensure!(found.items.iter().any(|o| o.metadata.owner_references.is_some()), "no owned {kind}");
    }
    Ok(())
}
