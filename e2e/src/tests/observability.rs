//! A real Prometheus beside the cluster scrapes a Database.

use super::small;
use crate::cluster::{Namespace, http_get};
use crate::ledger::Ledger;
use crate::tunnel::Tunnel;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::time::Duration;
use tokio::process::Command;

/// Prometheus (Debian's package) scrapes the pod, and p99 can be read from it.
pub async fn prometheus_reads_p99(namespace: &Namespace) -> Result<()> {
    namespace.apply_database("orders", small()).await?;
    namespace.wait_condition("orders", "Ready", Duration::from_secs(60)).await?;
    let ledger = Ledger::start(namespace, "orders", 2).await?;
    let http = namespace.tunnel("orders", 8080).await?;
    let metrics = http_get(&http, "/metrics").await?;
    ensure!(
        metrics.contains("plimsoll_statement_duration_seconds_bucket"),
        "no latency histogram in:\n{metrics}"
    );

    let folder = tempfile::tempdir()?;
    let config = folder.path().join("prometheus.yml");
    std::fs::write(
        &config,
        format!(
            "global: {{scrape_interval: 1s}}\nscrape_configs: [{{job_name: plimsoll, static_configs: [{{targets: ['{}']}}]}}]\n",
            http.address
        ),
    )?;
    // A port that is free now; Prometheus cannot be asked to choose one.
    let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let mut prometheus = Command::new("prometheus")
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
        .arg(format!("--web.listen-address={address}"))
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("prometheus (Debian's package) must be on PATH")?;
    let query = "histogram_quantile(0.99,sum(rate(plimsoll_statement_duration_seconds_bucket[10s]))by(le))";
    let read = async || -> Result<f64> {
        let here = Tunnel::direct(address);
        let answer: Value =
            serde_json::from_str(&http_get(&here, &format!("/api/v1/query?query={query}")).await?)?;
        let value =
            answer.pointer("/data/result/0/value/1").and_then(Value::as_str).context("no sample yet")?;
        Ok(value.parse()?)
    };
    let waited =
        namespace.wait("p99 in Prometheus", Duration::from_secs(60), async || Ok(read().await? > 0.0)).await;
    if waited.is_ok() {
        println!("  p99 of statements, read from Prometheus: {:.2} ms", read().await? * 1e3);
    }
    prometheus.kill().await?;
    waited?;
    ledger.stop_and_verify(namespace, "orders").await
}
