//! Golden plans: statements over a fixed catalog, bound and optimized.

use crate::bind::{BindContext, plan_statement_of};
use crate::catalog::{
    Catalog, Column, Index, IndexKey, PUBLIC_OID, Relation, RelationKind, Schema, Table, View,
};
use crate::error::Result;
use crate::parse::{self, Statement};
use crate::plan::{PlannedKind, PlannedStatement, explain};
use crate::session::{DateOrder, EvalSettings};
use crate::statistics::{ColumnStatistics, TableStatistics};
use crate::types::{ColumnType, Datum, Type};
use plimsoll_storage::TreeId;
use std::collections::BTreeMap;
use std::sync::Arc;

fn column(name: &str, ty: Type, not_null: bool) -> Column {
    Column {
        name: name.into(),
        ty: ColumnType { ty, typmod: -1 },
        not_null,
        default: None,
        identity: None,
        sequence: None,
        missing: Datum::Null,
        dropped: false,
    }
}

fn table(
    oid: u32,
    name: &str,
    columns: Vec<Column>,
    primary_key: &[usize],
    indexes: Vec<Index>,
) -> Arc<Table> {
    Arc::new(Table {
        oid,
        schema: PUBLIC_OID,
        name: name.into(),
        tree: TreeId(oid.into()),
        columns,
        primary_key: primary_key.to_vec(),
        primary_key_index: (!primary_key.is_empty()).then(|| (oid + 1, format!("{name}_pkey"))),
        indexes: indexes.into_iter().map(Arc::new).collect(),
        checks: Vec::new(),
        statistics: None,
        foreign_keys: Vec::new(),
        referenced_by: Vec::new(),
    })
}

fn index(oid: u32, name: &str, table: u32, columns: &[usize], unique: bool) -> Index {
    Index {
        oid,
        name: name.into(),
        table,
        tree: TreeId(oid.into()),
        keys: columns
            .iter()
            .map(|c| IndexKey { column: Some(*c), expression: None, descending: false, nulls_first: false })
            .collect(),
        unique,
        constraint: unique,
        predicate: None,
        valid: true,
        readable_from: 0,
    }
}

/// What ANALYZE might have found of a column of integers 0 to 10,000, of which 1 is in three tenths of the rows and 2 in a tenth.
fn integers(distinct: f64) -> ColumnStatistics {
    ColumnStatistics {
        ty: Type::INT4,
        null_fraction: 0.05,
        width: 4,
        distinct,
        common: vec![(Datum::Int4(1), 0.3), (Datum::Int4(2), 0.1)],
        histogram: (0..=100).map(|i| Datum::Int4(i * 100)).collect(),
        correlation: Some(0.0),
    }
}

/// The same of a column of texts `a00` to `z99`.
fn texts() -> ColumnStatistics {
    let text = |i: u32| format!("{}{:02}", char::from_u32(97 + i / 4).unwrap(), i % 4 * 25);
    ColumnStatistics {
        ty: Type::TEXT,
        width: 4,
        null_fraction: 0.0,
        distinct: -0.5,
        common: Vec::new(),
        histogram: (0..104).map(|i| Datum::text(text(i))).collect(),
        correlation: None,
    }
}

/// [`catalog`] after ANALYZE, with more indexes on a: on n where b is 1, on lower(t), on t.
fn analyzed_catalog() -> Arc<Catalog> {
    let mut catalog = Catalog::clone(&catalog());
    let statistics = |rows, columns: Vec<(usize, ColumnStatistics)>| {
        let columns = columns.into_iter().map(|(at, s)| (at, Arc::new(s))).collect();
        Some(Arc::new(TableStatistics { rows, pages: 1, columns }))
    };
    let key = |expression: &str| IndexKey {
        column: None,
        expression: Some(expression.into()),
        descending: false,
        nulls_first: false,
    };
    let partial = Index { predicate: Some("b = 1".into()), ..index(20020, "a_n_idx", 20000, &[3], false) };
    let lower = Index { keys: vec![key("lower(t)")], ..index(20030, "a_lower_idx", 20000, &[], false) };
    let text = index(20040, "a_t_idx", 20000, &[2], false);
    catalog
        .update_table(20000, |a| {
            a.statistics = statistics(1_000_000, vec![(1, integers(5000.0)), (2, texts())]);
            a.indexes.extend([partial, lower, text].map(Arc::new));
        })
        .unwrap();
    catalog.update_table(20100, |c| c.statistics = statistics(100, vec![(2, integers(50.0))])).unwrap();
    catalog.update_table(20200, |h| h.statistics = statistics(1000, vec![(0, integers(10.0))])).unwrap();
    Arc::new(catalog)
}

