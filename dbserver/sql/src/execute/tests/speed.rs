//! Times of the hot paths, to look at by hand: `cargo test --release -p plimsoll-sql speed -- --ignored --nocapture`.

use super::*;
use crate::execute::{PointStep, TableWriter, run_point};
use crate::plan::{Insert, PointPlan};
use crate::session::Sink;
use plimsoll_storage::Options;
use std::time::Instant;

struct Nowhere(u64);

impl Sink for Nowhere {
    fn row(&mut self, row: &[Datum]) -> Result<()> {
        self.0 += row.len() as u64;
        Ok(())
    }
    fn batch(&mut self, _: &Batch) -> Result<()> {
        Ok(())
    }
    fn copy_out(&mut self, _: &[i16]) -> Result<()> {
        Ok(())
    }
    fn copy_data(&mut self, _: &[u8]) -> Result<()> {
        Ok(())
    }
}

fn timed<T>(what: &str, count: u64, f: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = f();
    let took = start.elapsed();
    println!("{what}: {took:?}, {:.0} ns each", took.as_nanos() as f64 / count as f64);
    result
}

fn fixture() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { synchronous: false, ..Options::default() };
    let engine = Engine::open(RealIo::shared(), dir.path(), options).unwrap();
    Fixture { _dir: dir, engine, ..Fixture::new() }
}

#[test]
#[ignore = "prints times, holds nothing"]
fn speed_of_point_plans() {
    let (table, checks) = table(false);
    let table = Arc::new(Table { indexes: Vec::new(), ..Table::clone(&table) });
    let checks = TableChecks { indexes: Vec::new(), ..checks };
    let mut fixture = fixture();
    let insert = Plan::Insert(Box::new(Insert {
        table: Arc::clone(&table),
        input: Plan::Project { input: Box::new(series(0, 99_999)), exprs: vec![col(0), col(0), col(0)] },
        checks: checks.clone().into(),
        conflict: None,
        returning: Vec::new(),
    }));
    timed("insert select", 100_000, || fixture.run(insert).unwrap());
    let key = vec![Expr { kind: ExprKind::Param(0), ty: Type::INT4, typmod: -1 }];
    let get =
        PointPlan::Get { table: Arc::clone(&table), key: key.clone(), filter: None, exprs: vec![col(1)] };
    let update = PointPlan::Update {
        table: Arc::clone(&table),
        key,
        filter: None,
        assignments: vec![(1, call(&PLUS, vec![col(1), int(1)]))],
        checks,
        returning: Vec::new(),
    };
    let mut sink = Nowhere(0);
    let runs = 200_000u64;
    timed("get", runs, || {
        for i in 0..runs {
            fixture.params = vec![Datum::Int4((i * 7919 % 100_000) as i32)];
            let transaction = fixture.begin();
            let mut ctx = fixture.context(&transaction);
            let step = run_point(&get, &mut ctx, &mut sink).unwrap();
            assert!(matches!(step, PointStep::Done { rows: 1 }));
        }
    });
    timed("update, without waiting for the log", runs, || {
        for i in 0..runs {
            fixture.params = vec![Datum::Int4((i * 7919 % 100_000) as i32)];
            let transaction = fixture.begin();
            let mut ctx = fixture.context(&transaction);
            let step = run_point(&update, &mut ctx, &mut sink).unwrap();
            assert!(matches!(step, PointStep::Done { rows: 1 }));
            drop(ctx);
            drop(transaction.commit().unwrap());
        }
    });
}

#[test]
#[ignore = "prints times, holds nothing"]
fn speed_of_bulk_writes_and_reads() {
    let fixture = fixture();
    let types: Vec<Type> = (0..19)
        .map(|i| {
            if i % 5 == 4 {
                Type::TEXT
            } else if i % 5 == 3 {
                Type::FLOAT8
            } else {
                Type::INT4
            }
        })
        .collect();
    let (template, _) = table(false);
    let columns = types.iter().enumerate().map(|(i, ty)| column(&format!("c{i}"), *ty, false)).collect();
    let table = Arc::new(Table {
        columns,
        primary_key: Vec::new(),
        primary_key_index: None,
        indexes: Vec::new(),
        ..Table::clone(&template)
    });
    let checks = TableChecks::default();
    let vectors = types.iter().map(|ty| {
        let mut vector = crate::execute::columns::empty(*ty);
        for i in 0..1024 {
            let value = match *ty {
                Type::TEXT => Datum::text(format!("N{i}UA")),
                Type::FLOAT8 => Datum::Float8(f64::from(i)),
                _ if i % 50 == 7 => Datum::Null,
                _ => Datum::Int4(i),
            };
            crate::execute::columns::push(&mut vector, &value).unwrap();
        }
        vector
    });
    let batch = crate::execute::columns::batch(1024, vectors.collect());
    let rows = 329 * 1024u64;
    let transaction = fixture.begin();
    let mut ctx = fixture.context(&transaction);
    let mut writer = TableWriter::new(&table, Arc::new(checks));
    timed("write 19 columns", rows, || {
        for _ in 0..329 {
            writer.write(&batch, &mut ctx).unwrap();
        }
    });
    writer.finish(&ctx).unwrap();
    drop(ctx);
    timed("commit", rows, || transaction.commit().unwrap().wait().unwrap());
    let drain = |plan: Plan| {
        let transaction = fixture.begin();
        let mut ctx = fixture.context(&transaction);
        let mut execution = Execution::open_plan(Arc::new(plan), &mut ctx).unwrap();
        let mut rows = 0;
        while let Some(batch) = execution.next(&mut ctx).unwrap() {
            rows += batch.rows;
        }
        rows
    };
    timed("scan all columns", rows, || assert_eq!(drain(scan(&table, Access::Full, false)) as u64, rows));
    let narrow = |filter| {
        Plan::Scan(Scan {
            table: Arc::clone(&table),
            columns: vec![0, 1],
            row_key: false,
            access: Access::Full,
            snapshot: u64::MAX,
            filter,
            estimate: crate::plan::ScanEstimate::default(),
            bound: None,
        })
    };
    timed("scan two columns", rows, || drain(narrow(None)));
    timed("group by", rows, || {
        drain(Plan::Aggregate {
            input: Box::new(narrow(None)),
            groups: vec![col(0)],
            sets: vec![vec![0]],
            aggregates: vec![aggregate(&SUM, vec![col(1)])],
        })
    });
    timed("sort", rows, || drain(sort(narrow(None), vec![ascending(col(0))])));
    timed("hash join", rows, || {
        drain(Plan::HashJoin {
            kind: crate::plan::JoinKind::Inner,
            left: Box::new(narrow(None)),
            right: Box::new(series(1, 1024)),
            left_keys: vec![col(0)],
            right_keys: vec![col(0)],
            residual: None,
        })
    });
}
