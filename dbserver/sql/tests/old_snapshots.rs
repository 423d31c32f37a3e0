//! REPEATABLE READ transactions beside indexes that are younger than their snapshot: what they read, write and check is what they would
//! without the index (PostgreSQL's `indcheckxmin`).

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod harness;

use harness::{connect, execute, ok, open, simple, state, sync};
use plimsoll_sql::session::Session;
use plimsoll_sql::types::Datum;

/// Whether a query's plan goes by the index `i`.
fn uses_index(session: &mut Session, sql: &str) -> bool {
    let plan = ok(session, &format!("explain (costs off) {sql}"));
    plan.iter().any(|line| matches!(&line[0], Datum::Text(text) if text.contains("using i ")))
}

const ROWS: &str = "create table t (id int primary key, k int, v int);
    insert into t select i, i, 0 from generate_series(1, 2000) i";

/// Each way to make an index, and what it is on.
const BUILDS: [&str; 6] = [
    "create index i on t (k)",
    "create index concurrently i on t (k)",
    "create unique index i on t (k)",
    "create unique index concurrently i on t (k)",
    "alter table t add constraint i unique (k)",
    "create index i on t (k) where v >= 0",
];

#[test]
fn an_older_snapshot_does_not_read_by_a_newer_index() {
    for build in BUILDS {
        let directory = tempfile::tempdir().unwrap();
        let (_engine, database) = open(directory.path());
        let (mut a, mut b) = (connect(&database), connect(&database));
        ok(&mut b, ROWS);
        a.parse("by_k", "select id from t where k = $1 and v >= 0", &[23]).unwrap();
        sync(&mut a);
        ok(&mut a, "begin isolation level repeatable read; select count(*) from t");
        ok(
            &mut b,
            "update t set k = -5 where id = 5; delete from t where id = 6; insert into t values (-6, 6, 0)",
        );
        ok(&mut b, build);
        let by_k = "select id from t where k = 5 and v >= 0";
        // Both sessions plan, the one that may read the index first: they share a cache of plans.
        assert_eq!(ok(&mut b, by_k), Vec::<Vec<Datum>>::new(), "{build}");
        assert!(uses_index(&mut b, by_k), "{build}");
        assert!(!uses_index(&mut a, by_k), "{build}");
        for (k, id) in [(5, Some(5)), (6, Some(6)), (7, Some(7)), (-5, None)] {
            let expected: Vec<Vec<Datum>> = id.map(|id| vec![Datum::Int4(id)]).into_iter().collect();
            let sql = format!("select id from t where k = {k} and v >= 0");
            assert_eq!(ok(&mut a, &sql), expected, "{build}: k = {k}");
            let joined = format!("select t.id from (values ({k})) w (k) join t on t.k = w.k where v >= 0");
            assert_eq!(ok(&mut a, &joined), expected, "{build}: k = {k} joined");
            let inner =
                format!("select (select min(id) from t where k = w.k and v >= 0) from (values ({k})) w (k)");
            assert_eq!(
                ok(&mut a, &inner),
                [[id.map_or(Datum::Null, Datum::Int4)]],
                "{build}: k = {k} in a subquery"
            );
            a.bind("", "by_k", &[Some((0, k.to_string().as_bytes()))], &[]).unwrap();
            assert_eq!(execute(&mut a, "", 0).unwrap().1, expected, "{build}: k = {k} prepared");
        }
        let ordered = "select id from t where v >= 0 order by k limit 6";
        let first: Vec<Vec<Datum>> = (1..=6).map(|i| vec![Datum::Int4(i)]).collect();
        assert_eq!(ok(&mut a, ordered), first, "{build}");
        ok(&mut a, "commit");
        assert!(uses_index(&mut a, by_k), "{build}");
        a.bind("", "by_k", &[Some((0, b"6"))], &[]).unwrap();
        assert_eq!(execute(&mut a, "", 0).unwrap().1, [[Datum::Int4(-6)]], "{build}");
        sync(&mut a);
        // A snapshot that is taken now goes by it.
        ok(&mut a, "begin isolation level repeatable read; select count(*) from t");
        assert!(uses_index(&mut a, by_k), "{build}");
        ok(&mut a, "commit");
    }
}

/// What a transaction makes itself it reads at once.
#[test]
fn a_transaction_reads_by_the_index_of_its_own_table() {
    let directory = tempfile::tempdir().unwrap();
    let (_engine, database) = open(directory.path());
    let mut a = connect(&database);
    ok(&mut a, "begin isolation level repeatable read; select 1");
    ok(&mut a, ROWS);
    ok(&mut a, "create index i on t (k)");
    assert!(uses_index(&mut a, "select id from t where k = 7"));
    assert_eq!(ok(&mut a, "select id from t where k = 7"), [[Datum::Int4(7)]]);
    ok(&mut a, "commit");
    assert!(uses_index(&mut a, "select id from t where k = 7"));
}

