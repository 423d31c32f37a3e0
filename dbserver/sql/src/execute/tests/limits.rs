//! A statement stops where it is: at its deadline, when cancelled, over its memory.

use super::*;
use crate::context::MemoryAccount;
use crate::plan::JoinKind;
use std::time::{Duration, Instant};

fn boxed(plan: Plan) -> Box<Plan> {
    Box::new(plan)
}

/// Joins of so many pairs that nobody waits for their end.
fn endless(keys: bool) -> Plan {
    let (left, right) = (boxed(series(1, 3_000_000)), boxed(series(1, 100_000)));
    if keys {
        let (left_keys, right_keys) = (vec![int(1)], vec![int(1)]);
        let residual = Some(call(&LESS, vec![call(&PLUS, vec![col(0), col(1)]), int(0)]));
        return Plan::HashJoin { kind: JoinKind::Inner, left, right, left_keys, right_keys, residual };
    }
    let on = Some(call(&LESS, vec![call(&PLUS, vec![col(0), col(1)]), int(0)]));
    Plan::NestedLoop { kind: JoinKind::Inner, left, right, on }
}

fn ends_with(fixture: &Fixture, plan: Plan, state: &str) {
    assert_eq!(fixture.run(plan).unwrap_err().sqlstate(), state);
}

#[test]
fn deadline_ends_every_long_loop() {
    let mut fixture = Fixture::new();
    let plans = [
        endless(false),
        endless(true),
        sort(series(1, i32::MAX), vec![ascending(col(0))]),
        Plan::Distinct { input: boxed(series(1, i32::MAX)), columns: vec![0] },
        Plan::Aggregate {
            input: boxed(series(1, i32::MAX)),
            groups: Vec::new(),
            sets: vec![vec![]],
            aggregates: vec![aggregate(&SUM, vec![col(0)])],
        },
    ];
    for plan in plans {
        fixture.query.deadline = Some(Instant::now() + Duration::from_millis(5));
        ends_with(&fixture, plan, "57014");
    }
}

#[test]
fn cancel_ends_a_statement() {
    let fixture = Fixture::new();
    fixture.query.cancel.request();
    ends_with(&fixture, series(1, 10), "57014");
    fixture.query.cancel.shut_down();
    ends_with(&fixture, series(1, 10), "57P01");
}

#[test]
fn memory_limit_ends_what_keeps_rows_and_is_given_back() {
    let mut fixture = Fixture::new();
    fixture.query.memory = MemoryAccount::new("query", 1 << 20, None);
    let many = || boxed(series(1, 1_000_000));
    let plans = [
        sort(series(1, 1_000_000), vec![ascending(col(0))]),
        Plan::Distinct { input: many(), columns: vec![0] },
        Plan::NestedLoop { kind: JoinKind::Inner, left: boxed(series(1, 1)), right: many(), on: None },
        Plan::HashJoin {
            kind: JoinKind::Inner,
            left: boxed(series(1, 1)),
            right: many(),
            left_keys: vec![col(0)],
            right_keys: vec![col(0)],
            residual: None,
        },
        Plan::Aggregate {
            input: many(),
            groups: vec![col(0)],
            sets: vec![vec![0]],
            aggregates: vec![aggregate(&SUM, vec![col(0)])],
        },
        Plan::With {
            ctes: vec![(1, series(1, 1_000_000))],
            body: boxed(Plan::CteScan { id: 1, types: vec![Type::INT4.into()] }),
        },
    ];
    for plan in plans {
        ends_with(&fixture, plan, "53200");
        assert_eq!(fixture.query.memory.used(), 0);
    }
}

#[test]
fn a_plan_that_is_too_deep_is_refused() {
    let nested = |levels| {
        (0..levels).fold(series(1, 2), |plan, _| Plan::Limit {
            input: boxed(plan),
            limit: None,
            offset: None,
        })
    };
    assert_eq!(Fixture::new().rows(nested(250)).len(), 2);
    ends_with(&Fixture::new(), nested(300), "54001");
}

#[test]
fn a_top_n_sort_keeps_little() {
    let mut fixture = Fixture::new();
    fixture.query.memory = MemoryAccount::new("query", 1 << 20, None);
    let keys = vec![SortKey { expr: col(0), descending: true, nulls_first: true }];
    let plan = Plan::Sort { input: boxed(series(1, 200_000)), keys, limit: Some(bigint(2)) };
    assert_eq!(show(&fixture.rows(plan)), ["200000", "199999"]);
}
