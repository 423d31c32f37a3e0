//! Operators over hand-made plans.

use super::*;
use crate::expr::SubPlan;
use crate::plan::{JoinKind, ResultColumn, SetExpr, SetOp};

fn boxed(plan: Plan) -> Box<Plan> {
    Box::new(plan)
}

fn sorted(mut rows: Vec<String>) -> Vec<String> {
    rows.sort();
    rows
}

#[test]
fn limit_and_offset_cut_batches() {
    let fixture = Fixture::new();
    let plan =
        Plan::Limit { input: boxed(series(1, 5000)), limit: Some(bigint(3)), offset: Some(bigint(1500)) };
    assert_eq!(show(&fixture.rows(plan)), ["1501", "1502", "1503"]);
    let negative = Plan::Limit { input: boxed(series(1, 5)), limit: Some(bigint(-1)), offset: None };
    assert_eq!(fixture.run(negative).unwrap_err().sqlstate(), "2201W");
}

#[test]
fn sort_orders_nulls_and_keeps_equal_rows_in_order() {
    let fixture = Fixture::new();
    let input = values(&[&[2, 1], &[NULL, 2], &[1, 3], &[2, 4]]);
    let plan = sort(input.clone(), vec![ascending(col(0))]);
    assert_eq!(show(&fixture.rows(plan)), ["1 3", "2 1", "2 4", "null 2"]);
    let descending = SortKey { expr: col(0), descending: true, nulls_first: true };
    assert_eq!(show(&fixture.rows(sort(input, vec![descending]))), ["null 2", "2 1", "2 4", "1 3"]);
}

#[test]
fn sort_of_many_rows_merges_runs_and_top_n_agrees() {
    let fixture = Fixture::new();
    // An odd factor makes it a permutation of the integers.
    let scrambled = || {
        let key = call(&TIMES, vec![col(0), int(0x1E37_79B1)]);
        Plan::Project { input: boxed(series(1, 30_000)), exprs: vec![key] }
    };
    let keys = || vec![SortKey { expr: col(0), descending: true, nulls_first: true }];
    let all = fixture.rows(sort(scrambled(), keys()));
    assert_eq!(all.len(), 30_000);
    let numbers: Vec<i32> = show(&all).iter().map(|n| n.parse().unwrap()).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] > pair[1]));
    let top = Plan::Sort { input: boxed(scrambled()), keys: keys(), limit: Some(bigint(5)) };
    assert_eq!(fixture.rows(top), all[..5]);
}

fn join(kind: JoinKind, hash: bool, residual: Option<Expr>) -> Vec<String> {
    let left = values(&[&[1, 10], &[2, 20], &[2, 21], &[NULL, 30], &[4, 40]]);
    let right = values(&[&[2, 200], &[2, 201], &[3, 300], &[NULL, 400], &[1, 100]]);
    let plan = if hash {
        Plan::HashJoin {
            kind,
            left: boxed(left),
            right: boxed(right),
            left_keys: vec![col(0)],
            right_keys: vec![col(0)],
            residual,
        }
    } else {
        let mut terms = vec![call(&EQUAL, vec![col(0), col(2)])];
        terms.extend(residual);
        Plan::NestedLoop {
            kind,
            left: boxed(left),
            right: boxed(right),
            on: Some(boolean(ExprKind::And(terms))),
        }
    };
    sorted(show(&Fixture::new().rows(plan)))
}

#[test]
fn joins_of_every_kind_agree_hashed_or_not() {
    use JoinKind::*;
    let residuals =
        [None, Some(call(&LESS, vec![col(3), int(201)])), Some(call(&LESS, vec![col(3), int(0)]))];
    for kind in [Inner, Left, Right, Full, Semi, Anti] {
        for residual in &residuals {
            assert_eq!(
                join(kind, true, residual.clone()),
                join(kind, false, residual.clone()),
                "{kind:?} {residual:?}"
            );
        }
    }
    assert_eq!(
        join(Inner, true, None),
        ["1 10 1 100", "2 20 2 200", "2 20 2 201", "2 21 2 200", "2 21 2 201"]
    );
    assert_eq!(join(Anti, true, None), ["4 40", "null 30"]);
    assert_eq!(
        join(Full, true, residuals[2].clone()),
        [
            "1 10 null null",
            "2 20 null null",
            "2 21 null null",
            "4 40 null null",
            "null 30 null null",
            "null null 1 100",
            "null null 2 200",
            "null null 2 201",
            "null null 3 300",
            "null null null 400",
        ]
    );
}

#[test]
fn cross_join_is_larger_than_a_batch() {
    let plan = Plan::NestedLoop {
        kind: JoinKind::Inner,
        left: boxed(series(1, 60)),
        right: boxed(series(1, 70)),
        on: None,
    };
    assert_eq!(Fixture::new().rows(plan).len(), 4200);
}

