//! Foreign keys between connections: a key and the rows that refer to it cannot miss each other.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::{Server, state};
use std::sync::Arc;

async fn two_connections(server: &Server) -> (tokio_postgres::Client, Arc<tokio_postgres::Client>) {
    let one = server.connect().await;
    one.batch_execute(
        "create table p (id int primary key, n int not null default 0);
         create table c (id int primary key, p_id int references p);
         insert into p values (1), (2)",
    )
    .await
    .unwrap();
    (one, Arc::new(server.connect().await))
}

/// Runs a statement on another task; gives it when it waits for a lock.
async fn waiting(
    server: &Server,
    client: &Arc<tokio_postgres::Client>,
    sql: &'static str,
) -> tokio::task::JoinHandle<Result<u64, tokio_postgres::Error>> {
    let client = Arc::clone(client);
    let task = tokio::spawn(async move { client.execute(sql, &[]).await });
    let watcher = server.connect().await;
    let waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'";
    while watcher.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        assert!(!task.is_finished(), "{sql} did not wait");
        tokio::task::yield_now().await;
    }
    task
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_waits_for_a_row_that_refers() {
    let server = Server::start("").await;
    let (one, two) = two_connections(&server).await;
    one.batch_execute("begin; insert into c values (1, 1)").await.unwrap();
    let delete = waiting(&server, &two, "delete from p where id = 1").await;
    one.batch_execute("commit").await.unwrap();
    assert_eq!(state(&delete.await.unwrap().unwrap_err()), "23503");
    // And goes through where the row does not come.
    one.batch_execute("begin; insert into c values (2, 2)").await.unwrap();
    let delete = waiting(&server, &two, "delete from p where id = 2").await;
    one.batch_execute("rollback").await.unwrap();
    assert_eq!(delete.await.unwrap().unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_refers_waits_for_a_delete() {
    let server = Server::start("").await;
    let (one, two) = two_connections(&server).await;
    one.batch_execute("begin; delete from p where id = 1").await.unwrap();
    let insert = waiting(&server, &two, "insert into c values (1, 1)").await;
    one.batch_execute("commit").await.unwrap();
    assert_eq!(state(&insert.await.unwrap().unwrap_err()), "23503");
    assert_eq!(one.query_one("select count(*) from c", &[]).await.unwrap().get::<_, i64>(0), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_columns_of_a_referenced_row_stay_free() {
    let server = Server::start("").await;
    let (one, two) = two_connections(&server).await;
    one.batch_execute("begin; insert into c values (1, 1)").await.unwrap();
    assert_eq!(two.execute("update p set n = n + 1 where id = 1", &[]).await.unwrap(), 1);
    // Both refer to the same key and then change its row: no deadlock.
    two.batch_execute("begin; insert into c values (2, 1); update p set n = n + 1 where id = 1")
        .await
        .unwrap();
    two.batch_execute("commit").await.unwrap();
    one.batch_execute("update p set n = n + 1 where id = 1; commit").await.unwrap();
    assert_eq!(one.query_one("select n from p where id = 1", &[]).await.unwrap().get::<_, i32>(0), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_last_across_a_restart() {
    let mut server = Server::start("").await;
    let (one, two) = two_connections(&server).await;
    one.batch_execute("insert into c values (1, 1)").await.unwrap();
    drop((one, two));
    server.restart().await;
    let client = server.connect().await;
    let error = client.execute("delete from p where id = $1", &[&1_i32]).await.unwrap_err();
    assert_eq!(state(&error), "23503");
    let error = client.execute("insert into c values (2, 9)", &[]).await.unwrap_err();
    assert_eq!(state(&error), "23503");
}
