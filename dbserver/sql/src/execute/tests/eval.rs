//! `eval_row` and `eval_vector` mean the same.

use super::*;
use crate::execute::{columns, eval_row, eval_vector};
use crate::expr::{SubPlan, SubqueryKind};
use proptest::prelude::*;

/// Expressions of integers over two columns, some of which fail (division) on rows that must not reach them.
fn integer() -> BoxedStrategy<Expr> {
    let leaf = prop_oneof![
        (0usize..2).prop_map(col),
        (-2i32..3).prop_map(int),
        Just(null()),
        Just(Expr { kind: ExprKind::Param(0), ty: Type::INT4, typmod: -1 }),
    ];
    let nested = leaf.prop_recursive(3, 24, 3, |inner| {
        let condition = condition(inner.clone());
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| call(&PLUS, vec![a, b])),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| call(&DIVIDE, vec![a, b])),
            (condition, inner.clone(), proptest::option::of(inner.clone())).prop_map(
                |(when, then, otherwise)| {
                    Expr {
                        kind: ExprKind::Case {
                            whens: vec![(when, then)],
                            otherwise: otherwise.map(Box::new),
                        },
                        ty: Type::INT4,
                        typmod: -1,
                    }
                }
            ),
            proptest::collection::vec(inner.clone(), 1..3).prop_map(|args| Expr {
                kind: ExprKind::Coalesce(args),
                ty: Type::INT4,
                typmod: -1
            }),
            (proptest::collection::vec(inner.clone(), 1..3), any::<bool>()).prop_map(|(args, greatest)| {
                Expr { kind: ExprKind::MinMax { args, less: &LESS, greatest }, ty: Type::INT4, typmod: -1 }
            }),
            (proptest::collection::vec(inner.clone(), 1..3), inner).prop_map(|(items, index)| {
                let array = Expr { kind: ExprKind::Array(items), ty: Type::INT4_ARRAY, typmod: -1 };
                Expr {
                    kind: ExprKind::Subscript { array: Box::new(array), indexes: vec![index] },
                    ty: Type::INT4,
                    typmod: -1,
                }
            }),
        ]
    });
    nested.boxed()
}

fn condition(operand: impl Strategy<Value = Expr> + Clone + 'static) -> impl Strategy<Value = Expr> {
    let pair = (operand.clone(), operand.clone());
    let list = proptest::collection::vec(operand.clone(), 0..3);
    let leaf = prop_oneof![
        pair.clone().prop_map(|(a, b)| call(&LESS, vec![a, b])),
        pair.clone().prop_map(|(a, b)| call(&EQUAL, vec![a, b])),
        (operand.clone(), any::<bool>())
            .prop_map(|(a, negated)| boolean(ExprKind::IsNull { arg: Box::new(a), negated })),
        (pair, any::<bool>()).prop_map(|((a, b), negated)| {
            let (left, right) = (Box::new(a), Box::new(b));
            boolean(ExprKind::IsDistinct { left, right, equal: &EQUAL, negated })
        }),
        (operand.clone(), list.clone()).prop_map(|(a, list)| boolean(ExprKind::InList {
            arg: Box::new(a),
            list,
            equal: &EQUAL
        })),
        (operand, list, any::<bool>()).prop_map(|(a, list, all)| {
            let array = Expr { kind: ExprKind::Array(list), ty: Type::INT4_ARRAY, typmod: -1 };
            let (left, array) = (Box::new(a), Box::new(array));
            boolean(ExprKind::ArrayCompare { left, array, function: &EQUAL, all })
        }),
    ];
    leaf.prop_recursive(2, 8, 2, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 1..3).prop_map(|terms| boolean(ExprKind::And(terms))),
            proptest::collection::vec(inner.clone(), 1..3).prop_map(|terms| boolean(ExprKind::Or(terms))),
            inner.clone().prop_map(|term| boolean(ExprKind::Not(Box::new(term)))),
            (inner, proptest::option::of(any::<bool>()), any::<bool>()).prop_map(|(arg, value, negated)| {
                boolean(ExprKind::IsBool { arg: Box::new(arg), value, negated })
            }),
        ]
    })
}