#[test]
fn apply_runs_its_right_side_per_row() {
    let outer = Expr { kind: ExprKind::Outer(0), ty: Type::INT4, typmod: -1 };
    let right = |to: Expr| {
        let plan = Plan::FunctionScan {
            calls: vec![(&SERIES, vec![int(1), to])],
            ordinality: false,
            types: vec![Type::INT4.into()],
        };
        Arc::new(SubPlan { plan, args: vec![col(0)] })
    };
    let run = |kind, on| {
        let plan = Plan::Apply {
            kind,
            left: boxed(values(&[&[0], &[2], &[NULL]])),
            right: right(outer.clone()),
            on,
        };
        show(&Fixture::new().rows(plan))
    };
    assert_eq!(run(JoinKind::Inner, None), ["2 1", "2 2"]);
    assert_eq!(sorted(run(JoinKind::Left, None)), ["0 null", "2 1", "2 2", "null null"]);
    assert_eq!(run(JoinKind::Semi, None), ["2"]);
    assert_eq!(run(JoinKind::Anti, None), ["0", "null"]);
    let never = Some(call(&LESS, vec![col(1), int(0)]));
    assert_eq!(sorted(run(JoinKind::Left, never)), ["0 null", "2 null", "null null"]);
}

fn grouped(groups: Vec<Expr>, sets: Vec<Vec<usize>>, aggregates: Vec<Aggregate>, input: Plan) -> Vec<String> {
    let plan = Plan::Aggregate { input: boxed(input), groups, sets, aggregates };
    sorted(show(&Fixture::new().rows(plan)))
}

#[test]
fn aggregates_group_nulls_together() {
    let input = values(&[&[1, 5], &[NULL, 1], &[1, NULL], &[NULL, 2], &[3, NULL]]);
    let sum = || vec![aggregate(&SUM, vec![col(1)])];
    assert_eq!(grouped(vec![col(0)], vec![vec![0]], sum(), input.clone()), ["1 5", "3 null", "null 3"]);
    assert_eq!(
        grouped(vec![col(0)], vec![vec![0], vec![]], sum(), input),
        ["1 5", "3 null", "null 3", "null 8"]
    );
    let empty = Plan::Empty { types: vec![Type::INT4.into(), Type::INT4.into()] };
    assert_eq!(grouped(Vec::new(), vec![vec![]], sum(), empty.clone()), ["null"]);
    assert_eq!(grouped(vec![col(0)], vec![vec![0]], sum(), empty), Vec::<String>::new());
}

#[test]
fn aggregates_filter_order_and_take_each_value_once() {
    let input = || values(&[&[1, 3], &[1, 1], &[1, 3], &[1, 2], &[1, 0]]);
    let one = |mut a: Aggregate, change: fn(&mut Aggregate)| {
        change(&mut a);
        grouped(Vec::new(), vec![vec![]], vec![a], input())
    };
    let list = || aggregate(&LIST, vec![col(1)]);
    assert_eq!(one(list(), |_| ()), ["31320"]);
    assert_eq!(one(list(), |a| a.order = vec![ascending(col(1))]), ["01233"]);
    assert_eq!(one(list(), |a| a.distinct = true), ["0123"]);
    // 6 / v is not evaluated where v is 0.
    let divide = aggregate(&LIST, vec![call(&DIVIDE, vec![int(6), col(1)])]);
    assert_eq!(one(divide, |a| a.filter = Some(call(&LESS, vec![int(0), col(1)]))), ["2623"]);
    assert_eq!(one(aggregate(&SUM, vec![col(1)]), |a| a.distinct = true), ["6"]);
}

#[test]
fn set_operations_count_rows() {
    let left = || boxed(values(&[&[1], &[1], &[2], &[NULL], &[NULL]]));
    let right = || boxed(values(&[&[1], &[NULL], &[3]]));
    let run = |op, all| {
        let plan = Plan::SetOperation { op, all, left: left(), right: right() };
        show(&Fixture::new().rows(plan))
    };
    assert_eq!(run(SetOp::Union, true).len(), 8);
    assert_eq!(run(SetOp::Union, false), ["1", "2", "null", "3"]);
    assert_eq!(run(SetOp::Intersect, false), ["1", "null"]);
    assert_eq!(run(SetOp::Intersect, true), ["1", "null"]);
    assert_eq!(run(SetOp::Except, false), ["2"]);
    assert_eq!(run(SetOp::Except, true), ["1", "2", "null"]);
}

#[test]
fn distinct_on_keeps_the_first() {
    let input = values(&[&[1, 1], &[2, 2], &[1, 3]]);
    let plan = Plan::Distinct { input: boxed(input), columns: vec![0] };
    assert_eq!(show(&Fixture::new().rows(plan)), ["1 1", "2 2"]);
}