#[test]
fn an_older_snapshot_writes_and_keeps_a_newer_index_up() {
    for build in BUILDS {
        let directory = tempfile::tempdir().unwrap();
        let (_engine, database) = open(directory.path());
        let (mut a, mut b) = (connect(&database), connect(&database));
        ok(&mut b, ROWS);
        ok(&mut a, "begin isolation level repeatable read; select count(*) from t");
        ok(&mut b, "update t set k = -5 where id = 5");
        ok(&mut b, build);
        // Rows that nobody changed since can be changed, whatever is younger than the snapshot besides.
        ok(&mut a, "update t set k = -1 where k = 10");
        ok(&mut a, "update t set k = -2 where id = 11");
        ok(&mut a, "delete from t where k = 12");
        ok(&mut a, "insert into t values (3000, 3000, 0)");
        assert_eq!(
            ok(&mut a, "select id from t where k in (-1, -2, 10, 11, 12, 3000) order by id").len(),
            3,
            "{build}"
        );
        ok(&mut a, "savepoint s");
        // PostgreSQL's, for a row changed since.
        let error = simple(&mut a, "update t set v = 1 where k = 5").unwrap_err();
        assert_eq!(state(&error), "40001", "{build}");
        ok(&mut a, "rollback to s");
        ok(&mut a, "commit");
        for (k, id) in [
            (-1, Some(10)),
            (-2, Some(11)),
            (10, None),
            (11, None),
            (12, None),
            (3000, Some(3000)),
            (-5, Some(5)),
        ] {
            let expected: Vec<Vec<Datum>> = id.map(|id| vec![Datum::Int4(id)]).into_iter().collect();
            let sql = format!("select id from t where k = {k} and v >= 0");
            assert!(uses_index(&mut b, &sql), "{build}");
            assert_eq!(ok(&mut b, &sql), expected, "{build}: k = {k}");
        }
    }
}

#[test]
fn a_newer_unique_index_holds_for_an_older_snapshot() {
    for build in BUILDS.iter().filter(|b| b.contains("unique")) {
        let directory = tempfile::tempdir().unwrap();
        let (_engine, database) = open(directory.path());
        let (mut a, mut b) = (connect(&database), connect(&database));
        ok(&mut b, ROWS);
        ok(&mut a, "begin isolation level repeatable read; select count(*) from t");
        ok(&mut b, "update t set k = -5 where id = 5; insert into t values (4000, 4000, 0)");
        ok(&mut b, build);
        ok(&mut a, "savepoint s");
        // Of a row that the snapshot sees, of a new one, of one that was changed.
        for k in [7, 4000, -5] {
            let error = simple(&mut a, &format!("insert into t values (5000, {k}, 0)")).unwrap_err();
            assert_eq!(state(&error), "23505", "{build}: k = {k}");
            ok(&mut a, "rollback to s");
        }
        let taken = "insert into t values (5000, 7, 0) on conflict (k) do update set v = 9";
        ok(&mut a, taken);
        assert_eq!(ok(&mut a, "select v from t where k = 7"), [[Datum::Int4(9)]], "{build}");
        // A key that was given up since is free.
        ok(&mut a, "insert into t values (5001, 5, 0)");
        ok(&mut a, "commit");
        assert_eq!(ok(&mut b, "select id from t where k = 5"), [[Datum::Int4(5001)]], "{build}");
        assert_eq!(
            ok(&mut b, "select id, v from t where k = 7"),
            [[Datum::Int4(7), Datum::Int4(9)]],
            "{build}"
        );
    }
}

#[test]
fn foreign_keys_hold_for_an_older_snapshot() {
    for action in ["no action", "restrict", "cascade", "set null"] {
        for index in ["", "create index i on child (p)", "create index concurrently i on child (p)"] {
            let directory = tempfile::tempdir().unwrap();
            let (_engine, database) = open(directory.path());
            let (mut a, mut b) = (connect(&database), connect(&database));
            let name = format!("{action}, {index}");
            ok(
                &mut b,
                "create table parent (id int primary key); insert into parent select generate_series(1, 2000)",
            );
            ok(
                &mut b,
                &format!(
                    "create table child (id int primary key, p int references parent on delete {action});
                     insert into child select i, i from generate_series(1, 1000) i"
                ),
            );
            ok(&mut a, "begin isolation level repeatable read; select count(*) from child");
            ok(&mut b, "insert into child values (1500, 1500)");
            if !index.is_empty() {
                ok(&mut b, index);
            }
            ok(&mut a, "savepoint s");
            // A row that refers to it is there, though the snapshot does not see it.
            let error = simple(&mut a, "delete from parent where id = 1500").unwrap_err();
            let expected = if matches!(action, "no action" | "restrict") { "23503" } else { "40001" };
            assert_eq!(state(&error), expected, "{name}");
            ok(&mut a, "rollback to s");
            ok(&mut a, "delete from parent where id = 1999");
            match action {
                "no action" | "restrict" => {
                    let error = simple(&mut a, "delete from parent where id = 7").unwrap_err();
                    assert_eq!(state(&error), "23503", "{name}");
                    ok(&mut a, "rollback to s");
                }
                "cascade" => {
                    ok(&mut a, "delete from parent where id = 7");
                    assert!(ok(&mut a, "select 1 from child where id = 7").is_empty(), "{name}");
                }
                _ => {
                    ok(&mut a, "delete from parent where id = 7");
                    assert_eq!(ok(&mut a, "select p from child where id = 7"), [[Datum::Null]], "{name}");
                }
            }
            ok(&mut a, "commit");
            let orphans =
                "select * from child where p is not null and not exists (select 1 from parent where id = p)";
            assert!(ok(&mut b, orphans).is_empty(), "{name}");
        }
    }
}
