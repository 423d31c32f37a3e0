//! CREATE INDEX CONCURRENTLY beside writers, readers, errors and a restart.

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod harness;

use harness::{connect, ok, open, simple, state};
use plimsoll_sql::session::{Database, Session};
use plimsoll_sql::types::Datum;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn valid(session: &mut Session, index: &str) -> Option<bool> {
    let sql = format!(
        "select indisvalid from pg_index join pg_class c on c.oid = indexrelid where relname = '{index}'"
    );
    ok(session, &sql).first().map(|row| row[0] == Datum::Bool(true))
}

fn uses(session: &mut Session, sql: &str, index: &str) -> bool {
    let plan = ok(session, &format!("explain (costs off) {sql}"));
    plan.iter().any(|line| matches!(&line[0], Datum::Text(text) if text.contains(&format!("using {index} "))))
}

/// Begins the build on a thread, and gives it once the index is in the catalog: it waits for whoever writes at the moment.
fn build<'s>(
    scope: &'s std::thread::Scope<'s, '_>,
    database: &'s Arc<Database>,
    sql: &'static str,
) -> std::thread::ScopedJoinHandle<'s, plimsoll_sql::Result<()>> {
    let builder = scope.spawn(move || simple(&mut connect(database), sql).map(drop));
    let mut s = connect(database);
    while valid(&mut s, "i").is_none() {
        std::thread::yield_now();
    }
    builder
}

#[test]
fn writers_go_on_while_an_index_is_built() {
    let directory = tempfile::tempdir().unwrap();
    let (_engine, database) = open(directory.path());
    let mut s = connect(&database);
    ok(&mut s, "create table t (id int primary key, k int, v int)");
    ok(&mut s, "insert into t select i, i % 50, 0 from generate_series(1, 4000) i");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for writer in 0..3_u64 {
            let (database, stop) = (&database, &stop);
            scope.spawn(move || {
                let mut s = connect(database);
                let mut random = writer + 1;
                let mut next = 10_000 * (writer + 1);
                while !stop.load(Ordering::Relaxed) {
                    random = random
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    let id = (random >> 33) % 4000 + 1;
                    let k = (random >> 20) % 50;
                    next += 1;
                    ok(&mut s, "begin");
                    ok(&mut s, &format!("update t set k = {k} where id = {id}"));
                    ok(&mut s, &format!("insert into t values ({next}, {k}, 1)"));
                    ok(&mut s, &format!("update t set v = v + 1 where id = {next}"));
                    if random >> 63 == 1 {
                        ok(&mut s, &format!("delete from t where id = {next}"));
                    }
                    ok(&mut s, if (random >> 62) & 1 == 1 { "commit" } else { "rollback" });
                }
            });
        }
        ok(&mut connect(&database), "create index concurrently i on t (k)");
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(valid(&mut s, "i"), Some(true));
    let counts = ok(&mut s, "select k, count(*), sum(id) from t group by k order by k");
    assert!(uses(&mut s, "select id from t where k = 3", "i"));
    for row in counts {
        let Datum::Int4(k) = row[0] else { panic!("{row:?}") };
        let found = ok(&mut s, &format!("select count(*), sum(id) from t where k = {k}"));
        assert_eq!(found[0], row[1..], "k = {k}");
    }
}

