//! ANALYZE: what it finds in a sample, how the background keeps it up, what a restart keeps.

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod harness;

use harness::{connect, ok, open};
use plimsoll_sql::SqlError;
use plimsoll_sql::context::QueryContext;
use plimsoll_sql::session::Session;
use plimsoll_sql::types::Datum;

fn number(session: &mut Session, sql: &str) -> f64 {
    match &ok(session, sql)[0][0] {
        Datum::Float4(x) => f64::from(*x),
        Datum::Int8(x) => *x as f64,
        Datum::Int4(x) => f64::from(*x),
        other => panic!("{sql}: {other:?}"),
    }
}

fn statistic(session: &mut Session, what: &str, column: &str) -> f64 {
    number(session, &format!("select {what} from pg_stats where tablename = 't' and attname = '{column}'"))
}

#[test]
fn a_sample_tells_of_a_table_larger_than_it() {
    let directory = tempfile::tempdir().unwrap();
    let (_engine, database) = open(directory.path());
    let mut s = connect(&database);
    ok(&mut s, "create table t (id int primary key, k int, skew int, n int)");
    // Ten thousand values of k, ten times each; skew is 7 in a third of the rows; n is null in a quarter.
    ok(
        &mut s,
        "insert into t select i, i * 7919 % 10000, case when i % 3 = 0 then 7 else i end, nullif(i % 4, 0)
         from generate_series(1, 100000) i",
    );
    ok(&mut s, "analyze t");
    assert_eq!(number(&mut s, "select reltuples from pg_class where relname = 't'"), 100_000.0);
    assert_eq!(statistic(&mut s, "n_distinct", "id"), -1.0);
    let k = statistic(&mut s, "n_distinct", "k");
    assert!((9_000.0..11_000.0).contains(&k), "{k}");
    let seven = statistic(&mut s, "most_common_freqs[1]", "skew");
    assert!((0.32..0.35).contains(&seven), "{seven}");
    let nulls = statistic(&mut s, "null_frac", "n");
    assert!((0.24..0.26).contains(&nulls), "{nulls}");
    assert!(statistic(&mut s, "correlation", "id") > 0.99);
    assert!(statistic(&mut s, "correlation", "k").abs() < 0.1);
    // The middle of the histogram is the middle of the values.
    let middle = statistic(&mut s, "(histogram_bounds[51])::int4", "id");
    assert!((48_000.0..52_000.0).contains(&middle), "{middle}");
}

#[test]
fn a_restart_keeps_statistics() {
    let directory = tempfile::tempdir().unwrap();
    let look = "select attname, null_frac, n_distinct, most_common_vals, most_common_freqs, histogram_bounds, correlation
                from pg_stats order by attname";
    let before = {
        let (engine, database) = open(directory.path());
        let mut s = connect(&database);
        ok(&mut s, "create table t (a float8, b timestamptz, c int[], d bytea, e interval, f numeric)");
        ok(
            &mut s,
            "insert into t select i / 3.0::float8, timestamptz '2024-01-01' + i * interval '1 hour', array[i, null],
             decode(md5(i::text), 'hex'), i * interval '1 day', i % 3 from generate_series(1, 300) i",
        );
        ok(&mut s, "analyze");
        let before = ok(&mut s, look);
        s.end();
        drop(s);
        engine.close().unwrap();
        before
    };
    assert_eq!(before.len(), 6);
    let (_engine, database) = open(directory.path());
    let mut s = connect(&database);
    assert_eq!(ok(&mut s, look), before);
    ok(&mut s, "drop table t");
    assert!(ok(&mut s, look).is_empty());
}

#[test]
fn the_background_analyzes_what_changed_enough() {
    let directory = tempfile::tempdir().unwrap();
    let (_engine, database) = open(directory.path());
    let mut s = connect(&database);
    let query = QueryContext::unlimited();
    let round = || database.analyze_changed(&query, &mut || Ok(())).unwrap();
    let changed = "select n_mod_since_analyze from pg_stat_user_tables";
    ok(&mut s, "create table t (id int primary key, v int)");
    ok(&mut s, "insert into t select i, 0 from generate_series(1, 50) i");
    assert_eq!(round(), 0, "fifty changes are not enough");
    ok(&mut s, "begin; insert into t select i, 0 from generate_series(51, 1000) i; rollback");
    assert_eq!(number(&mut s, changed), 50.0);
    ok(&mut s, "insert into t select i, 0 from generate_series(51, 1000) i");
    assert_eq!(round(), 1);
    assert_eq!(number(&mut s, changed), 0.0);
    assert_eq!(number(&mut s, "select reltuples from pg_class where relname = 't'"), 1000.0);
    // From here on it takes 50 changes and a tenth of 1,000 rows.
    ok(&mut s, "update t set v = 1 where id <= 100");
    ok(&mut s, "update t set v = 2 where id = 1");
    ok(&mut s, "delete from t where id > 951");
    assert_eq!(number(&mut s, changed), 150.0);
    assert_eq!(round(), 0);
    ok(&mut s, "delete from t where id = 2");
    assert_eq!(round(), 1);
    let counts = "select n_tup_ins, n_tup_upd, n_tup_del, n_live_tup, autoanalyze_count, analyze_count
                  from pg_stat_user_tables where last_autoanalyze is not null and last_analyze is null";
    let expected = [1000, 101, 50, 950, 2, 0].map(Datum::Int8);
    assert_eq!(ok(&mut s, counts), [expected.to_vec()]);
    ok(&mut s, "analyze t");
    assert_eq!(number(&mut s, "select analyze_count from pg_stat_user_tables"), 1.0);
}

