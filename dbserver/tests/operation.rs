//! Probes, status, metrics, configuration while running, and the end.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use std::time::Duration;

use common::{Raw, Server, field, state};

#[tokio::test(flavor = "multi_thread")]
async fn the_probes_and_metrics_answer() {
    let server = Server::start("").await;
    let client = server.connect().await;
    client.batch_execute("select 1").await.unwrap();
    client.batch_execute("select no_such_column").await.unwrap_err();
    assert_eq!(server.get("/health").await.0, 200);
    assert_eq!(server.get("/ready").await.0, 200);
    assert_eq!(server.get("/elsewhere").await.0, 404);
    let (code, metrics) = server.get("/metrics").await;
    assert_eq!(code, 200);
    for line in [
        "plimsoll_statements_total{kind=\"select\"} 2",
        "plimsoll_statement_errors_total{class=\"42\",kind=\"select\"} 1",
        "plimsoll_connections{state=\"idle\"} 1",
        "plimsoll_pool_limit{resource=\"connection\"} 100",
    ] {
        assert!(metrics.contains(line), "{line} is missing from\n{metrics}");
    }
    let status = server.status().await;
    assert_eq!(status["phase"], "ready");
    assert_eq!(status["statements"]["lastMinute"]["select"]["count"], 2);
    assert_eq!(status["connections"]["list"][0]["statements"], 2);
    assert!(status["configuration"]["inForce"]["limits"]["maxQueryMemory"].is_string());
}

/// Debian's `promtool` is asked where it is installed.
#[tokio::test(flavor = "multi_thread")]
async fn promtool_is_content() {
    let server = Server::start("").await;
    server.connect().await.batch_execute("select 1").await.unwrap();
    let (_, metrics) = server.get("/metrics").await;
    let file = server.directory.path().join("metrics");
    std::fs::write(&file, metrics).unwrap();
    let promtool = std::process::Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(std::fs::File::open(&file).unwrap())
        .output();
    let Ok(output) = promtool else { return };
    let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_is_in_force_without_dropping_a_connection() {
    let server = Server::start("revision: a\n").await;
    let client = server.connect().await;
    server.configure("revision: b\nlimits: {maxRows: 5}\nstorage: {memoryPercent: 30}\n");
    let status = server.until_status(|status| status["configuration"]["revision"] == "b").await;
    assert_eq!(status["configuration"]["pendingRestart"], serde_json::json!(["storage.memoryPercent"]));
    let error = client.batch_execute("select * from generate_series(1, 6)").await.unwrap_err();
    assert_eq!(state(&error), "54000");

    server.configure("revision: c\nlimits:\n  maxRow: 5\n");
    let status = server.until_status(|status| !status["configuration"]["lastError"].is_null()).await;
    let message = status["configuration"]["lastError"]["message"].as_str().unwrap();
    assert!(message.contains("maxRow") && message.contains("line 3"), "{message}");
    assert_eq!(status["configuration"]["revision"], "b");

    server.configure("revision: d\n");
    let status = server.until_status(|status| status["configuration"]["revision"] == "d").await;
    assert!(status["configuration"]["lastError"].is_null());
    client.batch_execute("select * from generate_series(1, 6)").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn draining_lets_statements_finish_and_keeps_what_was_committed() {
    let mut server = Server::start("").await;
    let client = server.connect().await;
    client.batch_execute("create table t (a int)").await.unwrap();
    let mut idle = server.raw().await;
    let running = tokio::spawn(async move {
        client.batch_execute("insert into t select 1 from pg_sleep(0.5)").await.unwrap();
    });
    // Connections count as active while they start: the statement itself has to be seen.
    let watch = server.connect().await;
    let seen = "select 1 from pg_stat_activity where state = 'active' and query like 'insert into t%'";
    while watch.query_opt(seen, &[]).await.unwrap().is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let address = server.address();
    let stopping = tokio::spawn(server.instance.take().unwrap().stop(Duration::from_secs(20)));
    assert_eq!(field(&idle.until(b'E').await, 'C'), "57P01");
    running.await.unwrap();
    stopping.await.unwrap().unwrap();
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    server.restart().await;
    let client = server.connect().await;
    assert_eq!(client.query_one("select count(*) from t", &[]).await.unwrap().get::<_, i64>(0), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_end_of_the_grace_period_statements_are_cancelled() {
    let mut server = Server::start("").await;
    let client = server.connect().await;
    let running = tokio::spawn(async move { client.batch_execute("select pg_sleep(600)").await });
    server.until_status(|status| status["connections"]["byState"]["active"] == 1).await;
    server.instance.take().unwrap().stop(Duration::from_millis(50)).await.unwrap();
    assert_eq!(state(&running.await.unwrap().unwrap_err()), "57P01");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_accounts_what_it_used() {
    let server = Server::start("").await;
    let client = server.connect().await;
    client.query("select i from generate_series(1, 100) as i", &[]).await.unwrap();
    let row = client
        .query_one("select state, query, pid from pg_stat_activity where pid = pg_backend_pid()", &[])
        .await
        .unwrap();
    assert_eq!(row.get::<_, String>(0), "active");
    assert!(row.get::<_, String>(1).contains("pg_stat_activity"));
    let status = server.status().await;
    let account = &status["connections"]["list"][0];
    assert_eq!((account["statements"].as_u64(), account["rows"].as_u64()), (Some(2), Some(101)));
    assert!(account["bytesSent"].as_u64().unwrap() > 1_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_says_nothing_does_not_hold_up_the_end() {
    let mut server = Server::start("").await;
    let _silent = Raw::open(server.address()).await;
    server.instance.take().unwrap().stop(Duration::from_secs(60)).await.unwrap();
}
