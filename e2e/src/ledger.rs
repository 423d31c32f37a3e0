//! A bank under load that knows what it was promised: TPC-B's transaction with a numbered history, so that after a
//! crash every acknowledged transaction must be there, none half, and the four sums must agree.

use crate::cluster::{Namespace, connect};
use crate::tunnel::Tunnel;
use anyhow::{Result, ensure};
use rand::Rng;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

const BRANCHES: i32 = 2;
const TELLERS: i32 = 20;
const ACCOUNTS: i32 = 1_000;

/// The running load.
pub struct Ledger {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<Mutex<Vec<i64>>>,
    connections_lost: Arc<AtomicI64>,
    writers: Vec<JoinHandle<()>>,
    _tunnel: Arc<Tunnel>,
}

impl Ledger {
    /// Makes the tables and starts `writers` connections that transfer until stopped, reconnecting when cut off.
    pub async fn start(namespace: &Namespace, database: &str, writers: usize) -> Result<Ledger> {
        let tunnel = Arc::new(namespace.tunnel(database, 5432).await?);
        let client = namespace.connect(database, &tunnel).await?;
        client
            .batch_execute(&format!(
                "create table branches (bid int primary key, balance bigint not null);
                 create table tellers (tid int primary key, bid int not null, balance bigint not null);
                 create table accounts (aid int primary key, bid int not null, balance bigint not null);
                 create table history (id bigint primary key, tid int, bid int, aid int, delta int, at timestamptz);
                 insert into branches select n, 0 from generate_series(1, {BRANCHES}) n;
                 insert into tellers select n, n % {BRANCHES} + 1, 0 from generate_series(1, {TELLERS}) n;
                 insert into accounts select n, n % {BRANCHES} + 1, 0 from generate_series(1, {ACCOUNTS}) n;"
            ))
            .await?;
        let credentials = Arc::new(namespace.credentials(database).await?);
        let stop = Arc::new(AtomicBool::new(false));
        let acknowledged = Arc::new(Mutex::new(Vec::new()));
        let connections_lost = Arc::new(AtomicI64::new(0));
        let next_id = Arc::new(AtomicI64::new(1));
        let writers = (0..writers)
            .map(|_| {
                let (tunnel, credentials) = (Arc::clone(&tunnel), Arc::clone(&credentials));
                let (stop, acknowledged) = (Arc::clone(&stop), Arc::clone(&acknowledged));
                let (lost, next_id) = (Arc::clone(&connections_lost), Arc::clone(&next_id));
                tokio::spawn(async move {
                    while !stop.load(Ordering::Relaxed) {
                        match connect(&tunnel, &credentials).await {
                            Ok(mut client) => {
                                while !stop.load(Ordering::Relaxed) {
                                    let id = next_id.fetch_add(1, Ordering::Relaxed);
                                    match transfer(&mut client, id).await {
                                        Ok(()) => acknowledged.lock().await.push(id),
                                        Err(_) => break,
                                    }
                                }
                                if !stop.load(Ordering::Relaxed) {
                                    lost.fetch_add(1, Ordering::Relaxed);
                                }
                            }
                            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                        }
                    }
                })
            })
            .collect();
        Ok(Ledger { stop, acknowledged, connections_lost, writers, _tunnel: tunnel })
    }

    /// Transactions acknowledged so far.
    pub async fn acknowledged(&self) -> usize {
        self.acknowledged.lock().await.len()
    }

    /// Connections that ended in an error so far.
    pub fn connections_lost(&self) -> i64 {
        self.connections_lost.load(Ordering::Relaxed)
    }

    /// Waits until `more` further transactions are acknowledged.
    pub async fn wait_for_more(&self, namespace: &Namespace, more: usize, limit: Duration) -> Result<()> {
        let goal = self.acknowledged().await + more;
        namespace
            .wait("acknowledged transactions", limit, async || Ok(self.acknowledged().await >= goal))
            .await
    }

    /// Stops the load and compares what was promised with what is there.
    pub async fn stop_and_verify(self, namespace: &Namespace, database: &str) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        for writer in self.writers {
            writer.await?;
        }
        let acknowledged = self.acknowledged.lock().await.clone();
        let tunnel = namespace.tunnel(database, 5432).await?;
        let client = namespace.connect(database, &tunnel).await?;
        let rows = client.query("select id from history", &[]).await?;
        let present: std::collections::HashSet<i64> = rows.iter().map(|r| r.get(0)).collect();
        let missing: Vec<i64> = acknowledged.iter().copied().filter(|id| !present.contains(id)).collect();
        ensure!(
            missing.is_empty(),
            "{} of {} acknowledged transactions are gone: {:?}",
            missing.len(),
            acknowledged.len(),
            missing.iter().take(10).collect::<Vec<_>>()
        );
        let sums = client
            .query_one(
                "select (select sum(balance)::bigint from branches), (select sum(balance)::bigint from tellers),
                        (select sum(balance)::bigint from accounts), (select coalesce(sum(delta), 0)::bigint from history)",
                &[],
            )
            .await?;
        let sums: Vec<i64> = (0..4).map(|i| sums.get(i)).collect();
        ensure!(sums.iter().all(|s| *s == sums[0]), "the four sums differ: {sums:?}");
        println!(
            "  {} transactions acknowledged, {} present, sums {}",
            acknowledged.len(),
            present.len(),
            sums[0]
        );
        Ok(())
    }
}

async fn transfer(client: &mut tokio_postgres::Client, id: i64) -> Result<(), tokio_postgres::Error> {
    let (aid, tid, bid, delta) = {
        let mut random = rand::rng();
        (
            random.random_range(1..=ACCOUNTS),
            random.random_range(1..=TELLERS),
            random.random_range(1..=BRANCHES),
            random.random_range(-5_000..=5_000),
        )
    };
    let delta_wide = i64::from(delta);
    let transaction = client.transaction().await?;
    transaction
        .execute("update accounts set balance = balance + $1 where aid = $2", &[&delta_wide, &aid])
        .await?;
    transaction.query("select balance from accounts where aid = $1", &[&aid]).await?;
    transaction
        .execute("update tellers set balance = balance + $1 where tid = $2", &[&delta_wide, &tid])
        .await?;
    transaction
        .execute("update branches set balance = balance + $1 where bid = $2", &[&delta_wide, &bid])
        .await?;
    transaction
        .execute(
            "insert into history (id, tid, bid, aid, delta, at) values ($1, $2, $3, $4, $5, current_timestamp)",
            &[&id, &tid, &bid, &aid, &delta],
        )
        .await?;
    transaction.commit().await
}