#[test]
fn a_build_waits_for_older_writers_and_no_one_waits_for_it() {
    let directory = tempfile::tempdir().unwrap();
    let (_engine, database) = open(directory.path());
    let (mut a, mut b) = (connect(&database), connect(&database));
    ok(&mut a, "create table t (id int primary key, k int)");
    ok(&mut a, "insert into t select i, i from generate_series(1, 1000) i");
    ok(&mut a, "begin; insert into t values (1001, 1001)");
    std::thread::scope(|scope| {
        let builder = build(scope, &database, "create unique index concurrently i on t (k)");
        assert_eq!(valid(&mut b, "i"), Some(false));
        assert!(!uses(&mut b, "select id from t where k = 5", "i"), "an index that is not valid is not read");
        ok(&mut b, "set lock_timeout = '2s'");
        ok(
            &mut b,
            "insert into t values (1002, 1002); update t set k = -7 where id = 7; delete from t where id = 8",
        );
        // The new row has the key of an old one, which has no entry yet: taking the old one away must leave the new one's.
        ok(&mut b, "begin; insert into t values (1003, 9); delete from t where id = 9; commit");
        assert_eq!(state(&simple(&mut b, "insert into t values (1004, 1002)").unwrap_err()), "23505");
        ok(&mut a, "insert into t values (1005, 1005); commit");
        builder.join().unwrap().unwrap();
    });
    assert_eq!(valid(&mut b, "i"), Some(true));
    assert!(uses(&mut b, "select id from t where k = 5", "i"));
    for (k, id) in [(1001, 1001), (1002, 1002), (-7, 7), (9, 1003), (1005, 1005), (1000, 1000)] {
        assert_eq!(ok(&mut b, &format!("select id from t where k = {k}")), [[Datum::Int4(id)]], "k = {k}");
    }
    for k in [7, 8] {
        assert!(ok(&mut b, &format!("select id from t where k = {k}")).is_empty(), "k = {k}");
    }
}

#[test]
fn a_build_waits_for_a_locked_row_and_not_for_old_snapshots() {
    let directory = tempfile::tempdir().unwrap();
    let (_engine, database) = open(directory.path());
    let (mut a, mut reader) = (connect(&database), connect(&database));
    ok(
        &mut a,
        "create table t (id int primary key, k int); insert into t select i, i from generate_series(1, 100) i",
    );
    ok(&mut reader, "begin isolation level repeatable read; select count(*) from t");
    std::thread::scope(|scope| {
        ok(&mut a, "begin; update t set k = 0 where id = 50");
        let builder = build(scope, &database, "create index concurrently i on t (k)");
        // Another writer locks a row before the first one lets the build go on.
        let mut b = connect(&database);
        ok(&mut b, "begin; update t set k = 1000 where id = 60");
        ok(&mut a, "commit");
        ok(&mut b, "commit");
        assert_eq!(ok(&mut reader, "select id from t where k = 60"), [[Datum::Int4(60)]]);
        builder.join().unwrap().unwrap();
    });
    assert_eq!(valid(&mut a, "i"), Some(true));
    assert_eq!(ok(&mut reader, "select id from t where k = 60"), [[Datum::Int4(60)]]);
    assert!(ok(&mut reader, "select id from t where k = 1000").is_empty());
    ok(&mut reader, "commit");
    assert_eq!(ok(&mut a, "select id from t where k = 1000"), [[Datum::Int4(60)]]);
    assert_eq!(ok(&mut a, "select id from t where k = 0"), [[Datum::Int4(50)]]);
}

#[test]
fn a_failed_build_leaves_an_index_that_nobody_reads() {
    let directory = tempfile::tempdir().unwrap();
    {
        let (engine, database) = open(directory.path());
        let mut s = connect(&database);
        ok(&mut s, "create table t (id int primary key, k int); insert into t values (1, 1), (2, 2), (3, 1)");
        let error = simple(&mut s, "create unique index concurrently i on t (k)").unwrap_err();
        assert_eq!(error.fields().message, "could not create unique index \"i\"");
        assert_eq!(error.fields().detail, "Key (k)=(1) is duplicated.");
        assert_eq!(valid(&mut s, "i"), Some(false));
        ok(&mut s, "begin");
        assert_eq!(state(&simple(&mut s, "create index concurrently on t (k)").unwrap_err()), "25001");
        ok(&mut s, "rollback");
        assert_eq!(
            state(&simple(&mut s, "select 1; create index concurrently on t (k)").unwrap_err()),
            "25001"
        );
        ok(&mut s, "create index concurrently if not exists i on t (id)");
        s.end();
        drop(s);
        engine.close().unwrap();
    }
    let (_engine, database) = open(directory.path());
    let mut s = connect(&database);
    assert_eq!(valid(&mut s, "i"), Some(false));
    ok(&mut s, "insert into t select i, i from generate_series(10, 2000) i");
    assert!(!uses(&mut s, "select id from t where k = 1", "i"));
    assert_eq!(ok(&mut s, "select count(*) from t where k = 1"), [[Datum::Int8(2)]]);
    ok(&mut s, "drop index i; delete from t where id = 3");
    ok(&mut s, "create unique index concurrently i on t (k)");
    assert_eq!(valid(&mut s, "i"), Some(true));
    assert_eq!(ok(&mut s, "select id from t where k = 1"), [[Datum::Int4(1)]]);
    // The session's own isolation is as it was.
    ok(&mut s, "set default_transaction_isolation = 'repeatable read'");
    ok(&mut s, "create index concurrently j on t (k, id)");
    ok(&mut s, "begin");
    assert_eq!(ok(&mut s, "show transaction_isolation"), [[Datum::text("repeatable read")]]);
}

