//! Each limit trips with its error, and the connection and the server go on.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::{Server, field, state, tags};

#[tokio::test(flavor = "multi_thread")]
async fn statements_over_a_limit_fail_alone() {
    let server = Server::start(
        "limits: {queryTimeout: 300ms, maxRows: 1000, maxQueryMemory: 4Mi, maxQuerySize: 1Ki}\n",
    )
    .await;
    let client = server.connect().await;
    let long = format!("select '{}'", "x".repeat(4_000));
    for (sql, expected) in [
        ("select pg_sleep(60)", "57014"),
        ("select i from generate_series(1, 2000) as i", "54000"),
        ("select array_agg(repeat('x', 1000) || i) from generate_series(1, 100000) as i", "53200"),
        (&long, "54000"),
    ] {
        let error = client.simple_query(sql).await.err().unwrap_or_else(|| panic!("{sql} passed"));
        assert_eq!(state(&error), expected, "{sql}");
        let error = client.query(sql, &[]).await.err().unwrap();
        assert_eq!(state(&error), expected, "{sql}, extended");
        assert_eq!(
            client.query("select i from generate_series(1, 1000) as i", &[]).await.unwrap().len(),
            1000
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn statement_timeout_works_below_the_limit_only() {
    let server = Server::start("limits: {queryTimeout: 400ms}\n").await;
    let client = server.connect().await;
    for timeout in ["100ms", "1h", "0"] {
        client.batch_execute(&format!("set statement_timeout = '{timeout}'")).await.unwrap();
        let error = client.batch_execute("select pg_sleep(60)").await.unwrap_err();
        assert_eq!(state(&error), "57014", "{timeout}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_for_a_lock_ends_at_the_deadline() {
    let server = Server::start("limits: {queryTimeout: 300ms}\n").await;
    let (holder, waiter) = (server.connect().await, server.connect().await);
    holder
        .batch_execute("create table t (a int primary key, b int); insert into t values (1, 0)")
        .await
        .unwrap();
    holder.batch_execute("begin; update t set b = 1 where a = 1").await.unwrap();
    for update in ["update t set b = 2 where a = 1", "update t set b = 2 where b + 0 = 0"] {
        assert_eq!(state(&waiter.batch_execute(update).await.unwrap_err()), "57014", "{update}");
    }
    holder.batch_execute("commit").await.unwrap();
    waiter.batch_execute("update t set b = 2 where a = 1").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_waits_for_a_lock_lends_its_slot() {
    let server = Server::start("pool: {activeStatements: 1}\n").await;
    let (holder, waiter) = (server.connect().await, server.connect().await);
    holder
        .batch_execute("create table t (a int primary key, b int); insert into t values (1, 0)")
        .await
        .unwrap();
    holder.batch_execute("begin; update t set b = 1 where a = 1").await.unwrap();
    // Not a point statement: it waits for the lock on a worker thread.
    let blocked = tokio::spawn(async move {
        waiter.batch_execute("update t set b = b + 10 where b >= 0").await.unwrap();
        waiter.query_one("select b from t", &[]).await.unwrap().get::<_, i32>(0)
    });
    server.until_status(|status| status["connections"]["byState"]["active"] == 1).await;
    holder.batch_execute("select sum(i) from generate_series(1, 1000) as i").await.unwrap();
    holder.batch_execute("commit").await.unwrap();
    assert_eq!(blocked.await.unwrap(), 11);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_sleeps_lends_its_slot() {
    let server = Server::start("pool: {activeStatements: 1}\n").await;
    let (sleeper, other) = (server.connect().await, server.connect().await);
    // One on a worker thread, one that would be a point statement.
    other.batch_execute("create table t (a int primary key); insert into t values (1)").await.unwrap();
    for sleep in ["select pg_sleep(3600)", "select pg_sleep(3600) from t where a = 1"] {
        let cancel = sleeper.cancel_token();
        let asleep = async { sleeper.batch_execute(sleep).await.unwrap_err() };
        let awake = async {
            server.until_status(|status| status["connections"]["byState"]["active"] == 1).await;
            let query =
                "select wait_event from pg_stat_activity where state = 'active' and pid <> pg_backend_pid()";
            while other
                .query_one(query, &[])
                .await
                .is_ok_and(|row| row.get::<_, Option<&str>>(0) != Some("PgSleep"))
            {
                tokio::task::yield_now().await;
            }
            other.batch_execute("select sum(i) from generate_series(1, 1000) as i").await.unwrap();
            cancel.cancel_query(tokio_postgres::NoTls).await.unwrap();
        };
        let (error, ()) = tokio::join!(asleep, awake);
        assert_eq!(state(&error), "57014", "{sleep}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_too_many_waits_then_gets_its_error() {
    let server = Server::start("pool: {maxConnections: 1, acquireTimeout: 100ms}\n").await;
    let first = server.connect().await;
    let error = server.try_connect("").await.err().unwrap();
    assert_eq!(state(&error), "53300");
    server.configure("pool: {maxConnections: 1, acquireTimeout: 60s}\n");
    server.until_status(|status| status["configuration"]["inForce"]["pool"]["acquireTimeout"] == "60s").await;
    let (second, ()) = tokio::join!(server.try_connect(""), async { drop(first) });
    second.unwrap().batch_execute("select 1").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_are_closed() {
    let server = Server::start("pool: {idleTimeout: 100ms, idleInTransactionTimeout: 100ms}\n").await;
    let mut idle = server.raw().await;
    let messages = idle.until(b'E').await;
    assert_eq!((field(&messages, 'C'), field(&messages, 'S')), ("57P05".to_owned(), "FATAL".to_owned()));
    assert!(idle.next().await.is_none());
    let mut open = server.raw().await;
    open.send(b'Q', b"begin\0").await;
    open.until(b'Z').await;
    assert_eq!(field(&open.until(b'E').await, 'C'), "25P03");
    assert!(open.next().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_text_that_is_too_long_leaves_the_connection_usable() {
    let server = Server::start("limits: {maxQuerySize: 1Ki}\n").await;
    let mut raw = server.raw().await;
    raw.send(b'Q', &vec![b' '; 3 << 20]).await;
    let messages = raw.until(b'Z').await;
    assert_eq!((tags(&messages), field(&messages, 'C')), ("EZ".to_owned(), "54000".to_owned()));
    let mut body = vec![0];
    body.extend(vec![b' '; 3 << 20]);
    raw.send(b'P', &body).await;
    raw.send(b'S', b"").await;
    assert_eq!(tags(&raw.until(b'Z').await), "EZ");
    raw.send(b'Q', b"select 1\0").await;
    assert_eq!(tags(&raw.until(b'Z').await), "TDCZ");
}
