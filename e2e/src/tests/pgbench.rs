//! PostgreSQL's own benchmark program as a client.

use super::small;
use crate::cluster::Namespace;
use anyhow::{Context, Result, ensure};
use std::time::Duration;
use tokio::process::Command;

/// `pgbench -i -s 10`, then TPC-B with 8 clients in simple and in prepared mode, without a failed transaction.
pub async fn pgbench_runs_without_a_failed_transaction(namespace: &Namespace) -> Result<()> {
    namespace.apply_database("orders", small()).await?;
    namespace.wait_condition("orders", "Ready", Duration::from_secs(60)).await?;
    let tunnel = namespace.tunnel("orders", 5432).await?;
    let credentials = namespace.credentials("orders").await?;
    let seconds = namespace.cluster.commands.pgbench_seconds.to_string();
    let pgbench = async |arguments: &[&str]| -> Result<String> {
        let output = Command::new("pgbench")
            .args(arguments)
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", tunnel.address.port().to_string())
            .env("PGUSER", credentials.get("username").context("username")?)
            .env("PGPASSWORD", credentials.get("password").context("password")?)
            .env("PGDATABASE", credentials.get("dbname").context("dbname")?)
            .output()
            .await
            .context("pgbench (Debian's package postgresql) must be on PATH")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(
            output.status.success(),
            "pgbench {arguments:?}: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(text)
    };
    pgbench(&["-i", "-s", "10", "-q"]).await?;
    for mode in ["simple", "prepared"] {
        let report = pgbench(&["-n", "-c", "8", "-j", "2", "-T", &seconds, "-M", mode]).await?;
        ensure!(report.contains("number of failed transactions: 0 "), "{report}");
        let tps = report.lines().find(|l| l.starts_with("tps")).unwrap_or_default();
        println!("  {mode}: {tps}");
    }
    let client = namespace.connect("orders", &tunnel).await?;
    let row = client
        .query_one(
            "select (select sum(bbalance) from pgbench_branches)::bigint, (select sum(tbalance) from pgbench_tellers)::bigint,
                    (select sum(abalance) from pgbench_accounts)::bigint, (select sum(delta) from pgbench_history)::bigint",
            &[],
        )
        .await?;
    let sums: Vec<i64> = (0..4).map(|i| row.get(i)).collect();
    ensure!(sums.iter().all(|s| *s == sums[0]), "the four sums differ: {sums:?}");
    Ok(())
}
