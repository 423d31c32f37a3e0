//! DELETE of very many rows, whose deletions go to files: what it leaves behind in the table and in its indexes, and what a rollback does.

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod harness;

use harness::{connect, execute, ok, open, simple, state, sync};
use plimsoll_sql::session::{Database, DatabaseOptions, Session};
use plimsoll_sql::types::Datum;
use plimsoll_storage::io::RealIo;
use plimsoll_storage::{Engine, Options};

const ROWS: i64 = 16_000;

/// A table with three indexes, whose rows are in files, and one that refers to it.
fn fill(session: &mut Session, engine: &Engine) {
    ok(
        session,
        &format!(
            "create table t (id int primary key, k int, v text);
             create index by_k on t (k);
             create unique index by_v on t (v);
             create index thirds on t (k) where id % 3 = 0;
             create table child (t int references t on delete cascade);
             insert into t select i, i * 7919 % 10000, 'row ' || i from generate_series(1, {ROWS}) i;
             insert into child select i from generate_series(1, {ROWS}, 500) i;
             analyze"
        ),
    );
    engine.checkpoint().unwrap();
}

fn number(session: &mut Session, sql: &str) -> i64 {
    match &ok(session, sql)[0][0] {
        Datum::Int8(x) => *x,
        Datum::Int4(x) => i64::from(*x),
        Datum::Null => -1,
        other => panic!("{sql}: {other:?}"),
    }
}

/// The table, and each of its indexes, has the rows with these ids and no others.
fn has(session: &mut Session, wanted: impl Fn(i64) -> bool) {
    let ids: Vec<i64> = (1..=ROWS).filter(|id| wanted(*id)).collect();
    let count = ids.len() as i64;
    assert_eq!(number(session, "select count(*) from t"), count);
    assert_eq!(number(session, "select sum(id) from t"), if count == 0 { -1 } else { ids.iter().sum() });
    for id in [1, 2, 3, 4, 8, 12_001, 15_999, 16_000] {
        let k = id * 7919 % 10_000;
        let same: Vec<i64> = (1..=ROWS).filter(|id| id * 7919 % 10_000 == k && wanted(*id)).collect();
        let queries = [
            (format!("select count(*) from t where id = {id}"), i64::from(wanted(id))),
            (format!("select count(*) from t where v = 'row {id}'"), i64::from(wanted(id))),
            (format!("select count(*) from t where k = {k}"), same.len() as i64),
            (
                format!("select count(*) from t where k = {k} and id % 3 = 0"),
                same.iter().filter(|id| *id % 3 == 0).count() as i64,
            ),
        ];
        for (sql, expected) in queries {
            let plan = ok(session, &format!("explain (costs off) {sql}"));
            let by_index =
                plan.iter().any(|line| matches!(&line[0], Datum::Text(text) if text.contains("using ")));
            assert!(by_index, "{sql}: {plan:?}");
            assert_eq!(number(session, &sql), expected, "{sql}");
        }
    }
    let children = (1..=ROWS).step_by(500).filter(|id| wanted(*id)).count() as i64;
    assert_eq!(number(session, "select count(*) from child"), children);
}

#[test]
fn rows_entries_and_children_go_and_come_back_with_a_rollback() {
    let directory = tempfile::tempdir().unwrap();
    let (engine, database) = open(directory.path());
    let (mut s, mut other) = (connect(&database), connect(&database));
    fill(&mut s, &engine);
    // Half of them are in memory as well.
    engine.shrink_memory(2 << 20).unwrap();
    ok(&mut s, "begin; delete from t where id % 4 <> 0");
    // The table, and two of its indexes; the third has too few.
    assert_eq!(engine.stats().deleted_in_files as i64, ROWS / 4 * 3 * 3);
    has(&mut s, |id| id % 4 == 0);
    has(&mut other, |_| true);
    ok(&mut s, "rollback");
    has(&mut s, |_| true);
    ok(
        &mut s,
        "begin; delete from t where id <= 10; savepoint s; delete from t where id % 4 <> 0; rollback to s",
    );
    has(&mut s, |id| id > 10);
    ok(&mut s, "insert into t values (3, 3 * 7919 % 10000, 'row 3'), (4, 4 * 7919 % 10000, 'row 4')");
    let returned = "with gone as (delete from t where id % 4 <> 0 returning id, v)
                    select count(distinct v) from gone where v = 'row ' || id";
    assert_eq!(number(&mut s, returned), ROWS / 4 * 3 - 8 + 1);
    has(&mut s, |id| id % 4 == 0 && id != 8);
    ok(&mut s, "commit");
    for _ in 0..2 {
        has(&mut other, |id| id % 4 == 0 && id != 8);
        // The keys are free again.
        ok(
            &mut s,
            "begin; insert into t select i, i * 7919 % 10000, 'row ' || i from generate_series(1, 16000) i where i % 4 <> 0 or i = 8",
        );
        assert_eq!(number(&mut s, "select count(*) from t"), ROWS);
        ok(&mut s, "rollback");
        engine.checkpoint().unwrap();
        while engine.compact().unwrap() {}
    }
    drop((s, other, database));
    engine.close().unwrap();
    drop(engine);
    let (_engine, database) = open(directory.path());
    has(&mut connect(&database), |id| id % 4 == 0 && id != 8);
}

