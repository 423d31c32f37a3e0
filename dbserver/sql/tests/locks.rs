//! Row locks between sessions: NOWAIT, SKIP LOCKED, lock_timeout, savepoints, deadlocks, `pg_locks`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod harness;

use harness::{connect, connect_as, ok, open, simple, state};
use plimsoll_sql::SqlError;
use plimsoll_sql::session::{Database, Session};
use plimsoll_sql::types::Datum;
use std::sync::Arc;

fn with_rows(directory: &std::path::Path) -> Arc<Database> {
    let (_engine, database) = open(directory);
    let mut s = connect(&database);
    ok(&mut s, "create table t (id int primary key, v int); create table u (id int primary key, t_id int)");
    ok(&mut s, "insert into t values (1, 0), (2, 0), (3, 0); insert into u values (10, 1), (20, 2)");
    database
}

fn ids(s: &mut Session, sql: &str) -> Vec<i32> {
    let id = |row: &Vec<Datum>| match row[0] {
        Datum::Int4(id) => id,
        ref other => panic!("{other:?}"),
    };
    ok(s, sql).iter().map(id).collect()
}

fn refused(s: &mut Session, sql: &str) -> SqlError {
    simple(s, sql).expect_err(sql)
}

#[test]
fn nowait_fails_and_skip_locked_goes_by() {
    let directory = tempfile::tempdir().unwrap();
    let database = with_rows(directory.path());
    let (mut a, mut b) = (connect(&database), connect(&database));
    ok(&mut a, "begin; select * from t where id = 1 for update");
    for strength in ["update", "no key update", "share"] {
        let error = refused(&mut b, &format!("select * from t where id = 1 for {strength} nowait"));
        assert_eq!(error.sqlstate(), "55P03");
        assert_eq!(error.fields().message, "could not obtain lock on row in relation \"t\"");
    }
    assert_eq!(ids(&mut b, "select id from t order by id for update skip locked"), [2, 3]);
    assert_eq!(ids(&mut b, "select id from t order by id limit 1 for no key update skip locked"), [2]);
    // A join locks the tables that OF names, a subquery its own.
    assert_eq!(
        ids(&mut b, "select u.id from u join t on t.id = u.t_id order by 1 for update of u nowait"),
        [10, 20]
    );
    assert_eq!(
        ids(&mut b, "select u.id from u join t on t.id = u.t_id order by 1 for update skip locked"),
        [20]
    );
    let inner = "select id from (select * from t for update skip locked) s order by id";
    assert_eq!(ids(&mut b, inner), [2, 3]);
    let queue = "update t set v = 1 where id = (select id from t order by id limit 1 for update skip locked) returning id";
    assert_eq!(ids(&mut b, queue), [2]);
    ok(&mut a, "rollback");
    // Sharers do not keep each other out.
    ok(&mut a, "begin; select * from t where id = 1 for share");
    assert_eq!(ids(&mut b, "select id from t where id = 1 for share nowait"), [1]);
    assert_eq!(ids(&mut b, "select id from t where id = 1 for key share nowait"), [1]);
    assert_eq!(state(&refused(&mut b, "select * from t where id = 1 for update nowait")), "55P03");
    ok(&mut a, "rollback");
}

#[test]
fn lock_timeout_ends_a_wait() {
    let directory = tempfile::tempdir().unwrap();
    let database = with_rows(directory.path());
    let (mut a, mut b) = (connect(&database), connect(&database));
    ok(&mut a, "begin; update t set v = 1 where id = 1; lock table u in access exclusive mode");
    ok(&mut b, "set lock_timeout = '30ms'");
    for sql in [
        "select * from t where id = 1 for update",
        "select v from t where id = 1 for share",
        "update t set v = v + 1",
        "delete from t where id = 1",
        "insert into u values (1, 1)",
    ] {
        let error = refused(&mut b, sql);
        assert_eq!(
            (error.sqlstate(), error.fields().message.as_str()),
            ("55P03", "canceling statement due to lock timeout")
        );
    }
    assert_eq!(ids(&mut b, "select id from t where id = 1"), [1], "a reader waits for no one");
    ok(&mut a, "rollback");
    ok(&mut b, "update t set v = v + 1");
}

