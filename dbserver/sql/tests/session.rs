//! A session as the wire layer drives it: the extended protocol, portals, plans after DDL, and what a restart keeps.

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod harness;

use harness::{Rows, connect, execute, ok, open, simple, state, sync, tag};
use plimsoll_sql::context::QueryContext;
use plimsoll_sql::session::{Database, DatabaseOptions, Mode, Step, TransactionStatus};
use plimsoll_sql::types::Datum;
use plimsoll_storage::{Engine, Options, io::RealIo};

/// The protocol promises that each message of data is one row; psycopg reads rows by it.
#[test]
fn copy_gives_each_row_by_itself() {
    let directory = tempfile::tempdir().unwrap();
    let (_engine, database) = open(directory.path());
    let mut s = connect(&database);
    let sizes = |rows: Vec<Vec<Datum>>| -> Vec<usize> {
        let size = |row: &Vec<Datum>| match row.as_slice() {
            [Datum::Bytea(data)] => data.len(),
            other => panic!("{other:?}"),
        };
        rows.iter().map(size).collect()
    };
    let text = ok(&mut s, "copy (select i from generate_series(8, 11) i) to stdout");
    assert_eq!(sizes(text), [2, 2, 3, 3]);
    let csv = ok(&mut s, "copy (select 1 as number) to stdout csv header");
    assert_eq!(sizes(csv), [7, 2]);
    // The header comes with the first row: a signature, flags and a length, then a count and a value with its length.
    let binary = ok(&mut s, "copy (select i from generate_series(1, 2) i) to stdout (format binary)");
    assert_eq!(sizes(binary), [19 + 10, 10, 2]);
}

#[test]
fn a_portal_gives_its_rows_in_parts_and_ends_with_its_transaction() {
    let directory = tempfile::tempdir().unwrap();
    let (_engine, database) = open(directory.path());
    let mut s = connect(&database);
    ok(&mut s, "create table t (a int); insert into t select generate_series(1, 2500)");
    s.parse("q", "select a from t where a > $1 order by a", &[]).unwrap();
    assert_eq!(s.describe_statement("q").unwrap().params[0].name(), "int4");
    ok(&mut s, "begin");
    s.bind("p", "q", &[Some((0, b"10"))], &[]).unwrap();
    let (step, rows) = execute(&mut s, "p", 1000).unwrap();
    assert!(matches!(step, Step::Suspended));
    assert_eq!((rows.len(), &rows[0][0]), (1000, &Datum::Int4(11)));
    sync(&mut s);
    let (step, rows) = execute(&mut s, "p", 2000).unwrap();
    assert_eq!((tag(step), rows.len()), ("SELECT 1490".to_owned(), 1490));
    ok(&mut s, "commit");
    assert_eq!(state(&execute(&mut s, "p", 0).unwrap_err()), "34000");
    // An unknown statement, a wrong number of parameters, a value that is none.
    assert_eq!(state(&s.bind("", "none", &[], &[]).unwrap_err()), "26000");
    assert_eq!(state(&s.bind("", "q", &[], &[]).unwrap_err()), "08P01");
    assert_eq!(state(&s.bind("", "q", &[Some((0, b"x"))], &[]).unwrap_err()), "22P02");
}

#[test]
fn a_statement_is_planned_again_after_ddl_but_keeps_its_result_type() {
    let directory = tempfile::tempdir().unwrap();
    let (_engine, database) = open(directory.path());
    let (mut s, mut other) = (connect(&database), connect(&database));
    ok(&mut s, "create table t (a int primary key, b text); insert into t values (1, 'x')");
    s.parse("all", "select * from t", &[]).unwrap();
    s.parse("one", "select b from t where a = $1", &[]).unwrap();
    ok(&mut other, "alter table t add column c int default 7");
    s.bind("", "one", &[Some((1, &[0, 0, 0, 1]))], &[]).unwrap();
    assert_eq!(execute(&mut s, "", 0).unwrap().1, [[Datum::text("x")]]);
    sync(&mut s);
    let error = s.bind("", "all", &[], &[]).unwrap_err();
    assert_eq!(
        (state(&error), error.fields().message.as_str()),
        ("0A000", "cached plan must not change result type")
    );
    s.fail(&error);
    ok(&mut other, "drop table t");
    assert_eq!(state(&s.bind("", "one", &[Some((0, b"1"))], &[]).unwrap_err()), "42P01");
}