fn value() -> impl Strategy<Value = i32> {
    prop_oneof![4 => -2i32..3, 1 => Just(NULL)]
}

thread_local! {
    static FIXTURE: Fixture = Fixture { params: vec![Datum::Int4(1)], ..Fixture::new() };
}

fn agree(expr: &Expr, a: Vec<i32>, b: Vec<i32>) -> Result<(), TestCaseError> {
    FIXTURE.with(|fixture| {
        let input = batch(&[a, b]);
        let mut ctx = ExecContext::without_transaction(fixture.eval());
        let by_row: Result<Vec<Datum>> =
            (0..input.rows).map(|i| eval_row(expr, &columns::row(&input, i), &mut ctx)).collect();
        let by_vector = eval_vector(expr, &input, &mut ctx);
        match (by_row, by_vector) {
            (Ok(rows), Ok(vector)) => {
                prop_assert_eq!(columns::len(&vector), input.rows);
                let values: Vec<Datum> = (0..input.rows).map(|i| columns::get(&vector, i)).collect();
                prop_assert_eq!(rows, values);
            }
            (Err(row), Err(vector)) => prop_assert_eq!(row.sqlstate(), vector.sqlstate()),
            (row, vector) => prop_assert!(false, "row {:?}, vector {:?}", row, vector.map(|_| ())),
        }
        Ok(())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn rows_and_vectors_agree_on_integers(
        expr in integer(),
        rows in proptest::collection::vec((value(), value()), 1..12),
    ) {
        let (a, b) = rows.into_iter().unzip();
        agree(&expr, a, b)?;
    }

    #[test]
    fn rows_and_vectors_agree_on_conditions(
        expr in condition(integer()),
        rows in proptest::collection::vec((value(), value()), 1..12),
    ) {
        let (a, b) = rows.into_iter().unzip();
        agree(&expr, a, b)?;
    }
}

/// What a condition's three values are over one row of `(a, b)`.
fn truth(expr: &Expr, a: i32, b: i32) -> Datum {
    FIXTURE.with(|fixture| {
        let mut ctx = ExecContext::without_transaction(fixture.eval());
        let input = batch(&[vec![a], vec![b]]);
        let vector = eval_vector(expr, &input, &mut ctx).unwrap();
        columns::get(&vector, 0)
    })
}

#[test]
fn and_keeps_the_rest_from_rows_that_are_settled() {
    let guard = boolean(ExprKind::Not(Box::new(call(&EQUAL, vec![col(1), int(0)]))));
    let division = call(&LESS, vec![int(0), call(&DIVIDE, vec![col(0), col(1)])]);
    let both = boolean(ExprKind::And(vec![guard, division]));
    assert_eq!(truth(&both, 4, 0), Datum::Bool(false));
    assert_eq!(truth(&both, 4, 2), Datum::Bool(true));
    assert_eq!(truth(&both, NULL, 2), Datum::Null);
}

#[test]
fn in_with_a_null_is_unknown_unless_found() {
    let of = |list: Vec<Expr>| boolean(ExprKind::InList { arg: Box::new(col(0)), list, equal: &EQUAL });
    assert_eq!(truth(&of(vec![int(1), null()]), 1, 0), Datum::Bool(true));
    assert_eq!(truth(&of(vec![int(1), null()]), 2, 0), Datum::Null);
    assert_eq!(truth(&of(vec![int(1)]), NULL, 0), Datum::Null);
    assert_eq!(truth(&of(vec![int(1)]), 2, 0), Datum::Bool(false));
}

fn subquery(kind: SubqueryKind, plan: Plan, args: Vec<Expr>, ty: Type) -> Expr {
    Expr { kind: ExprKind::Subquery { kind, plan: Arc::new(SubPlan { plan, args }) }, ty, typmod: -1 }
}

fn in_subquery(plan: Plan, all: bool, hashable: bool, args: Vec<Expr>) -> Expr {
    let kind = SubqueryKind::Compare { left: vec![col(0)], functions: vec![&EQUAL], all, hashable };
    subquery(kind, plan, args, Type::BOOL)
}

#[test]
fn in_subquery_knows_three_values_hashed_or_not() {
    for hashable in [true, false] {
        let plain = || in_subquery(values(&[&[1], &[2]]), false, hashable, Vec::new());
        assert_eq!(truth(&plain(), 1, 0), Datum::Bool(true));
        assert_eq!(truth(&plain(), 3, 0), Datum::Bool(false));
        assert_eq!(truth(&plain(), NULL, 0), Datum::Null);
        let with_null = || in_subquery(values(&[&[1], &[NULL]]), false, hashable, Vec::new());
        assert_eq!(truth(&with_null(), 1, 0), Datum::Bool(true));
        assert_eq!(truth(&with_null(), 3, 0), Datum::Null);
        let empty = Plan::Empty { types: vec![Type::INT4.into()] };
        assert_eq!(truth(&in_subquery(empty, false, hashable, Vec::new()), NULL, 0), Datum::Bool(false));
    }
}

#[test]
fn correlated_subqueries_see_their_arguments() {
    let outer = Expr { kind: ExprKind::Outer(0), ty: Type::INT4, typmod: -1 };
    let twice = Plan::Values {
        rows: vec![vec![call(&PLUS, vec![outer.clone(), outer])]],
        types: vec![Type::INT4.into()],
    };
    let expr = subquery(SubqueryKind::Scalar, twice.clone(), vec![col(0)], Type::INT4);
    let results = FIXTURE.with(|fixture| {
        let mut ctx = ExecContext::without_transaction(fixture.eval());
        let vector = eval_vector(&expr, &batch(&[vec![1, 2, 1, NULL]]), &mut ctx).unwrap();
        (0..4).map(|i| vec![columns::get(&vector, i)]).collect::<Vec<_>>()
    });
    assert_eq!(show(&results), ["2", "4", "2", "null"]);
    let exists = subquery(SubqueryKind::Exists, twice, vec![col(0)], Type::BOOL);
    assert_eq!(truth(&exists, 1, 0), Datum::Bool(true));
}

#[test]
fn scalar_subquery_of_two_rows_is_21000() {
    let expr = subquery(SubqueryKind::Scalar, values(&[&[1], &[2]]), Vec::new(), Type::INT4);
    let error = FIXTURE.with(|fixture| {
        let mut ctx = ExecContext::without_transaction(fixture.eval());
        eval_row(&expr, &[], &mut ctx).unwrap_err()
    });
    assert_eq!(error.sqlstate(), "21000");
}

#[test]
fn arrays_nest_and_subscripts_outside_are_null() {
    let inner = |a, b| Expr { kind: ExprKind::Array(vec![int(a), int(b)]), ty: Type::INT4_ARRAY, typmod: -1 };
    let matrix =
        Expr { kind: ExprKind::Array(vec![inner(1, 2), inner(3, 4)]), ty: Type::INT4_ARRAY, typmod: -1 };
    let at = |indexes: Vec<Expr>| Expr {
        kind: ExprKind::Subscript { array: Box::new(matrix.clone()), indexes },
        ty: Type::INT4,
        typmod: -1,
    };
    assert_eq!(truth(&at(vec![int(2), int(1)]), 0, 0), Datum::Int4(3));
    assert_eq!(truth(&at(vec![int(3), int(1)]), 0, 0), Datum::Null);
    assert_eq!(truth(&at(vec![int(1)]), 0, 0), Datum::Null);
}