#[test]
fn recursion_stops_at_a_limit_or_without_new_rows() {
    let count_up = |all, step_filter: Option<Expr>| {
        let types = vec![ColumnType::from(Type::INT4)];
        let mut step = Plan::Project {
            input: boxed(Plan::CteScan { id: 7, types: types.clone() }),
            exprs: vec![call(&PLUS, vec![col(0), int(1)])],
        };
        if let Some(predicate) = step_filter {
            step = Plan::Filter { input: boxed(step), predicate };
        }
        let recursive = Plan::Recursive { id: 7, base: boxed(values(&[&[1]])), step: boxed(step), all };
        Plan::With { ctes: vec![(7, recursive)], body: boxed(Plan::CteScan { id: 7, types }) }
    };
    let endless = Plan::Limit { input: boxed(count_up(true, None)), limit: Some(bigint(4)), offset: None };
    assert_eq!(show(&Fixture::new().rows(endless)), ["1", "2", "3", "4"]);
    let ends = count_up(false, Some(call(&LESS, vec![col(0), int(4)])));
    assert_eq!(show(&Fixture::new().rows(ends)), ["1", "2", "3"]);
}

#[test]
fn ctes_are_read_by_several() {
    let types = vec![ColumnType::from(Type::INT4)];
    let read = || boxed(Plan::CteScan { id: 1, types: types.clone() });
    let body = Plan::NestedLoop { kind: JoinKind::Inner, left: read(), right: read(), on: None };
    let plan = Plan::With { ctes: vec![(1, series(1, 3))], body: boxed(body) };
    assert_eq!(Fixture::new().rows(plan).len(), 9);
}

#[test]
fn sets_run_side_by_side() {
    let exprs = vec![
        SetExpr::Scalar(col(0)),
        SetExpr::Set(&SERIES, vec![int(1), col(0)]),
        SetExpr::Set(&SERIES, vec![int(1), int(2)]),
    ];
    let plan = Plan::ProjectSet { input: boxed(values(&[&[3], &[0]])), exprs };
    assert_eq!(show(&Fixture::new().rows(plan)), ["3 1 1", "3 2 2", "3 3 null", "0 null 1", "0 null 2"]);
}

#[test]
fn results_as_text_have_the_names_of_objects() {
    let fixture = Fixture::new();
    // A cast from oid does not change the vector.
    let mut types = crate::execute::columns::empty(Type::OID);
    let declared = [ResultColumn { name: "t".to_owned(), ty: Type::REGTYPE.into(), table: 0, attnum: 0 }];
    for value in [Datum::Oid(23), Datum::Null, Datum::Oid(0), Datum::Oid(99_999)] {
        crate::execute::columns::push(&mut types, &value).unwrap();
    }
    let batch = crate::execute::columns::batch(4, vec![types]);
    let named = crate::execute::with_names(batch.clone(), &declared, &[0], &fixture.eval()).unwrap();
    let rows: Vec<Vec<Datum>> = (0..4).map(|i| crate::execute::columns::row(&named, i)).collect();
    assert_eq!(show(&rows), ["integer", "null", "-", "99999"]);
    let binary = crate::execute::with_names(batch, &declared, &[1], &fixture.eval()).unwrap();
    assert_eq!(crate::execute::columns::row(&binary, 0), [Datum::Oid(23)]);
}

static NUMBERS: crate::plan::SystemRelation = crate::plan::SystemRelation {
    oid: 1,
    schema: "pg_catalog",
    name: "numbers",
    kind: 'r',
    columns: &[("n", Type::INT4), ("third", Type::INT4)],
    rows: |_| Ok((0..3000).map(|i| vec![Datum::Int4(i), Datum::Int4(i / 3)]).collect()),
};

#[test]
fn catalog_relations_are_filtered_and_looked_up() {
    let run = |filter| {
        show(&Fixture::new().rows(Plan::SystemScan { relation: &NUMBERS, columns: vec![1, 0], filter }))
    };
    assert_eq!(run(None).len(), 3000);
    assert_eq!(run(Some(call(&LESS, vec![col(1), int(2)]))), ["0 0", "0 1"]);
    assert_eq!(run(Some(call(&EQUAL, vec![int(7), col(0)]))), ["7 21", "7 22", "7 23"]);
    let both =
        boolean(ExprKind::And(vec![call(&EQUAL, vec![col(0), int(7)]), call(&LESS, vec![col(1), int(22)])]));
    assert_eq!(run(Some(both)), ["7 21"]);
    assert_eq!(run(Some(call(&EQUAL, vec![col(0), null()]))), Vec::<String>::new());
    assert_eq!(run(Some(call(&EQUAL, vec![col(0), int(-1)]))), Vec::<String>::new());
}

#[test]
fn functions_in_from_count_their_rows() {
    let plan = Plan::FunctionScan {
        calls: vec![(&SERIES, vec![int(5), int(7)]), (&SERIES, vec![int(1), int(2)])],
        ordinality: true,
        types: vec![Type::INT4.into(), Type::INT4.into(), Type::INT8.into()],
    };
    assert_eq!(show(&Fixture::new().rows(plan)), ["5 1 1", "6 2 2", "7 null 3"]);
}

#[test]
fn an_execution_can_move_between_threads() {
    fn is_send<T: Send>() {}
    is_send::<Execution>();
}
