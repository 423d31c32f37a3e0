//! The server is killed while connections append to lists: what they were told and what is there afterwards shows no
//! anomaly. A commit that was not answered counts as done if it is seen.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "../storage/tests/support/history.rs"]
mod history;
#[path = "common/process.rs"]
mod process;

use std::collections::BTreeMap;

use history::{Anomaly, Op, Outcome, Txn, check};
use process::{Process, connect};
use tokio::sync::watch;
use tokio_postgres::Client;

const CONNECTIONS: u64 = 6;
const KEYS: u32 = 5;
const KILLS: u32 = 3;
/// Transactions acknowledged between two kills.
const BETWEEN: u64 = 60;

fn list(text: &str) -> Vec<u64> {
    text.split(',').filter(|number| !number.is_empty()).map(|number| number.parse().unwrap()).collect()
}

async fn read(client: &Client, key: u32) -> Result<Vec<u64>, tokio_postgres::Error> {
    let row = client.query_opt("select v from lists where k = $1", &[&(key as i32)]).await?;
    Ok(row.map(|row| list(row.get(0))).unwrap_or_default())
}

async fn read_all(client: &Client) -> Result<BTreeMap<u32, Vec<u64>>, tokio_postgres::Error> {
    let mut lists: BTreeMap<u32, Vec<u64>> = (0..KEYS).map(|key| (key, Vec::new())).collect();
    for row in client.query("select k, v from lists where k >= 0", &[]).await? {
        lists.insert(row.get::<_, i32>(0) as u32, list(row.get(1)));
    }
    Ok(lists)
}

/// A small generator, so that no two connections do the same.
struct Choice(u64);

impl Choice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Everything up to COMMIT.
async fn work(
    client: &Client,
    level: &str,
    choice: &mut Choice,
    next: &mut u64,
    ops: &mut Vec<Op>,
) -> Result<(), tokio_postgres::Error> {
    client.batch_execute(&format!("begin isolation level {level}")).await?;
    for _ in 0..1 + choice.below(4) {
        let key = choice.below(u64::from(KEYS)) as u32;
        match choice.below(8) {
            0..4 => {
                *next += 1;
                client
                    .execute(
                        "insert into lists values ($1, $2) on conflict (k) do update set v = lists.v || ',' || excluded.v",
                        &[&(key as i32), &next.to_string()],
                    )
                    .await?;
                ops.push(Op::Append(key, *next));
            }
            4..7 => ops.push(Op::Read(key, read(client, key).await?)),
            _ => ops.extend(read_all(client).await?.into_iter().map(|(key, list)| Op::Read(key, list))),
        }
    }
    Ok(())
}

/// One connection's life: transactions, over again on a new connection when the server is gone.
async fn live(
    port: u16,
    level: &'static str,
    number: u64,
    told: watch::Sender<u64>,
    mut over: watch::Receiver<bool>,
) -> Vec<Txn> {
    let (mut choice, mut next, mut history) = (Choice(number), number << 32, Vec::new());
    let mut client = connect(port).await;
    while !*over.borrow_and_update() {
        let mut ops = Vec::new();
        let outcome = match work(&client, level, &mut choice, &mut next, &mut ops).await {
            // An append that failed may not be in `ops`; nothing of the transaction is there.
            Err(_) => Outcome::Aborted,
            Ok(()) => match client.batch_execute("commit").await {
                Ok(()) => Outcome::Committed,
                Err(error) if error.as_db_error().is_some_and(|error| error.code().code() == "40001") => {
                    Outcome::Aborted
                }
                Err(_) => Outcome::Unknown,
            },
        };
        if outcome == Outcome::Committed {
            told.send_modify(|count| *count += 1);
        }
        history.push(Txn { ops, outcome });
        if client.is_closed() || client.batch_execute("rollback").await.is_err() {
            client = connect(port).await;
        }
    }
    history
}

async fn lists_survive(level: &'static str, allowed: &[Anomaly]) {
    let data = tempfile::tempdir().unwrap();
    let mut server = Process::start(&data.path().join("data"), &data.path().join("log"));
    let (port, control) = (server.port, server.connect().await);
    control.batch_execute("create table lists (k int primary key, v text not null)").await.unwrap();
    let (told, mut heard) = watch::channel(0);
    let (stop, over) = watch::channel(false);
    let lives: Vec<_> = (1..=CONNECTIONS)
        .map(|number| tokio::spawn(live(port, level, number, told.clone(), over.clone())))
        .collect();
    for kill in 1..=KILLS {
        let enough = u64::from(kill) * BETWEEN;
        heard.wait_for(|count| *count >= enough).await.unwrap();
        server.kill();
        server.restart();
    }
    heard.wait_for(|count| *count >= u64::from(KILLS + 1) * BETWEEN).await.unwrap();
    stop.send(true).unwrap();
    let mut history = Vec::new();
    for life in lives {
        history.extend(life.await.unwrap());
    }
    let last = read_all(&connect(port).await).await.unwrap();
    let unknown = history.iter().filter(|txn| txn.outcome == Outcome::Unknown).count();
    println!("{level}: {} transactions, {unknown} of unknown outcome", history.len());
    for (anomaly, example) in check(&history, Some(&last)) {
        let example: Vec<&Txn> = example.iter().map(|index| &history[*index]).collect();
        assert!(allowed.contains(&anomaly), "{anomaly:?} by {example:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn serializable_histories_survive_kills() {
    lists_survive("serializable", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn read_committed_histories_survive_kills() {
    lists_survive("read committed", &[Anomaly::GSingle, Anomaly::G2]).await;
}