#[test]
fn statements_of_one_query_string_are_one_transaction() {
    let directory = tempfile::tempdir().unwrap();
    let (_engine, database) = open(directory.path());
    let mut s = connect(&database);
    ok(&mut s, "create table t (a int primary key)");
    assert!(simple(&mut s, "insert into t values (1); insert into t values (1)").is_err());
    assert_eq!(ok(&mut s, "select count(*) from t"), [[Datum::Int8(0)]]);
    assert_eq!(s.transaction_status(), TransactionStatus::Idle);
    assert!(simple(&mut s, "begin; insert into t values (1); select 1/0").is_err());
    assert_eq!(s.transaction_status(), TransactionStatus::Failed);
    assert_eq!(state(&simple(&mut s, "select 1").unwrap_err()), "25P02");
    ok(&mut s, "rollback");
    assert_eq!(ok(&mut s, "select count(*) from t"), [[Datum::Int8(0)]]);
    // Literals share a plan.
    ok(&mut s, "insert into t values (1)");
    let misses = database.stats().plan_misses;
    for i in 2..20 {
        ok(&mut s, &format!("insert into t values ({i})"));
        assert_eq!(ok(&mut s, &format!("select a from t where a = {i}")), [[Datum::Int4(i)]]);
    }
    assert!(database.stats().plan_misses <= misses + 2);
}

#[test]
fn plans_are_not_shared_between_settings_that_constants_depend_on() {
    let directory = tempfile::tempdir().unwrap();
    let (_engine, database) = open(directory.path());
    let (mut a, mut b) = (connect(&database), connect(&database));
    let noon = "select '2024-07-01 12:00'::timestamptz at time zone 'UTC' = '2024-07-01 12:00'::timestamp";
    a.parse("noon", noon, &[]).unwrap();
    assert_eq!(ok(&mut a, noon), [[Datum::Bool(true)]]);
    ok(&mut b, "set time zone 'Europe/Berlin'");
    assert_eq!(ok(&mut b, noon), [[Datum::Bool(false)]]);
    ok(&mut a, "set time zone 'Asia/Tokyo'");
    a.bind("", "noon", &[], &[]).unwrap();
    assert_eq!(execute(&mut a, "", 0).unwrap().1, [[Datum::Bool(false)]]);
    sync(&mut a);
    assert_eq!(ok(&mut a, noon), [[Datum::Bool(false)]]);
}

#[test]
fn uncommitted_ddl_is_seen_by_its_transaction_alone() {
    let directory = tempfile::tempdir().unwrap();
    let (_engine, database) = open(directory.path());
    let (mut a, mut b) = (connect(&database), connect(&database));
    ok(&mut a, "create table t (a int); insert into t values (1)");
    ok(&mut a, "begin; create table u (x int); insert into u values (1); truncate t");
    assert_eq!(state(&simple(&mut b, "select * from u").unwrap_err()), "42P01");
    assert_eq!(ok(&mut b, "select count(*) from t"), [[Datum::Int8(1)]]);
    ok(&mut a, "commit");
    assert_eq!(ok(&mut b, "select count(*) from u"), [[Datum::Int8(1)]]);
    assert_eq!(ok(&mut b, "select count(*) from t"), [[Datum::Int8(0)]]);
}

#[test]
fn ddl_waits_for_writers_and_writers_for_ddl() {
    let directory = tempfile::tempdir().unwrap();
    let (_engine, database) = open(directory.path());
    let (mut a, mut b) = (connect(&database), connect(&database));
    ok(&mut a, "create table t (a int)");
    ok(&mut a, "begin; insert into t values (1)");
    ok(&mut b, "set lock_timeout = '50ms'");
    assert_eq!(state(&simple(&mut b, "create index on t (a)").unwrap_err()), "55P03");
    ok(&mut a, "commit");
    ok(&mut b, "create index on t (a)");
    // A writer that waited for a rewrite writes to the new tree.
    ok(&mut a, "begin; alter table t add primary key (a)");
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| ok(&mut b, "set lock_timeout = 0; insert into t values (2)"));
        ok(&mut a, "commit");
        writer.join().unwrap();
    });
    assert_eq!(ok(&mut a, "select count(*) from t where a in (1, 2)"), [[Datum::Int8(2)]]);
}