/// What the log has to hold shows what was written.
#[test]
fn an_update_of_other_columns_writes_no_index_entry() {
    let directory = tempfile::tempdir().unwrap();
    let (engine, database) = open(directory.path());
    let mut s = connect(&database);
    let mut written = |sql: &str| {
        let before = engine.stats().wal_bytes;
        ok(&mut s, sql);
        engine.stats().wal_bytes - before
    };
    let indexes =
        "create index on t (k); create unique index on t (k, id); create index on t (lower(w)) where k > 0";
    written("create table plain (id int primary key, k int, v int, w text)");
    written("create table t (id int primary key, k int, v int, w text)");
    written(indexes);
    for table in ["plain", "t"] {
        written(&format!("insert into {table} select i, i, 0, 'w' from generate_series(1, 500) i"));
    }
    // (statement, whether it changes what an index has)
    for (sql, indexed) in [
        ("update T set v = v + 1", false),
        ("update T set v = 7 where id = 1", false),
        ("update T set k = k, v = 8", false),
        ("insert into T values (1, 1, 1, 'w') on conflict (id) do update set v = 9", false),
        ("update T set k = k + 1000", true),
    ] {
        let plain = written(&sql.replace('T', "plain"));
        let with_indexes = written(&sql.replace('T', "t"));
        if indexed {
            assert!(with_indexes > plain * 3, "{sql}: {with_indexes} beside {plain} bytes");
        } else {
            assert!(with_indexes.abs_diff(plain) <= 8, "{sql}: {with_indexes} beside {plain} bytes");
        }
    }
}

#[test]
fn an_upsert_does_not_count_on_an_index_that_is_not_valid() {
    let directory = tempfile::tempdir().unwrap();
    let (_engine, database) = open(directory.path());
    let mut s = connect(&database);
    ok(&mut s, "create table t (id int primary key, k int); insert into t values (1, 1), (2, 1)");
    let upsert = "insert into t values (3, 1) on conflict (k) do nothing";
    assert_eq!(state(&simple(&mut s, "create unique index concurrently i on t (k)").unwrap_err()), "23505");
    assert_eq!(state(&simple(&mut s, upsert).unwrap_err()), "42P10");
    ok(&mut s, "delete from t where id = 2; drop index i");
    ok(&mut s, "create unique index concurrently i on t (k)");
    ok(&mut s, upsert);
    assert_eq!(ok(&mut s, "select count(*) from t"), [[Datum::Int8(1)]]);
}

#[test]
fn a_build_is_no_part_of_a_deadlock_with_other_definitions() {
    let directory = tempfile::tempdir().unwrap();
    let (_engine, database) = open(directory.path());
    let (mut a, mut b) = (connect(&database), connect(&database));
    ok(&mut a, "create table t (id int primary key, k int); insert into t values (1, 1)");
    // The other one has the catalog, and comes for the table only then.
    ok(&mut a, "begin; create table other (id int)");
    std::thread::scope(|scope| {
        let builder = scope.spawn(|| simple(&mut b, "create index concurrently i on t (k)").map(drop));
        let mut s = connect(&database);
        // It waits for the catalog with nothing in its hands.
        for _ in 0..300 {
            let held = "select count(*) from pg_locks where locktype = 'transactionid'";
            assert_eq!(ok(&mut s, held), [[Datum::Int8(1)]]);
        }
        ok(&mut a, "alter table t add column w int; commit");
        builder.join().unwrap().unwrap();
    });
    assert_eq!(valid(&mut a, "i"), Some(true));
}