#[test]
fn the_background_waits_for_definitions_and_can_be_ended() {
    let directory = tempfile::tempdir().unwrap();
    let (_engine, database) = open(directory.path());
    let mut s = connect(&database);
    let query = QueryContext::unlimited();
    ok(&mut s, "create table t (a int); insert into t select generate_series(1, 100)");
    ok(&mut s, "begin; create table u (a int)");
    assert_eq!(database.analyze_changed(&query, &mut || Ok(())).unwrap(), 0);
    ok(&mut s, "commit");
    let stop = || Err(SqlError::new("57P01", "stop"));
    assert_eq!(database.analyze_changed(&query, &mut { stop }).unwrap_err().sqlstate(), "57P01");
    // DDL goes on between sampling and storing; a table that was emptied meanwhile is looked at again.
    let mut truncated = false;
    let mut pause = || {
        if !std::mem::replace(&mut truncated, true) {
            ok(&mut s, "truncate t");
        }
        Ok(())
    };
    assert_eq!(database.analyze_changed(&query, &mut pause).unwrap(), 0);
    assert_eq!(database.analyze_changed(&query, &mut || Ok(())).unwrap(), 1);
}

/// Statements that differ in values share a plan, unless the statistics say that the values make a difference.
#[test]
fn values_that_matter_get_a_plan_of_their_own() {
    let directory = tempfile::tempdir().unwrap();
    let (_engine, database) = open(directory.path());
    let mut s = connect(&database);
    ok(&mut s, "create table t (id int primary key, k int, state text)");
    ok(
        &mut s,
        "insert into t select i, i, case when i % 100 = 0 then 'open' else 'done' end from generate_series(1, 3000) i",
    );
    ok(&mut s, "create index t_k on t (k); analyze t");
    let mut planned = |statements: &[&str]| {
        let before = database.stats().plans;
        for sql in statements.iter().chain(statements) {
            ok(&mut s, sql);
        }
        database.stats().plans - before
    };
    assert_eq!(planned(&["select k from t where id = 1", "select k from t where id = 2"]), 1);
    assert_eq!(planned(&["select id from t where k = 1", "select id from t where k = 2"]), 1);
    let ranges = ["select id from t where k > 10", "select id from t where k > 2990"];
    assert_eq!(planned(&ranges), 3, "one shared, which says so, and one for each");
    let text = |row: &[Datum]| match &row[0] {
        Datum::Text(text) => text.to_string(),
        other => panic!("{other:?}"),
    };
    let first = |s: &mut Session, sql: &str| text(&ok(s, &format!("explain (costs off) {sql}"))[0]);
    assert_eq!(first(&mut s, ranges[0]), "Seq Scan on t");
    assert_eq!(first(&mut s, ranges[1]), "Index Scan using t_k on t");
    // A partial index answers where the value is the one of its predicate.
    ok(&mut s, "create index t_open on t (k) where state = 'open'");
    let open = "select id from t where state = 'open' and k > 100";
    assert_eq!(first(&mut s, open), "Index Scan using t_open on t");
    assert_eq!(first(&mut s, "select id from t where state = 'done' and k > 100"), "Seq Scan on t");
    assert_eq!(ok(&mut s, open).len(), 29);
    // One on an expression, where the query has it.
    ok(&mut s, "create index t_expression on t ((k * 2))");
    assert_eq!(first(&mut s, "select id from t where k * 2 = 84"), "Index Scan using t_expression on t");
    assert_eq!(ok(&mut s, "select id from t where k * 2 = 84"), [[Datum::Int4(42)]]);
    ok(&mut s, "update t set k = 5000, state = 'open' where id = 42");
    assert!(ok(&mut s, "select id from t where k * 2 = 84").is_empty());
    assert_eq!(ok(&mut s, "select id from t where state = 'open' and k = 5000"), [[Datum::Int4(42)]]);
}