#[test]
fn a_transaction_says_whether_its_commit_waits_for_the_disk() {
    let directory = tempfile::tempdir().unwrap();
    // Nothing syncs the log but who waits for it.
    let options = Options { background: false, ..Options::default() };
    let engine = Engine::open(RealIo::shared(), directory.path(), options).unwrap();
    let database = Database::open(engine.clone(), DatabaseOptions::default()).unwrap();
    let mut s = connect(&database);
    ok(&mut s, "create table t (a int)");
    let is_durable = || {
        let stats = engine.stats();
        stats.durable_lsn == stats.last_lsn
    };
    for (statements, durable) in [
        ("insert into t values (1)", true),
        ("set synchronous_commit = off; insert into t values (1)", false),
        ("begin; insert into t values (1); set local synchronous_commit = on; commit", true),
        ("insert into t values (1)", false),
        ("set synchronous_commit = local; insert into t values (1)", true),
        ("begin; set local synchronous_commit = off; insert into t values (1); commit", false),
        ("insert into t values (1)", true),
        ("set synchronous_commit = remote_write; insert into t values (1)", true),
        ("set synchronous_commit = remote_apply; insert into t values (1)", true),
        // As in PostgreSQL, what removes files is durable first.
        ("set synchronous_commit = off; create table u (a int); drop table u", true),
        ("insert into t values (1)", false),
        ("reset synchronous_commit; insert into t values (1)", true),
    ] {
        ok(&mut s, statements);
        assert_eq!(is_durable(), durable, "{statements}");
    }
    assert_eq!(ok(&mut s, "select count(*) from t"), [[Datum::Int8(11)]]);
    assert_eq!(state(&simple(&mut s, "set synchronous_commit = maybe").unwrap_err()), "22023");
    ok(&mut s, "set synchronous_commit = off");
    let shown = ok(&mut s, "select setting from pg_settings where name = 'synchronous_commit'");
    assert_eq!(shown, [[Datum::Text("off".into())]]);
}

#[test]
fn a_transaction_whose_snapshot_was_ended_fails_and_the_others_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let (engine, database) = open(directory.path());
    let (mut forgotten, mut cursor, mut s) = (connect(&database), connect(&database), connect(&database));
    ok(
        &mut s,
        "create table t (a int primary key, b int); insert into t select i, 0 from generate_series(1, 3000) i",
    );
    for level in ["repeatable read", "serializable"] {
        ok(&mut forgotten, &format!("begin isolation level {level}; select count(*) from t"));
        ok(&mut cursor, "begin; declare c cursor for select a from t; fetch 1 from c");
        ok(&mut s, "update t set b = b + 1");
        assert!(engine.end_oldest_snapshot().is_some());
        // By key, and a scan on its way.
        for (session, read) in
            [(&mut forgotten, "select b from t where a = 1"), (&mut cursor, "fetch all from c")]
        {
            let error = simple(session, read).unwrap_err();
            assert_eq!(error.to_string(), "72000: snapshot too old", "{read}");
            assert_eq!(state(&simple(session, "select 1").unwrap_err()), "25P02");
            ok(session, "rollback");
            assert_eq!(ok(session, "select count(*) from t"), [[Datum::Int8(3000)]]);
        }
        ok(&mut s, "update t set b = b + 1");
    }
    // READ COMMITTED takes a new snapshot with each statement.
    ok(&mut forgotten, "begin; select count(*) from t");
    ok(&mut s, "update t set b = 0");
    engine.end_oldest_snapshot();
    assert_eq!(ok(&mut forgotten, "select b from t where a = 1"), [[Datum::Int4(0)]]);
}

#[test]
fn a_restart_keeps_the_catalog_and_repeats_no_number_of_a_sequence() {
    let directory = tempfile::tempdir().unwrap();
    {
        let (engine, database) = open(directory.path());
        let mut s = connect(&database);
        ok(
            &mut s,
            "create table t (id serial primary key, v text default 'd' check (v <> ''), n numeric(5,2));
             create index t_v on t (lower(v)) where n > 0; create view w as select v from t;
             alter table t add column late int default 9; insert into t (n) values (1), (2)",
        );
        s.end();
        drop(s);
        engine.close().unwrap();
    }
    let (_engine, database) = open(directory.path());
    let mut s = connect(&database);
    assert_eq!(ok(&mut s, "select late from t where id = 2"), [[Datum::Int4(9)]]);
    let rows = ok(&mut s, "insert into t (n) values (3) returning id");
    assert!(matches!(rows[0][0], Datum::Int4(id) if id > 2), "{rows:?}");
    assert_eq!(ok(&mut s, "select count(*) from w"), [[Datum::Int8(3)]]);
    assert_eq!(state(&simple(&mut s, "insert into t (v) values ('')").unwrap_err()), "23514");
    assert_eq!(state(&simple(&mut s, "create table t_v (a int)").unwrap_err()), "42P07");
}