#[test]
fn a_statement_that_fails_takes_its_files_back() {
    let directory = tempfile::tempdir().unwrap();
    let (engine, database) = open(directory.path());
    let mut s = connect(&database);
    fill(&mut s, &engine);
    ok(&mut s, "create table stays (t int references t); insert into stays values (12001)");
    let failed = simple(&mut s, "delete from t where id > 1000").unwrap_err();
    assert_eq!(state(&failed), "23503");
    has(&mut s, |_| true);
    ok(&mut s, "delete from stays; delete from t");
    has(&mut s, |_| false);
    // In the transaction that wrote them.
    ok(
        &mut s,
        "begin; insert into t select i, i * 7919 % 10000, 'row ' || i from generate_series(1, 16000) i;
         delete from t where id % 4 <> 0",
    );
    assert_eq!(number(&mut s, "select count(*) from t"), ROWS / 4);
    ok(&mut s, "commit; insert into child select id from t where id % 500 = 1");
    has(&mut s, |id| id % 4 == 0);
}

#[test]
fn a_row_is_deleted_once() {
    let directory = tempfile::tempdir().unwrap();
    let (engine, database) = open(directory.path());
    let mut s = connect(&database);
    fill(&mut s, &engine);
    engine.shrink_memory(0).unwrap();
    // By the first that comes to it, of two that see the same rows.
    for (first, count) in [("true", ROWS), ("id % 4 <> 0", ROWS / 4 * 3)] {
        ok(&mut s, "begin");
        let twice = format!(
            "with a as (delete from t where {first} returning id), b as (delete from t returning id)
             select (select count(*) from a), (select count(*) from b)"
        );
        assert_eq!(ok(&mut s, &twice), [[Datum::Int8(count), Datum::Int8(ROWS - count)]], "{first}");
        has(&mut s, |_| false);
        ok(&mut s, "rollback");
    }
    ok(&mut s, "begin");
    s.parse("gone", "delete from t returning id", &[]).unwrap();
    s.bind("gone", "gone", &[], &[]).unwrap();
    let (_, begun) = execute(&mut s, "gone", 10).unwrap();
    assert_eq!(begun.len(), 10);
    s.parse("rest", "with b as (delete from t returning id) select count(*) from b", &[]).unwrap();
    s.bind("rest", "rest", &[], &[]).unwrap();
    let (_, rest) = execute(&mut s, "rest", 0).unwrap();
    let (_, more) = execute(&mut s, "gone", 0).unwrap();
    let Datum::Int8(rest) = rest[0][0] else { panic!("{rest:?}") };
    assert_eq!(10 + more.len() as i64 + rest, ROWS);
    sync(&mut s);
    has(&mut s, |_| false);
    ok(&mut s, "commit");
}

#[test]
fn a_scan_passes_by_neighbours_that_were_deleted_at_once() {
    let deletes = [
        // By the key, by another column whose rows are neighbours, and by one where one row between them stays.
        ("id between 3001 and 15000", 4_000, true),
        ("n > 3000 and n <= 15000", 4_000, true),
        ("n > 3000 and n <= 15000 and n <> 9000", 4_001, false),
        ("id > 3000 and n <> 3001", 3_001, true),
        (
            "id = any (array(select i from generate_series(1, 16000) i where i > 3000 and i <> 9000))",
            3_001,
            false,
        ),
    ];
    for (condition, rows, passes) in deletes {
        let directory = tempfile::tempdir().unwrap();
        // A compaction would read blocks beside the scans.
        let options = Options { background: false, ..Options::default() };
        let engine = Engine::open(RealIo::shared(), directory.path(), options).unwrap();
        let database = Database::open(engine.clone(), DatabaseOptions::default()).unwrap();
        let mut s = connect(&database);
        ok(
            &mut s,
            &format!(
                "create table t (id int primary key, n int, v text);
                 insert into t select i, i, md5(i::text) from generate_series(1, {ROWS}) i"
            ),
        );
        engine.checkpoint().unwrap();
        engine.shrink_memory(0).unwrap();
        let mut scan = || {
            let asked = || engine.stats().cache_hits + engine.stats().cache_misses;
            let before = asked();
            let rows = number(&mut s, "select count(*) from t where v > ''");
            (rows, asked() - before)
        };
        let (_, whole) = scan();
        assert_eq!(scan(), (ROWS, whole));
        ok(&mut connect(&database), &format!("delete from t where {condition}"));
        assert_eq!(engine.stats().deleted_in_files as i64, ROWS - rows, "{condition}");
        let (left, blocks) = scan();
        assert_eq!(left, rows, "{condition}");
        assert_eq!(blocks * 2 < whole, passes, "{condition}: {blocks} blocks of {whole}");
    }
}
