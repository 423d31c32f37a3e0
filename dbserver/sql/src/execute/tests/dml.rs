//! INSERT, UPDATE, DELETE and row locks, alone and between two transactions.

use super::*;
use crate::execute::{PointStep, run_point};
use crate::plan::{Delete, Insert, LockTarget, LockWaitPolicy, OnConflict, PointPlan, Update};
use crate::session::Sink;

struct Collect(Vec<Vec<Datum>>);

impl Sink for Collect {
    fn row(&mut self, row: &[Datum]) -> Result<()> {
        self.0.push(row.to_vec());
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

struct Db {
    fixture: Fixture,
    table: Arc<Table>,
    checks: TableChecks,
}

impl Db {
    fn new(unique: bool, rows: &[&[i32]]) -> Self {
        let (table, checks) = table(unique);
        let db = Self { fixture: Fixture::new(), table, checks };
        if !rows.is_empty() {
            db.fixture.run(db.insert(values(rows), None)).unwrap();
        }
        db
    }
    fn insert(&self, input: Plan, conflict: Option<OnConflict>) -> Plan {
        Plan::Insert(Box::new(Insert {
            table: Arc::clone(&self.table),
            input,
            checks: self.checks.clone().into(),
            conflict,
            returning: Vec::new(),
        }))
    }
    fn target(&self) -> LockTarget {
        LockTarget { table: Arc::clone(&self.table), first: 0, key: 3 }
    }
    fn filtered(&self, condition: &Option<Expr>) -> Plan {
        let input = scan(&self.table, Access::Full, true);
        match condition {
            Some(predicate) => Plan::Filter { input: Box::new(input), predicate: predicate.clone() },
            None => input,
        }
    }
    fn update(&self, assignments: Vec<(usize, Expr)>, condition: Option<Expr>) -> Plan {
        Plan::Update(Box::new(Update {
            table: Arc::clone(&self.table),
            input: self.filtered(&condition),
            target: self.target(),
            assignments,
            recheck: condition,
            checks: self.checks.clone(),
            returning: vec![col(0), col(1)],
        }))
    }
    fn delete(&self, condition: Option<Expr>) -> Plan {
        Plan::Delete(Box::new(Delete {
            table: Arc::clone(&self.table),
            input: self.filtered(&condition),
            target: self.target(),
            recheck: condition,
            checks: self.checks.clone(),
            returning: vec![col(0)],
        }))
    }
    fn all(&self) -> Vec<String> {
        show(&self.fixture.rows(scan(&self.table, Access::Full, false)))
    }
    /// Rows by an index range on `v`, which must agree with the table.
    fn by_index(&self, bounds: KeyBounds) -> Vec<String> {
        let index = Arc::clone(&self.table.indexes[0]);
        show(&self.fixture.rows(scan(&self.table, Access::Index(index, bounds), false)))
    }
}

fn is(column: usize, value: i32) -> Option<Expr> {
    Some(call(&EQUAL, vec![col(column), int(value)]))
}

#[test]
fn rows_go_in_and_come_back_by_key_and_by_index() {
    let db = Db::new(false, &[&[3, 30, 1], &[1, 10, 1], &[2, NULL, 1], &[4, 30, 2]]);
    assert_eq!(db.all(), ["1 10 1", "2 null 1", "3 30 1", "4 30 2"]);
    let by_key = |bounds| show(&db.fixture.rows(scan(&db.table, Access::PrimaryKey(bounds), false)));
    assert_eq!(by_key(bounds(vec![int(3)])), ["3 30 1"]);
    let above = KeyBounds { lower: Some((int(2), false)), ..KeyBounds::default() };
    assert_eq!(by_key(above.clone()), ["3 30 1", "4 30 2"]);
    assert_eq!(by_key(KeyBounds { reverse: true, ..above.clone() }), ["4 30 2", "3 30 1"]);
    let crossed = KeyBounds { upper: Some((int(1), true)), ..above };
    assert_eq!(by_key(crossed), Vec::<String>::new());
    let list = Expr {
        kind: ExprKind::Array(vec![int(4), int(1), int(4), null()]),
        ty: Type::INT4_ARRAY,
        typmod: -1,
    };
    assert_eq!(by_key(KeyBounds { any: Some(list), ..KeyBounds::default() }), ["1 10 1", "4 30 2"]);
    assert_eq!(by_key(bounds(vec![null()])), Vec::<String>::new());
    assert_eq!(db.by_index(bounds(vec![int(30)])), ["3 30 1", "4 30 2"]);
    // Nulls are beyond every bound.
    let below = KeyBounds { lower: Some((int(10), true)), ..KeyBounds::default() };
    assert_eq!(db.by_index(below), ["1 10 1", "3 30 1", "4 30 2"]);
}

#[test]
fn unique_violations_name_key_and_constraint() {
    let db = Db::new(true, &[&[1, 10, 1]]);
    let error = db.fixture.run(db.insert(values(&[&[2, 20, 0], &[1, 30, 0]]), None)).unwrap_err();
    assert_eq!(error.sqlstate(), "23505");
    assert_eq!(error.fields().message, "duplicate key value violates unique constraint \"t_pkey\"");
    assert_eq!(error.fields().detail, "Key (id)=(1) already exists.");
    let error = db.fixture.run(db.insert(values(&[&[2, 10, 0]]), None)).unwrap_err();
    assert_eq!(error.fields().constraint, "t_v_key");
    assert_eq!(error.fields().schema, "public");
    assert_eq!(error.fields().detail, "Key (v)=(10) already exists.");
    // Nulls are distinct, also within one statement.
    db.fixture.run(db.insert(values(&[&[5, NULL, 0], &[6, NULL, 0]]), None)).unwrap();
    assert_eq!(db.all(), ["1 10 1", "5 null 0", "6 null 0"]);
}

#[test]
fn null_and_check_violations_show_the_row() {
    let mut db = Db::new(false, &[]);
    let error = db.fixture.run(db.insert(values(&[&[NULL, 2, 3]]), None)).unwrap_err();
    assert_eq!(error.sqlstate(), "23502");
    assert_eq!(
        error.fields().message,
        "null value in column \"id\" of relation \"t\" violates not-null constraint"
    );
    assert_eq!(error.fields().detail, "Failing row contains (null, 2, 3).");
    db.checks.checks.push(("t_w_check".to_owned(), call(&LESS, vec![col(2), int(9)])));
    let error = db.fixture.run(db.insert(values(&[&[1, 2, NULL], &[2, NULL, 9]]), None)).unwrap_err();
    assert_eq!(error.sqlstate(), "23514");
    assert_eq!(error.fields().message, "new row for relation \"t\" violates check constraint \"t_w_check\"");
    assert_eq!(error.fields().detail, "Failing row contains (2, null, 9).");
}

#[test]
fn update_moves_keys_and_index_entries() {
    let db = Db::new(true, &[&[1, 10, 1], &[2, 20, 2]]);
    let plan = db
        .update(vec![(0, call(&PLUS, vec![col(0), int(100)])), (1, call(&PLUS, vec![col(1), int(1)]))], None);
    let (rows, affected) = db.fixture.run(plan).unwrap();
    assert_eq!((show(&rows), affected), (vec!["101 11".to_owned(), "102 21".to_owned()], 2));
    assert_eq!(db.all(), ["101 11 1", "102 21 2"]);
    assert_eq!(db.by_index(KeyBounds::default()), ["101 11 1", "102 21 2"]);
    assert_eq!(db.by_index(bounds(vec![int(10)])), Vec::<String>::new());
    // Entries of columns that do not change still lead to the row.
    db.fixture.run(db.update(vec![(2, int(7))], is(0, 101))).unwrap();
    assert_eq!(db.by_index(bounds(vec![int(11)])), ["101 11 7"]);
    let error = db.fixture.run(db.update(vec![(1, int(21))], is(0, 101))).unwrap_err();
    assert_eq!(error.fields().detail, "Key (v)=(21) already exists.");
}

#[test]
fn an_update_does_not_meet_its_own_rows() {
    let rows: Vec<Vec<i32>> = (0..3000).map(|i| vec![i, i, 0]).collect();
    let rows: Vec<&[i32]> = rows.iter().map(Vec::as_slice).collect();
    let db = Db::new(false, &rows);
    // Every row moves behind the scan's position.
    let (_, affected) =
        db.fixture.run(db.update(vec![(0, call(&PLUS, vec![col(0), int(10_000)]))], None)).unwrap();
    assert_eq!(affected, 3000);
    assert_eq!(db.all().len(), 3000);
}

#[test]
fn delete_takes_index_entries_along() {
    let db = Db::new(true, &[&[1, 10, 1], &[2, 20, 2]]);
    let (rows, affected) = db.fixture.run(db.delete(is(1, 10))).unwrap();
    assert_eq!((show(&rows), affected), (vec!["1".to_owned()], 1));
    assert_eq!(db.by_index(KeyBounds::default()), ["2 20 2"]);
    db.fixture.run(db.insert(values(&[&[3, 10, 3]]), None)).unwrap();
    assert_eq!(db.all(), ["2 20 2", "3 10 3"]);
}

#[test]
fn on_conflict_does_nothing_or_updates() {
    let db = Db::new(true, &[&[1, 10, 1]]);
    let nothing = || Some(OnConflict { target: None, update: None });
    let (_, affected) =
        db.fixture.run(db.insert(values(&[&[1, 5, 5], &[2, 10, 5], &[3, 30, 5]]), nothing())).unwrap();
    assert_eq!(affected, 1);
    assert_eq!(db.all(), ["1 10 1", "3 30 5"]);
    // excluded.w is column 5 of old row and proposed row.
    let update = |target| {
        let assign = vec![(2, call(&PLUS, vec![col(2), col(5)]))];
        Some(OnConflict { target: Some(target), update: Some((assign, None)) })
    };
    db.fixture.run(db.insert(values(&[&[1, 99, 7], &[4, 40, 4]]), update(None))).unwrap();
    db.fixture.run(db.insert(values(&[&[9, 30, 2]]), update(Some(0)))).unwrap();
    assert_eq!(db.all(), ["1 10 8", "3 30 7", "4 40 4"]);
    let twice = db.fixture.run(db.insert(values(&[&[7, 70, 0], &[7, 71, 0]]), update(None))).unwrap_err();
    assert_eq!(twice.sqlstate(), "21000");
    // A conflict in another index than the one named is an error.
    let other = db.fixture.run(db.insert(values(&[&[8, 10, 0]]), update(None))).unwrap_err();
    assert_eq!((other.sqlstate(), other.fields().constraint.as_str()), ("23505", "t_v_key"));
}

#[test]
fn tables_without_a_key_number_their_rows() {
    let (table, _) = table(false);
    let mut table = Table::clone(&table);
    table.primary_key = Vec::new();
    table.indexes = Vec::new();
    let db = Db { fixture: Fixture::new(), table: Arc::new(table), checks: TableChecks::default() };
    for _ in 0..2 {
        db.fixture.run(db.insert(values(&[&[1, 1, 1], &[1, 1, 1]]), None)).unwrap();
    }
    assert_eq!(db.all().len(), 4);
    // Another process begins after the rows that are there.
    let again = Db { fixture: Fixture { numbers: RowNumbers::default(), ..db.fixture }, ..db };
    again.fixture.run(again.insert(values(&[&[2, 2, 2]]), None)).unwrap();
    assert_eq!(again.all().len(), 5);
}

/// Runs a plan on another thread while `first` still holds its locks, lets it wait, commits `first`, and gives the answer.
fn while_locked(db: &Db, first: Transaction, isolation: Isolation, plan: Plan) -> Result<(Vec<String>, u64)> {
    std::thread::scope(|scope| {
        let second = db.fixture.engine.begin(isolation);
        second.new_statement();
        // The snapshot is taken before the other commits.
        let mut ctx = db.fixture.context(&second);
        let mut execution = Execution::open_plan(Arc::new(plan), &mut ctx).unwrap();
        drop(ctx);
        let state = db.fixture.context(&second).state;
        let fixture = &db.fixture;
        let waiter = scope.spawn(move || {
            let mut ctx = fixture.context(&second);
            ctx.state = state;
            let mut rows = Vec::new();
            while let Some(batch) = execution.next(&mut ctx)? {
                rows.extend((0..batch.rows).map(|i| crate::execute::columns::row(&batch, i)));
            }
            let affected = execution.affected();
            second.commit()?.wait()?;
            Ok((show(&rows), affected))
        });
        first.commit().unwrap().wait().unwrap();
        waiter.join().unwrap()
    })
}

#[test]
fn read_committed_goes_on_with_the_newest_version() {
    let db = Db::new(true, &[&[1, 10, 0], &[2, 20, 0]]);
    let first = db.fixture.begin();
    db.fixture.run_in(&first, db.update(vec![(2, int(5))], is(0, 1))).unwrap();
    let second = db.update(vec![(2, call(&PLUS, vec![col(2), int(1)]))], is(0, 1));
    let (_, affected) = while_locked(&db, first, Isolation::ReadCommitted, second).unwrap();
    assert_eq!(affected, 1);
    assert_eq!(db.all(), ["1 10 6", "2 20 0"]);
}

#[test]
fn read_committed_asks_the_condition_again() {
    let db = Db::new(true, &[&[1, 10, 0], &[2, 20, 0]]);
    let first = db.fixture.begin();
    db.fixture.run_in(&first, db.update(vec![(1, int(11))], is(0, 1))).unwrap();
    let (rows, affected) = while_locked(&db, first, Isolation::ReadCommitted, db.delete(is(1, 10))).unwrap();
    assert_eq!((rows.len(), affected), (0, 0));
    let first = db.fixture.begin();
    db.fixture.run_in(&first, db.delete(is(0, 2))).unwrap();
    let gone = db.update(vec![(2, int(9))], is(0, 2));
    assert_eq!(while_locked(&db, first, Isolation::ReadCommitted, gone).unwrap().1, 0);
    assert_eq!(db.all(), ["1 11 0"]);
}

#[test]
fn repeatable_read_refuses_a_changed_row() {
    let db = Db::new(true, &[&[1, 10, 0]]);
    let first = db.fixture.begin();
    db.fixture.run_in(&first, db.update(vec![(2, int(5))], is(0, 1))).unwrap();
    let plan = db.update(vec![(2, int(6))], is(0, 1));
    let error = while_locked(&db, first, Isolation::RepeatableRead, plan).unwrap_err();
    assert_eq!(error.sqlstate(), "40001");
}

#[test]
fn a_wait_for_a_lock_ends_at_its_timeout_or_when_cancelled() {
    let db = Db::new(true, &[&[1, 10, 0]]);
    let first = db.fixture.begin();
    db.fixture.run_in(&first, db.update(vec![(2, int(5))], is(0, 1))).unwrap();
    let run = |timeout: Option<std::time::Duration>| {
        let second = db.fixture.begin();
        let mut ctx = db.fixture.context(&second);
        ctx.lock_timeout = timeout;
        let plan = Arc::new(db.update(vec![(2, int(6))], is(0, 1)));
        let mut execution = Execution::open_plan(plan, &mut ctx).unwrap();
        execution.next(&mut ctx).unwrap_err().sqlstate()
    };
    assert_eq!(run(Some(std::time::Duration::from_millis(1))), "55P03");
    db.fixture.query.cancel.request();
    assert_eq!(run(None), "57014");
}

#[test]
fn locked_rows_are_skipped_or_refused() {
    let db = Db::new(true, &[&[1, 10, 0], &[2, 20, 0]]);
    let first = db.fixture.begin();
    db.fixture.run_in(&first, db.update(vec![(2, int(5))], is(0, 1))).unwrap();
    let lock = |wait| Plan::LockRows {
        input: Box::new(scan(&db.table, Access::Full, true)),
        targets: vec![db.target()],
        recheck: None,
        share: false,
        wait,
    };
    let skip = Plan::Project { input: Box::new(lock(LockWaitPolicy::SkipLocked)), exprs: vec![col(0)] };
    assert_eq!(show(&db.fixture.rows(skip)), ["2"]);
    let error = db.fixture.run(lock(LockWaitPolicy::NoWait)).unwrap_err();
    assert_eq!(error.sqlstate(), "55P03");
    assert_eq!(error.fields().message, "could not obtain lock on row in relation \"t\"");
}

#[test]
fn a_limit_locks_no_more_rows_than_it_takes() {
    let db = Db::new(true, &[&[1, 10, 0], &[2, 20, 0], &[3, 30, 0], &[4, 40, 0]]);
    let take = || {
        let lock = Plan::LockRows {
            input: Box::new(scan(&db.table, Access::Full, true)),
            targets: vec![db.target()],
            recheck: None,
            share: false,
            wait: LockWaitPolicy::SkipLocked,
        };
        let limited = Plan::Limit { input: Box::new(lock), limit: Some(bigint(2)), offset: None };
        Plan::Project { input: Box::new(limited), exprs: vec![col(0)] }
    };
    let (first, second) = (db.fixture.begin(), db.fixture.begin());
    assert_eq!(show(&db.fixture.run_in(&first, take()).unwrap().0), ["1", "2"]);
    assert_eq!(show(&db.fixture.run_in(&second, take()).unwrap().0), ["3", "4"]);
}

fn point(db: &Db, transaction: &Transaction, plan: &PointPlan) -> Result<(PointStep, Vec<String>)> {
    transaction.new_statement();
    let mut ctx = db.fixture.context(transaction);
    let mut sink = Collect(Vec::new());
    let step = run_point(plan, &mut ctx, &mut sink)?;
    Ok((step, show(&sink.0)))
}

#[test]
fn point_plans_get_write_and_wait() {
    let db = Db::new(true, &[&[1, 10, 0]]);
    let (table, checks) = (|| Arc::clone(&db.table), || db.checks.clone());
    let get = |key| PointPlan::Get {
        table: table(),
        key: vec![int(key)],
        filter: None,
        exprs: vec![col(2), col(0)],
    };
    let insert = |id, v| PointPlan::Insert {
        table: table(),
        values: vec![int(id), int(v), int(0)],
        checks: checks(),
        returning: vec![col(0)],
    };
    let update = |key, v| PointPlan::Update {
        table: table(),
        key: vec![int(key)],
        filter: None,
        assignments: vec![(1, int(v)), (2, call(&PLUS, vec![col(2), int(1)]))],
        checks: checks(),
        returning: vec![col(2)],
    };
    let done = |step: PointStep| matches!(step, PointStep::Done { rows: 1 });
    let first = db.fixture.begin();
    let (step, rows) = point(&db, &first, &get(1)).unwrap();
    assert!(done(step));
    assert_eq!(rows, ["0 1"]);
    assert!(done(point(&db, &first, &insert(2, 20)).unwrap().0));
    assert_eq!(point(&db, &first, &update(1, 11)).unwrap().1, ["1"]);
    assert_eq!(point(&db, &first, &insert(3, 11)).unwrap_err().sqlstate(), "23505");
    drop(first);

    let first = db.fixture.begin();
    assert!(done(point(&db, &first, &update(1, 12)).unwrap().0));
    let second = db.fixture.begin();
    // The row is locked; and the value that it gave up may come back.
    assert!(matches!(point(&db, &second, &update(1, 13)).unwrap().0, PointStep::Wait(_)));
    assert!(matches!(point(&db, &second, &insert(4, 10)).unwrap().0, PointStep::Wait(_)));
    first.commit().unwrap().wait().unwrap();
    assert!(done(point(&db, &second, &insert(4, 10)).unwrap().0));
    assert_eq!(point(&db, &second, &update(1, 13)).unwrap().1, ["2"]);
    let delete = PointPlan::Delete {
        table: table(),
        key: vec![int(4)],
        filter: None,
        checks: checks(),
        returning: Vec::new(),
    };
    assert!(done(point(&db, &second, &delete).unwrap().0));
    assert!(matches!(point(&db, &second, &delete).unwrap().0, PointStep::Done { rows: 0 }));
    second.commit().unwrap().wait().unwrap();
    assert_eq!(db.all(), ["1 13 2"]);
    assert_eq!(db.by_index(KeyBounds::default()), ["1 13 2"]);
}