#[test]
fn a_savepoint_gives_back_the_locks_taken_since() {
    let directory = tempfile::tempdir().unwrap();
    let database = with_rows(directory.path());
    let (mut a, mut b) = (connect(&database), connect(&database));
    ok(
        &mut a,
        "begin; select * from t where id = 1 for update; savepoint s; select * from t where id = 2 for update",
    );
    ok(&mut a, "update t set v = 5 where id = 3");
    assert!(ids(&mut b, "select id from t for update skip locked").is_empty());
    ok(&mut a, "rollback to s");
    assert_eq!(ids(&mut b, "select id from t order by id for update skip locked"), [2, 3]);
    ok(&mut a, "release s; commit");
    assert_eq!(ids(&mut b, "select id from t order by id for update nowait"), [1, 2, 3]);
}

#[test]
fn a_deadlock_names_the_processes() {
    let directory = tempfile::tempdir().unwrap();
    let database = with_rows(directory.path());
    let (mut a, mut b) = (connect_as(&database, 101), connect_as(&database, 102));
    ok(&mut a, "begin; update t set v = 1 where id = 1");
    ok(&mut b, "begin; update t set v = 2 where id = 2");
    let error = std::thread::scope(|scope| {
        let (mut first, mut second) = (Some(a), Some(b));
        let (mut a, mut b) = (first.take().unwrap(), second.take().unwrap());
        let waiting = scope.spawn(move || {
            let outcome = simple(&mut a, "update t set v = 1 where id = 2");
            ok(&mut a, "rollback");
            outcome.err()
        });
        let outcome = simple(&mut b, "update t set v = 2 where id = 1");
        ok(&mut b, "rollback");
        // Whoever closes the cycle is the victim.
        let (one, other) = (waiting.join().unwrap(), outcome.err());
        assert!(one.is_some() != other.is_some(), "{one:?} {other:?}");
        one.or(other).unwrap()
    });
    let fields = error.fields();
    assert_eq!((fields.sqlstate, fields.message.as_str()), ("40P01", "deadlock detected"));
    assert_eq!(fields.hint, "See server log for query details.");
    let mut lines: Vec<&str> = fields.detail.lines().collect();
    lines.sort_unstable();
    for (line, (waiter, holder)) in lines.iter().zip([(101, 102), (102, 101)]) {
        assert!(line.starts_with(&format!("Process {waiter} waits for ShareLock on transaction ")), "{line}");
        assert!(line.ends_with(&format!("; blocked by process {holder}.")), "{line}");
    }
    assert_eq!(lines.len(), 2);
}

#[test]
fn pg_locks_shows_who_locks_what() {
    let directory = tempfile::tempdir().unwrap();
    let database = with_rows(directory.path());
    let (mut a, mut b, mut c) = (connect_as(&database, 7), connect_as(&database, 8), connect(&database));
    ok(&mut a, "begin; insert into t values (9, 9)");
    ok(&mut b, "begin; lock table u in access exclusive mode");
    let sql = "select pid, locktype, relation::regclass::text, mode from pg_locks where granted order by pid, locktype";
    let row = |pid: i32, kind: &str, relation: Option<&str>, mode: &str| {
        vec![
            Datum::Int4(pid),
            Datum::text(kind),
            relation.map_or(Datum::Null, Datum::text),
            Datum::text(mode),
        ]
    };
    assert_eq!(
        ok(&mut c, sql),
        [
            row(7, "relation", Some("t"), "RowExclusiveLock"),
            row(7, "transactionid", None, "ExclusiveLock"),
            row(8, "relation", Some("u"), "AccessExclusiveLock"),
            row(8, "transactionid", None, "ExclusiveLock"),
        ]
    );
    ok(&mut a, "commit");
    ok(&mut b, "rollback");
    assert!(ok(&mut c, sql).is_empty());
}
