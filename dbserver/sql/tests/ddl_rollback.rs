//! Definitions inside of transactions, at random: what was rolled back, to a savepoint or all of it, leaves no trace.
//!
//! One database runs everything, another just the statements that nothing undid. After each transaction both look the same:
//! relations, columns, constraints, indexes, views, rows, and what indexes find.

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod harness;

use harness::{connect, ok, open, simple};
use plimsoll_sql::session::Session;
use rand::{Rng, SeedableRng, rngs::SmallRng};

const SEEDS: u64 = 4;
const TRANSACTIONS: usize = 25;

struct Statements(SmallRng);

impl Statements {
    fn below(&mut self, n: u32) -> u32 {
        self.0.random_range(0..n)
    }
    fn one_in(&mut self, n: u32) -> bool {
        self.below(n) == 0
    }
    fn table(&mut self) -> String {
        format!("t{}", self.below(3))
    }
    fn column(&mut self) -> &'static str {
        ["a", "b", "c", "d"][self.below(4) as usize]
    }
    fn next(&mut self) -> String {
        let (t, u, c, n) = (self.table(), self.table(), self.column(), self.below(3));
        match self.below(34) {
            0..=3 => {
                let key = if self.one_in(2) { " primary key" } else { "" };
                format!("create table {t} (a int{key}, b int, c text default 'x' check (c <> ''))")
            }
            4 => format!("create table {t} as select * from {u}"),
            5 => format!("create table {t} (like {u} including all)"),
            6 => format!("drop table {t} cascade"),
            7 => format!("alter table {t} add column d int default {n}"),
            8 => format!("alter table {t} add column d text"),
            9 => format!("alter table {t} drop column {c} cascade"),
            10 => format!("alter table {t} rename column {c} to d"),
            11 => format!("alter table {t} rename to {u}"),
            12 => format!("alter table {t} alter column {c} type text"),
            13 => format!("alter table {t} add primary key ({c})"),
            14 => format!("alter table {t} add constraint u{n} unique ({c})"),
            15 => format!("alter table {t} drop constraint u{n}"),
            16 => format!("alter table {t} alter column {c} set not null"),
            17 => format!("create index i{n} on {t} ({c})"),
            18 => format!("create unique index i{n} on {t} ({c}, a)"),
            19 => format!("create index i{n} on {t} (lower(c)) where b > {n}"),
            20 => format!("drop index i{n}"),
            21 => format!("create or replace view v{n} as select a, {c} as x from {t}"),
            22 => format!("drop view v{n}"),
            23 => format!("create sequence s{n} start {}", n + 5),
            24 => format!("drop sequence s{n}"),
            25 => format!("truncate {t}"),
            26 => format!("analyze {t}"),
            27 => format!("comment on table {t} is 'about {n}'"),
            28 | 29 => {
                let first = self.below(60);
                format!(
                    "insert into {t} (a, b) select i, i % 7 from generate_series({first}, {}) i",
                    first + 20
                )
            }
            30 => format!("update {t} set b = b + 1, a = a + 100 where a % 5 = {n}"),
            31 => format!("update {t} set c = 'y' || a where b = {n}"),
            32 => format!("delete from {t} where a % 4 = {n}"),
            _ => format!("insert into {t} values ({n}, {n}, '{c}') on conflict do nothing"),
        }
    }
}