/// A connection's task shares its thread with others: it does not wait for the disk.
#[test]
fn a_row_that_is_not_in_memory_is_read_by_a_worker() {
    let directory = tempfile::tempdir().unwrap();
    let (engine, database) = open(directory.path());
    let mut s = connect(&database);
    ok(
        &mut s,
        "create table t (a int primary key, b text); insert into t select i, 'x' from generate_series(1, 1000) i",
    );
    s.parse("get", "select b from t where a = 500", &[]).unwrap();
    s.parse("set", "update t set b = 'y' where a = 501", &[]).unwrap();
    engine.checkpoint().unwrap();
    engine.shrink_memory(0).unwrap();
    let query = QueryContext::unlimited();
    // The block comes into the cache with the first row.
    for (statement, first) in [("get", Mode::Worker), ("get", Mode::Inline), ("set", Mode::Inline)] {
        s.bind("", statement, &[], &[]).unwrap();
        let mut rows = Rows::default();
        let step = s.execute("", 0, &query, &mut rows, Mode::Inline).unwrap();
        if first == Mode::Worker {
            assert!(matches!(step, Step::Offload), "the disk was read on the connection's task");
            assert!(rows.0.is_empty());
            assert_eq!(tag(s.execute("", 0, &query, &mut rows, Mode::Worker).unwrap()), "SELECT 1");
            assert_eq!(rows.0, [[Datum::text("x")]]);
        } else {
            assert!(matches!(step, Step::Complete(_)), "{statement} was not answered from memory");
        }
        sync(&mut s);
    }
}

#[test]
fn what_a_write_looks_up_on_the_disk_is_read_by_a_worker() {
    let directory = tempfile::tempdir().unwrap();
    let (engine, database) = open(directory.path());
    let mut s = connect(&database);
    ok(&mut s, "create table t (a int primary key, b int); create unique index on t (b)");
    ok(&mut s, "create table u (a int primary key, b int); create unique index on u (b)");
    ok(&mut s, "insert into t select i, i from generate_series(1, 1000) i; insert into u select a, b from t");
    engine.checkpoint().unwrap();
    engine.shrink_memory(0).unwrap();
    let query = QueryContext::unlimited();
    // The first finds the key's row, the second the index entry's, the third both, with the row itself in the cache by then.
    for (statement, expected) in [
        ("insert into t values (500, -1)", "23505"),
        ("insert into u values (-1, 500)", "23505"),
        ("insert into t values (-2, 501)", "23505"),
    ] {
        s.parse("", statement, &[]).unwrap();
        s.bind("", "", &[], &[]).unwrap();
        let mut rows = Rows::default();
        let step = s.execute("", 0, &query, &mut rows, Mode::Inline).unwrap();
        assert!(matches!(step, Step::Offload), "{statement}: the disk was read on the connection's task");
        let done = s.execute("", 0, &query, &mut rows, Mode::Worker);
        assert_eq!(state(&done.unwrap_err()), expected, "{statement}");
        sync(&mut s);
    }
    assert_eq!(ok(&mut s, "select count(*), sum(a), sum(b) from t")[0][0], Datum::Int8(1000));
    assert_eq!(ok(&mut s, "select count(*), sum(a), sum(b) from u")[0][0], Datum::Int8(1000));
}

#[test]
fn advisory_locks_keep_other_sessions_out_until_they_are_given_back() {
    let directory = tempfile::tempdir().unwrap();
    let (_engine, database) = open(directory.path());
    let (mut a, mut b) = (connect(&database), connect(&database));
    let (yes, no) = ([[Datum::Bool(true)]], [[Datum::Bool(false)]]);
    ok(&mut a, "select pg_advisory_lock(1)");
    assert_eq!(ok(&mut b, "select pg_try_advisory_lock(1)"), no);
    // A waiter waits on a worker, and gets it when its holder's session ends.
    let waiter = std::thread::spawn(move || {
        ok(&mut b, "select pg_advisory_lock(1)");
        b
    });
    drop(a);
    let mut b = waiter.join().unwrap();
    let mut a = connect(&database);
    assert_eq!(ok(&mut a, "select pg_try_advisory_lock(1)"), no);
    ok(&mut b, "discard all");
    assert_eq!(ok(&mut a, "select pg_try_advisory_lock(1)"), yes);
    // A transaction's ends with it, also where it fails.
    for end in ["commit", "rollback", "select 1/0"] {
        ok(&mut a, "begin; select pg_advisory_xact_lock(2, 3)");
        assert_eq!(ok(&mut b, "select pg_try_advisory_xact_lock(2, 3)"), no);
        let _ = simple(&mut a, end);
        let _ = simple(&mut a, "rollback");
        assert_eq!(ok(&mut b, "select pg_try_advisory_xact_lock(2, 3)"), yes);
    }
}
