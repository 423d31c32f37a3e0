//! EXPLAIN: a plan as text, indented as PostgreSQL's is, or as JSON. Costs, rows and widths are the optimizer's guess.

use crate::expr::{Expr, ExprKind, SubPlan, SubqueryKind};
use crate::optimize::{self, Estimate};
use crate::plan::{
    Access, JoinKind, KeyBounds, LockWaitPolicy, Plan, PlannedKind, PlannedStatement, PointPlan, SetExpr,
    SetOp, SortKey,
};
use crate::types::{Datum, Type, io};
use serde_json::{Map, Value, json};

/// Stack for a plan as deep as the binder lets it be: that many bytes are left, or a stack of twice as many is made for it.
const STACK_BYTES: usize = if cfg!(debug_assertions) { 16 << 20 } else { 4 << 20 };

/// A node as shown: its title, `Name: text` lines, and inputs.
struct Node {
    kind: String,
    relation: Option<String>,
    index: Option<String>,
    expected: Estimate,
    details: Vec<(&'static str, String)>,
    children: Vec<Node>,
}

/// The lines of EXPLAIN's text form.
pub fn text(statement: &PlannedStatement, costs: bool) -> Vec<String> {
    stacker::maybe_grow(STACK_BYTES, STACK_BYTES * 2, || {
        let mut lines = Vec::new();
        write(&root(statement), 0, costs, &mut lines);
        lines
    })
}

/// EXPLAIN (FORMAT JSON).
pub fn json(statement: &PlannedStatement, costs: bool) -> String {
    stacker::maybe_grow(STACK_BYTES, STACK_BYTES * 2, || {
        let plan = json!([{ "Plan": object(&root(statement), costs) }]);
        serde_json::to_string_pretty(&plan).unwrap_or_default()
    })
}

/// The lines of a plan alone.
pub fn plan_text(plan: &Plan, costs: bool) -> Vec<String> {
    let mut lines = Vec::new();
    write(&node(plan), 0, costs, &mut lines);
    lines
}

fn write(node: &Node, depth: usize, costs: bool, lines: &mut Vec<String>) {
    // PostgreSQL indents a child's arrow by six columns per level, the first by two.
    let indent = if depth == 0 { 0 } else { depth * 6 - 4 };
    let arrow = if depth == 0 { "" } else { "->  " };
    let mut line = format!("{}{arrow}{}", " ".repeat(indent), node.kind);
    if let Some(index) = &node.index {
        line.push_str(&format!(" using {index}"));
    }
    if let Some(relation) = &node.relation {
        line.push_str(&format!(" on {relation}"));
    }
    if costs {
        let Estimate { rows, width, startup, total } = node.expected;
        // A sum of nothing is -0.
        let width = width + 0.0;
        line.push_str(&format!("  (cost={startup:.2}..{total:.2} rows={rows:.0} width={width:.0})"));
    }
    lines.push(line);
    let inner = if depth == 0 { 2 } else { indent + 6 };
    for (name, text) in &node.details {
        lines.push(format!("{}{name}: {text}", " ".repeat(inner)));
    }
    for child in &node.children {
        write(child, depth + 1, costs, lines);
    }
}

fn object(node: &Node, costs: bool) -> Value {
    let mut map = Map::new();
    map.insert("Node Type".into(), json!(node.kind));
    if let Some(relation) = &node.relation {
        map.insert("Relation Name".into(), json!(relation));
    }
    if let Some(index) = &node.index {
        map.insert("Index Name".into(), json!(index));
    }
    if costs {
        let hundredths = |cost: f64| (cost * 100.0).round() / 100.0;
        map.insert("Startup Cost".into(), json!(hundredths(node.expected.startup)));
        map.insert("Total Cost".into(), json!(hundredths(node.expected.total)));
        map.insert("Plan Rows".into(), json!(node.expected.rows.round() as u64));
        map.insert("Plan Width".into(), json!(node.expected.width.round() as u64));
    }
    for (name, text) in &node.details {
        map.insert((*name).into(), json!(text));
    }
    if !node.children.is_empty() {
        map.insert("Plans".into(), Value::Array(node.children.iter().map(|c| object(c, costs)).collect()));
    }
    Value::Object(map)
}

fn root(statement: &PlannedStatement) -> Node {
    match &statement.kind {
        PlannedKind::Tree(plan) => node(plan),
        PlannedKind::Point(point) => point_node(point),
    }
}

fn leaf(kind: &str) -> Node {
    Node {
        kind: kind.to_owned(),
        relation: None,
        index: None,
        expected: Estimate { rows: 1.0, ..Estimate::default() },
        details: Vec::new(),
        children: Vec::new(),
    }
}

fn live_names(table: &crate::catalog::Table) -> Vec<String> {
    table.live_columns().map(|(_, c)| c.name.clone()).collect()
}

fn point_node(point: &PointPlan) -> Node {
    let (what, table, key, filter) = match point {
        PointPlan::Get { table, key, filter, .. } => (None, table, key.as_slice(), filter.as_ref()),
        PointPlan::Update { table, key, filter, .. } => {
            (Some("Update"), table, key.as_slice(), filter.as_ref())
        }
        PointPlan::Delete { table, key, filter, .. } => {
            (Some("Delete"), table, key.as_slice(), filter.as_ref())
        }
        PointPlan::Insert { table, .. } => {
            return Node {
                relation: Some(table.name.clone()),
                expected: Estimate::default(),
                children: vec![leaf("Result")],
                ..leaf("Insert")
            };
        }
    };
    let names = live_names(table);
    let expected = optimize::estimate_row(table);
    let conditions: Vec<String> = table
        .primary_key
        .iter()
        .zip(key)
        .map(|(p, e)| {
            format!("({} = {})", table.columns.get(*p).map_or("?", |c| c.name.as_str()), show(e, &names))
        })
        .collect();
    let mut get = Node { expected, ..leaf("Index Scan") };
    get.relation = Some(table.name.clone());
    get.index = table.primary_key_index.as_ref().map(|(_, n)| n.clone());
    get.details.push(("Index Cond", joined(&conditions)));
    if let Some(filter) = filter {
        get.details.push(("Filter", show(filter, &names)));
    }
    match what {
        None => get,
        Some(what) => {
            // Without RETURNING nothing comes out.
            let nothing = Estimate { rows: 0.0, width: 0.0, ..expected };
            Node { relation: Some(table.name.clone()), expected: nothing, children: vec![get], ..leaf(what) }
        }
    }
}

fn joined(conditions: &[String]) -> String {
    match conditions {
        [one] => one.clone(),
        many => format!("({})", many.join(" AND ")),
    }
}

/// Names of a plan's output columns, for showing expressions above it.
fn names(plan: &Plan) -> Vec<String> {
    match plan {
        Plan::Scan(scan) => {
            let mut names: Vec<String> = scan
                .columns
                .iter()
                .map(|c| {
                    scan.table
                        .columns
                        .get(*c)
                        .map_or_else(|| "?".to_owned(), |c| format!("{}.{}", scan.table.name, c.name))
                })
                .collect();
            if scan.row_key {
                names.push(format!("{}.ctid", scan.table.name));
            }
            names
        }
        Plan::SystemScan { relation, columns, .. } => columns
            .iter()
            .map(|c| {
                relation
                    .columns
                    .get(*c)
                    .map_or_else(|| "?".to_owned(), |(n, _)| format!("{}.{n}", relation.name))
            })
            .collect(),
        Plan::Filter { input, .. }
        | Plan::Sort { input, .. }
        | Plan::Limit { input, .. }
        | Plan::Distinct { input, .. }
        | Plan::LockRows { input, .. } => names(input),
        Plan::Project { input, exprs } => {
            let below = names(input);
            exprs.iter().map(|e| show(e, &below)).collect()
        }
        Plan::ProjectSet { input, exprs } => {
            let below = names(input);
            exprs
                .iter()
                .map(|e| match e {
                    SetExpr::Scalar(e) => show(e, &below),
                    SetExpr::Set(function, args) => format!("{}({})", function.name, list(args, &below)),
                })
                .collect()
        }
        Plan::NestedLoop { kind, left, right, .. } | Plan::HashJoin { kind, left, right, .. } => {
            both(*kind, names(left), || names(right))
        }
        Plan::Apply { kind, left, right, .. } => both(*kind, names(left), || names(&right.plan)),
        Plan::Aggregate { input, groups, aggregates, .. } => {
            let below = names(input);
            let mut all: Vec<String> = groups.iter().map(|g| show(g, &below)).collect();
            all.extend(aggregates.iter().map(|a| {
                let args = if a.args.is_empty() { "*".to_owned() } else { list(&a.args, &below) };
                format!("{}({}{args})", a.function.name, if a.distinct { "DISTINCT " } else { "" })
            }));
            all
        }
        Plan::SetOperation { left, .. } => names(left),
        Plan::With { body, .. } => names(body),
        other => (1..=crate::plan::visit::width(other)).map(|i| format!("column{i}")).collect(),
    }
}

fn both(kind: JoinKind, mut left: Vec<String>, right: impl FnOnce() -> Vec<String>) -> Vec<String> {
    if !matches!(kind, JoinKind::Semi | JoinKind::Anti) {
        left.extend(right());
    }
    left
}

fn list(exprs: &[Expr], names: &[String]) -> String {
    exprs.iter().map(|e| show(e, names)).collect::<Vec<_>>().join(", ")
}

fn sort_list(keys: &[SortKey], names: &[String]) -> String {
    let one = |k: &SortKey| {
        let nulls = match (k.descending, k.nulls_first) {
            (false, true) => " NULLS FIRST",
            (true, false) => " NULLS LAST",
            _ => "",
        };
        format!("{}{}{nulls}", show(&k.expr, names), if k.descending { " DESC" } else { "" })
    };
    keys.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn bounds(bounds: &KeyBounds, columns: &[String]) -> String {
    let name = |at: usize| columns.get(at).map_or("?", String::as_str);
    let mut conditions: Vec<String> =
        bounds.equal.iter().enumerate().map(|(i, e)| format!("({} = {})", name(i), show(e, &[]))).collect();
    let mut next = bounds.equal.len();
    if let Some(any) = &bounds.any {
        conditions.push(format!("({} = ANY ({}))", name(next), show(any, &[])));
        next += 1;
    }
    for (bound, op) in [(&bounds.lower, ">"), (&bounds.upper, "<")] {
        if let Some((e, inclusive)) = bound {
            conditions.push(format!(
                "({} {op}{} {})",
                name(next),
                if *inclusive { "=" } else { "" },
                show(e, &[])
            ));
        }
    }
    if bounds.not_null {
        conditions.push(format!("({} IS NOT NULL)", name(next)));
    }
    joined(&conditions)
}

fn join_name(base: &str, kind: JoinKind) -> String {
    let base_join = |word: &str| match base {
        "Nested Loop" => format!("Nested Loop {word} Join"),
        other => format!("{other} {word} Join"),
    };
    match kind {
        JoinKind::Inner if base == "Nested Loop" => base.to_owned(),
        JoinKind::Inner => format!("{base} Join"),
        JoinKind::Left => base_join("Left"),
        JoinKind::Right => base_join("Right"),
        JoinKind::Full => base_join("Full"),
        JoinKind::Semi => base_join("Semi"),
        JoinKind::Anti => base_join("Anti"),
    }
}

fn node(plan: &Plan) -> Node {
    let mut shown = Node { expected: optimize::estimate(plan), ..leaf("Result") };
    let mut subplans: Vec<Node> = Vec::new();
    optimize::walk::exprs(plan, &mut |e| collect_subplans(e, &mut subplans));
    match plan {
        Plan::Values { rows, .. } => {
            if rows.len() > 1 {
                shown.kind = "Values Scan".into();
            }
        }
        Plan::Empty { .. } => shown.details.push(("One-Time Filter", "false".into())),
        Plan::Scan(scan) => {
            let names: Vec<String> = names(plan);
            shown.relation = Some(scan.table.name.clone());
            let column = |position: Option<usize>| {
                position
                    .and_then(|p| scan.table.columns.get(p))
                    .map_or_else(|| "expression".to_owned(), |c| c.name.clone())
            };
            let (index, range, columns) = match &scan.access {
                Access::Full => (None, None, Vec::new()),
                Access::PrimaryKey(b) => (
                    scan.table.primary_key_index.as_ref().map(|(_, n)| n.clone()),
                    Some(b),
                    scan.table.primary_key.iter().map(|p| column(Some(*p))).collect::<Vec<_>>(),
                ),
                Access::Index(index, b) => {
                    let key = |k: &crate::catalog::IndexKey| match &k.expression {
                        Some(text) => text.clone(),
                        None => column(k.column),
                    };
                    (Some(index.name.clone()), Some(b), index.keys.iter().map(key).collect())
                }
            };
            shown.kind = match range {
                None => "Seq Scan".into(),
                Some(b) if b.reverse => "Index Scan Backward".into(),
                Some(_) => "Index Scan".into(),
            };
            shown.index = index;
            if let Some(b) = range {
                let text = bounds(b, &columns);
                if text != "()" {
                    shown.details.push(("Index Cond", text));
                }
            }
            if let Some(filter) = &scan.filter {
                shown.details.push(("Filter", show(filter, &names)));
            }
        }
        Plan::SystemScan { relation, filter, .. } => {
            shown.kind = "Seq Scan".into();
            shown.relation = Some(relation.name.into());
            if let Some(filter) = filter {
                shown.details.push(("Filter", show(filter, &names(plan))));
            }
        }
        Plan::FunctionScan { calls, .. } => {
            shown.kind = "Function Scan".into();
            shown.relation = Some(calls.iter().map(|(f, _)| f.name).collect::<Vec<_>>().join(", "));
        }
        Plan::Filter { input, predicate } => {
            shown.details.push(("Filter", show(predicate, &names(input))));
            shown.children.push(node(input));
        }
        // A projection costs no line, as in PostgreSQL.
        Plan::Project { input, .. } => {
            let mut below = node(input);
            below.children.append(&mut subplans);
            return below;
        }
        Plan::ProjectSet { input, .. } => {
            shown.kind = "ProjectSet".into();
            shown.children.push(node(input));
        }
        Plan::NestedLoop { kind, left, right, on } => {
            shown.kind = join_name("Nested Loop", *kind);
            if let Some(on) = on {
                let columns = names(left).into_iter().chain(names(right)).collect::<Vec<_>>();
                shown.details.push(("Join Filter", show(on, &columns)));
            }
            shown.children.push(node(left));
            shown.children.push(node(right));
        }
        Plan::HashJoin { kind, left, right, left_keys, right_keys, residual } => {
            shown.kind = join_name("Hash", *kind);
            let (l, r) = (names(left), names(right));
            let conditions: Vec<String> = left_keys
                .iter()
                .zip(right_keys)
                .map(|(a, b)| format!("({} = {})", show(a, &l), show(b, &r)))
                .collect();
            shown.details.push(("Hash Cond", joined(&conditions)));
            if let Some(residual) = residual {
                let columns: Vec<String> = l.into_iter().chain(r).collect();
                shown.details.push(("Join Filter", show(residual, &columns)));
            }
            shown.children.push(node(left));
            shown.children.push(Node {
                expected: optimize::estimate(right),
                children: vec![node(right)],
                ..leaf("Hash")
            });
        }
        Plan::Apply { kind, left, right, on } => {
            shown.kind = join_name("Nested Loop", *kind);
            if let Some(on) = on {
                let columns = names(left).into_iter().chain(names(&right.plan)).collect::<Vec<_>>();
                shown.details.push(("Join Filter", show(on, &columns)));
            }
            if !right.args.is_empty() {
                shown.details.push(("Parameters", list(&right.args, &names(left))));
            }
            shown.children.push(node(left));
            shown.children.push(node(&right.plan));
        }
        Plan::Aggregate { input, groups, sets, .. } => {
            shown.kind = match (groups.is_empty(), sets.len()) {
                (true, _) => "Aggregate".into(),
                (false, 1) => "HashAggregate".into(),
                _ => "MixedAggregate".into(),
            };
            if !groups.is_empty() {
                shown.details.push(("Group Key", list(groups, &names(input))));
            }
            shown.children.push(node(input));
        }
        Plan::Sort { input, keys, limit } => {
            shown.kind = if limit.is_some() { "Top-N Sort".into() } else { "Sort".into() };
            shown.details.push(("Sort Key", sort_list(keys, &names(input))));
            shown.children.push(node(input));
        }
        Plan::Limit { input, .. } => {
            shown.kind = "Limit".into();
            shown.children.push(node(input));
        }
        Plan::Distinct { input, .. } => {
            shown.kind = "Unique".into();
            shown.children.push(node(input));
        }
        Plan::SetOperation { op, all, left, right } => {
            shown.kind = match (op, all) {
                (SetOp::Union, true) => "Append".into(),
                (SetOp::Union, false) => "HashAggregate".into(),
                (SetOp::Intersect, all) => format!("HashSetOp Intersect{}", if *all { " All" } else { "" }),
                (SetOp::Except, all) => format!("HashSetOp Except{}", if *all { " All" } else { "" }),
            };
            shown.children.push(node(left));
            shown.children.push(node(right));
        }
        Plan::With { ctes, body } => {
            let mut below = node(body);
            for (id, cte) in ctes {
                let mut child = node(cte);
                child.details.insert(0, ("CTE", format!("w{id}")));
                below.children.push(child);
            }
            return below;
        }
        Plan::CteScan { id, .. } => {
            shown.kind = "CTE Scan".into();
            shown.relation = Some(format!("w{id}"));
        }
        Plan::Recursive { id, base, step, .. } => {
            shown.kind = "Recursive Union".into();
            shown.details.push(("Working Table", format!("w{id}")));
            shown.children.push(node(base));
            shown.children.push(node(step));
        }
        Plan::LockRows { input, wait, .. } => {
            shown.kind = "LockRows".into();
            match wait {
                LockWaitPolicy::Block => {}
                LockWaitPolicy::NoWait => shown.details.push(("Wait", "NOWAIT".into())),
                LockWaitPolicy::SkipLocked => shown.details.push(("Wait", "SKIP LOCKED".into())),
            }
            shown.children.push(node(input));
        }
        Plan::Insert(insert) => {
            shown.kind = "Insert".into();
            shown.relation = Some(insert.table.name.clone());
            shown.children.push(node(&insert.input));
        }
        Plan::Update(update) => {
            shown.kind = "Update".into();
            shown.relation = Some(update.table.name.clone());
            shown.children.push(node(&update.input));
        }
        Plan::Delete(delete) => {
            shown.kind = "Delete".into();
            shown.relation = Some(delete.table.name.clone());
            shown.children.push(node(&delete.input));
        }
    }
    shown.children.append(&mut subplans);
    shown
}

fn collect_subplans(expr: &Expr, out: &mut Vec<Node>) {
    if let ExprKind::Subquery { plan, .. } = &expr.kind {
        let mut child = node(&plan.plan);
        let word = if plan.args.is_empty() { "InitPlan" } else { "SubPlan" };
        child.details.insert(0, ("Subplan Name", word.to_owned()));
        out.push(child);
    }
    crate::plan::visit::children(expr, &mut |child| collect_subplans(child, out));
}

/// An expression, its columns called by `names`.
pub fn show(expr: &Expr, names: &[String]) -> String {
    let all = |args: &[Expr], op: &str| {
        let parts: Vec<String> = args.iter().map(|a| show(a, names)).collect();
        format!("({})", parts.join(op))
    };
    match &expr.kind {
        ExprKind::Column(c) => names.get(*c).cloned().unwrap_or_else(|| format!("#{c}")),
        ExprKind::Outer(i) => format!("$outer{i}"),
        ExprKind::Param(i) => format!("${}", i + 1),
        ExprKind::Const(value) => constant(value, expr.ty),
        ExprKind::Call { function, args } => match (crate::functions::operator_of(function), args.as_slice())
        {
            (Some(op), [l, r]) => format!("({} {} {})", show(l, names), op.name, show(r, names)),
            (Some(op), [r]) => format!("({} {})", op.name, show(r, names)),
            _ => format!("{}({})", function.name, list(args, names)),
        },
        ExprKind::Cast { arg, .. } => format!("({})::{}", show(arg, names), expr.ty.sql_name()),
        ExprKind::And(args) => all(args, " AND "),
        ExprKind::Or(args) => all(args, " OR "),
        ExprKind::Not(arg) => format!("(NOT {})", show(arg, names)),
        ExprKind::IsNull { arg, negated } => {
            format!("({} IS {}NULL)", show(arg, names), if *negated { "NOT " } else { "" })
        }
        ExprKind::IsBool { arg, value, negated } => {
            let word = match value {
                Some(true) => "TRUE",
                Some(false) => "FALSE",
                None => "UNKNOWN",
            };
            format!("({} IS {}{word})", show(arg, names), if *negated { "NOT " } else { "" })
        }
        ExprKind::IsDistinct { left, right, negated, .. } => {
            let not = if *negated { "NOT " } else { "" };
            format!("({} IS {not}DISTINCT FROM {})", show(left, names), show(right, names))
        }
        ExprKind::Case { whens, otherwise } => {
            let mut text = String::from("CASE");
            for (when, then) in whens {
                text.push_str(&format!(" WHEN {} THEN {}", show(when, names), show(then, names)));
            }
            if let Some(otherwise) = otherwise {
                text.push_str(&format!(" ELSE {}", show(otherwise, names)));
            }
            text + " END"
        }
        ExprKind::Coalesce(args) => format!("COALESCE({})", list(args, names)),
        ExprKind::MinMax { args, greatest, .. } => {
            format!("{}({})", if *greatest { "GREATEST" } else { "LEAST" }, list(args, names))
        }
        ExprKind::InList { arg, list: items, .. } => {
            format!("({} IN ({}))", show(arg, names), list(items, names))
        }
        ExprKind::ArrayCompare { left, array, function, all } => {
            let op = crate::functions::operator_of(function).map_or(function.name, |o| o.name);
            format!(
                "({} {op} {} ({}))",
                show(left, names),
                if *all { "ALL" } else { "ANY" },
                show(array, names)
            )
        }
        ExprKind::Array(args) => format!("ARRAY[{}]", list(args, names)),
        ExprKind::Row { args, .. } => format!("ROW({})", list(args, names)),
        ExprKind::Subscript { array, indexes } => {
            let indexes: String = indexes.iter().map(|i| format!("[{}]", show(i, names))).collect();
            format!("{}{indexes}", show(array, names))
        }
        ExprKind::Field { arg, index } => format!("({}).f{}", show(arg, names), index + 1),
        ExprKind::Subquery { kind, plan } => subquery(kind, plan, names),
    }
}

fn subquery(kind: &SubqueryKind, plan: &SubPlan, names: &[String]) -> String {
    let args = if plan.args.is_empty() { String::new() } else { format!(" {}", list(&plan.args, names)) };
    match kind {
        SubqueryKind::Scalar => format!("(SubPlan{args})"),
        SubqueryKind::Exists => format!("EXISTS(SubPlan{args})"),
        SubqueryKind::Array => format!("ARRAY(SubPlan{args})"),
        SubqueryKind::Compare { left, functions, all, .. } => {
            let op = functions.first().and_then(|f| crate::functions::operator_of(f)).map_or("=", |o| o.name);
            format!("({} {op} {} (SubPlan{args}))", list(left, names), if *all { "ALL" } else { "ANY" })
        }
    }
}

fn constant(value: &Datum, ty: Type) -> String {
    let settings = crate::session::EvalSettings {
        time_zone: chrono_tz::UTC,
        extra_float_digits: 1,
        date_order: crate::session::DateOrder::Mdy,
        bytea_escape: false,
        transaction_time: 0,
        statement_time: 0,
        search_path: Vec::new(),
    };
    let mut out = Vec::new();
    match value {
        Datum::Null => return "NULL".to_owned(),
        Datum::Bool(b) => return b.to_string(),
        value => io::output(value, ty, -1, &settings, &mut out),
    }
    let text = String::from_utf8_lossy(&out).into_owned();
    match ty {
        Type::INT2 | Type::INT4 | Type::INT8 | Type::NUMERIC | Type::FLOAT8 => text,
        ty => format!("'{}'::{}", text.replace('\'', "''"), ty.sql_name()),
    }
}