/// Everything that can be seen, as text.
fn look(s: &mut Session) -> String {
    let mut out = String::new();
    let mut add = |title: &str, rows: Vec<Vec<plimsoll_sql::types::Datum>>| {
        out.push_str(&format!("{title}\n"));
        let mut lines: Vec<String> = rows.iter().map(|r| format!("  {r:?}\n")).collect();
        lines.sort();
        out.extend(lines);
    };
    let catalogs = [
        "select relname, relkind::text, relnatts, reltuples from pg_class where relnamespace = 'public'::regnamespace",
        "select relname, attname, attnum, atttypid::regtype::text, attnotnull, attisdropped from pg_attribute join pg_class c
         on c.oid = attrelid where relnamespace = 'public'::regnamespace and relkind in ('r', 'v')",
        "select conrelid::regclass::text, conname, pg_get_constraintdef(oid) from pg_constraint",
        "select indexdef from pg_indexes where schemaname = 'public'",
        "select viewname, definition from pg_views where schemaname = 'public'",
        "select sequencename, start_value from pg_sequences",
        "select tablename, attname, null_frac, n_distinct from pg_stats",
        "select relname, obj_description(oid, 'pg_class') from pg_class where relnamespace = 'public'::regnamespace",
    ];
    for sql in catalogs {
        add(sql, ok(s, sql));
    }
    for n in 0..3 {
        // A table that is not there gives an error; both have to.
        for sql in [
            format!("select * from t{n}"),
            format!("select * from v{n}"),
            format!("select count(*) from t{n} where a = 7"),
            format!("select count(*) from t{n} where b = 3"),
            format!("select count(*) from t{n} where c = 'y7'"),
            format!("select count(*) from t{n} where lower(c) = 'x' and b > 2"),
        ] {
            match simple(s, &sql) {
                Ok(rows) => add(&sql, rows),
                Err(error) => add(&format!("{sql}: {}", error.sqlstate()), Vec::new()),
            }
        }
    }
    out
}

/// Runs a statement of a transaction; whether it worked. A failed one undoes itself alone.
fn run(s: &mut Session, sql: &str) -> Result<(), &'static str> {
    ok(s, "savepoint one");
    match simple(s, sql) {
        Ok(_) => {
            ok(s, "release one");
            Ok(())
        }
        Err(error) => {
            assert_ne!(error.sqlstate(), "XX000", "{sql}: {error}");
            ok(s, "rollback to one; release one");
            Err(error.sqlstate())
        }
    }
}

#[test]
fn what_is_rolled_back_leaves_no_trace() {
    let only = std::env::var("DDL_SEED").ok().and_then(|s| s.parse().ok());
    for seed in (0..SEEDS).filter(|s| only.is_none_or(|o: u64| o == *s)) {
        let (noisy_directory, plain_directory) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (_engine, noisy) = open(noisy_directory.path());
        let (_engine, plain) = open(plain_directory.path());
        let (mut noisy, mut plain) = (connect(&noisy), connect(&plain));
        let mut statements = Statements(SmallRng::seed_from_u64(seed));
        let mut log: Vec<String> = Vec::new();
        for _ in 0..TRANSACTIONS {
            let undone = statements.one_in(3);
            ok(&mut noisy, "begin");
            ok(&mut plain, "begin");
            for _ in 0..statements.below(8) + 1 {
                let sql = statements.next();
                if undone {
                    log.push(format!("(rolled back) {sql}"));
                    let _ = run(&mut noisy, &sql);
                } else if statements.one_in(3) {
                    // Some statements that a savepoint undoes.
                    ok(&mut noisy, "savepoint outer_one");
                    for _ in 0..statements.below(4) + 1 {
                        let sql = statements.next();
                        log.push(format!("(undone) {sql}"));
                        let _ = run(&mut noisy, &sql);
                    }
                    ok(&mut noisy, "rollback to outer_one");
                } else {
                    log.push(sql.clone());
                    let (a, b) = (run(&mut noisy, &sql), run(&mut plain, &sql));
                    assert_eq!(a, b, "seed {seed}:\n{}", log.join(";\n"));
                }
            }
            ok(&mut noisy, if undone { "rollback" } else { "commit" });
            ok(&mut plain, "commit");
            log.push("(end)".to_owned());
            let (a, b) = (look(&mut noisy), look(&mut plain));
            if a != b {
                let differ: Vec<String> = a
                    .lines()
                    .zip(b.lines())
                    .filter(|(a, b)| a != b)
                    .take(6)
                    .map(|(a, b)| format!("noisy {a}\nplain {b}"))
                    .collect();
                panic!("seed {seed}:\n{}\n{}", log.join(";\n"), differ.join("\n"));
            }
        }
    }
}