/// Tables a (1,000,000 rows, key id, index on b), c (100 rows, key id), h (no key), and a view.
fn catalog() -> Arc<Catalog> {
    let mut catalog = Catalog { version: 1, next_oid: 30000, ..Catalog::default() };
    catalog.schemas.insert("public".into(), Schema { oid: PUBLIC_OID, name: "public".into() });
    let a = vec![
        column("id", Type::INT4, true),
        column("b", Type::INT4, false),
        column("t", Type::TEXT, false),
        column("n", Type::INT8, false),
        column("at", Type::TIMESTAMPTZ, false),
    ];
    let c = vec![
        column("id", Type::INT4, true),
        column("name", Type::VARCHAR, false),
        column("a_id", Type::INT4, false),
    ];
    let h = vec![
        column("x", Type::INT4, false),
        column("y", Type::NUMERIC, false),
        column("z", Type::INT4_ARRAY, false),
    ];
    let tables = [
        table(20000, "a", a, &[0], vec![index(20010, "a_b_idx", 20000, &[1], false)]),
        table(20100, "c", c, &[0], vec![index(20110, "c_name_key", 20100, &[1], true)]),
        table(20200, "h", h, &[], Vec::new()),
    ];
    let mut kinds: Vec<(u32, String, RelationKind)> =
        tables.iter().map(|t| (t.oid, t.name.clone(), RelationKind::Table(Arc::clone(t)))).collect();
    let view = View {
        oid: 20300,
        name: "v".into(),
        query: "SELECT a.id, a.t AS text FROM public.a WHERE a.b > 10".into(),
        columns: vec![("id".into(), Type::INT4.into()), ("text".into(), Type::TEXT.into())],
    };
    kinds.push((20300, "v".into(), RelationKind::View(Arc::new(view))));
    for (oid, name, kind) in kinds {
        catalog.names.insert((PUBLIC_OID, name.clone()), oid);
        catalog.relations.insert(
            oid,
            Arc::new(Relation { oid, schema: PUBLIC_OID, name, kind, comments: BTreeMap::new() }),
        );
    }
    Arc::new(catalog)
}

fn settings() -> EvalSettings {
    EvalSettings {
        time_zone: chrono_tz::UTC,
        extra_float_digits: 1,
        date_order: DateOrder::Mdy,
        bytea_escape: false,
        transaction_time: 0,
        statement_time: 0,
        search_path: vec!["public".into()],
    }
}

fn plan(sql: &str, catalog: &Arc<Catalog>) -> Result<PlannedStatement> {
    let settings = settings();
    let rows = |tree: TreeId| match tree.0 {
        20000 => 1_000_000,
        20100 => 100,
        _ => 1000,
    };
    let context =
        BindContext { catalog, settings: &settings, param_types: &[], rows: &rows, snapshot: u64::MAX };
    let statements = parse::parse(sql)?;
    let [statement] = statements.as_slice() else { panic!("one statement, please") };
    let Statement::Query(ast) = &statement.statement else { panic!("a query, please") };
    plan_statement_of(ast, &statement.text, &context)
}

fn shown(sql: &str, catalog: &Arc<Catalog>) -> String {
    match plan(sql, catalog) {
        Ok(planned) => {
            let mut out = String::new();
            if let PlannedKind::Point(_) = planned.kind {
                out.push_str("point\n");
            }
            if !planned.params.is_empty() {
                out.push_str(&format!("params: {:?}\n", planned.params));
            }
            if let Some(columns) = &planned.columns {
                let columns: Vec<String> =
                    columns.iter().map(|c| format!("{} {:?}", c.name, c.ty.ty)).collect();
                out.push_str(&format!("columns: {}\n", columns.join(", ")));
            }
            out + &explain::text(&planned, true).join("\n")
        }
        Err(e) => {
            let f = e.fields();
            format!("ERROR {} {} ({})", f.sqlstate, f.message, f.position)
        }
    }
}

/// A script: blocks of a statement on one line and what comes of it, parted by empty lines.
#[track_caller]
fn golden(path: &str, script: &str, catalog: &Arc<Catalog>) {
    let mut actual = String::new();
    for block in script.split("\n\n").map(str::trim).filter(|b| !b.is_empty()) {
        let sql = block.lines().next().unwrap_or_default();
        actual.push_str(&format!("{sql}\n{}\n\n", shown(sql, catalog)));
    }
    if std::env::var_os("UPDATE_GOLDENFILES").is_some() {
        std::fs::write(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path), &actual).unwrap();
        return;
    }
    for (expected, actual) in script.split("\n\n").zip(actual.split("\n\n")) {
        assert_eq!(actual.trim(), expected.trim());
    }
}

#[test]
fn plans() {
    golden("src/optimize/golden/plans.txt", include_str!("golden/plans.txt"), &catalog());
}

#[test]
fn plans_by_statistics() {
    let script = include_str!("golden/statistics.txt");
    golden("src/optimize/golden/statistics.txt", script, &analyzed_catalog());
}

#[test]
fn errors() {
    golden("src/optimize/golden/errors.txt", include_str!("golden/errors.txt"), &catalog());
}

/// Whatever passes the depth limits is bound, optimized, shown and dropped on a thread's usual stack.
#[test]
fn deep_statements_fit_a_small_stack() {
    let deep = |sql: String| {
        std::thread::Builder::new()
            .stack_size(2 << 20)
            .spawn(move || shown(&sql, &catalog()))
            .unwrap()
            .join()
            .unwrap()
    };
    for (open, inner, close, count) in [
        ("(", "id", ")", 240),
        ("abs(", "id", ")", 240),
        ("1 + ", "id", "", 490),
        ("- (", "id", ")", 240),
        ("case when true then ", "id", " else 0 end", 120),
        ("(select ", "id", ")", 100),
    ] {
        let sql = format!("select {}{inner}{} from a", open.repeat(count), close.repeat(count));
        let out = deep(sql);
        assert!(!out.contains("XX000"), "{out}");
    }
    let chain = format!("select id from a where {}true", "b = 1 or t = 'x' and ".repeat(1900));
    assert!(deep(chain).contains("Seq Scan"));
    let froms = format!("select * from {}a{}", "(select * from ".repeat(80), ") x".repeat(80));
    assert!(deep(froms).contains("Scan on a"));
    let unions = format!("{}select 1", "select 1 union all ".repeat(1500));
    assert!(deep(unions).contains("Append"));
}
