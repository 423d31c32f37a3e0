//! Tests of the executor: a small database, functions of their own and hand-made plans.

mod dml;
mod eval;
mod limits;
mod operators;
mod speed;

use super::{ExecContext, Execution, RowNumbers};
use crate::catalog::{Catalog, Column, Index, IndexKey, Schema, Table};
use crate::context::QueryContext;
use crate::error::{Result, SqlError, sqlstate};
use crate::expr::{Expr, ExprKind};
use crate::functions::{Accumulator, Function, Kernel, Volatility};
use crate::plan::{Access, Aggregate, KeyBounds, Plan, Scan, SortKey, TableChecks};
use crate::session::{Activity, DateOrder, EvalContext, EvalSettings, SessionFunctions};
use crate::types::{ColumnType, Datum, Type};
use crate::vector::{Batch, Values, Vector};
use plimsoll_storage::{Engine, Isolation, Options, Transaction, TreeId, io::RealIo};
use std::sync::Arc;

/// A session that knows nothing.
pub struct NoSession;

impl SessionFunctions for NoSession {
    fn nextval(&self, _: u32) -> Result<i64> {
        Ok(1)
    }
    fn currval(&self, _: u32) -> Result<i64> {
        Ok(1)
    }
    fn lastval(&self) -> Result<i64> {
        Ok(1)
    }
    fn setval(&self, _: u32, value: i64, _: bool) -> Result<i64> {
        Ok(value)
    }
    fn setting(&self, _: &str) -> Option<String> {
        None
    }
    fn set_config(&self, _: &str, value: &str, _: bool) -> Result<String> {
        Ok(value.to_owned())
    }
    fn settings(&self) -> Vec<(String, String, String)> {
        Vec::new()
    }
    fn user(&self) -> &str {
        "plimsoll"
    }
    fn database(&self) -> &str {
        "plimsoll"
    }
    fn backend_pid(&self) -> i32 {
        1
    }
    fn activity(&self) -> Vec<Activity> {
        Vec::new()
    }
    fn tree_size(&self, _: TreeId) -> (u64, u64) {
        (0, 0)
    }
    fn transaction_id(&self) -> u64 {
        1
    }
}

/// A database in a directory of its own.
pub struct Fixture {
    _dir: tempfile::TempDir,
    pub engine: Engine,
    pub catalog: Arc<Catalog>,
    pub settings: EvalSettings,
    pub query: QueryContext,
    pub numbers: RowNumbers,
    pub params: Vec<Datum>,
}

impl Fixture {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { wal_segment_size: 1 << 20, background: false, ..Options::default() };
        let engine = Engine::open(RealIo::shared(), dir.path(), options).unwrap();
        let mut catalog = Catalog::default();
        catalog.schemas.insert(
            "public".to_owned(),
            Schema { oid: crate::catalog::PUBLIC_OID, name: "public".to_owned() },
        );
        let settings = EvalSettings {
            time_zone: chrono_tz::Tz::UTC,
            extra_float_digits: 1,
            date_order: DateOrder::Mdy,
            bytea_escape: false,
            transaction_time: 0,
            statement_time: 0,
            search_path: vec!["public".to_owned()],
        };
        Self {
            _dir: dir,
            engine,
            catalog: Arc::new(catalog),
            settings,
            query: QueryContext::unlimited(),
            numbers: RowNumbers::default(),
            params: Vec::new(),
        }
    }
    pub fn begin(&self) -> Transaction {
        let transaction = self.engine.begin(Isolation::ReadCommitted);
        transaction.new_statement();
        transaction
    }
    pub fn eval(&self) -> EvalContext<'_> {
        EvalContext {
            query: &self.query,
            catalog: &self.catalog,
            settings: &self.settings,
            params: &self.params,
            session: &NoSession,
        }
    }
    pub fn context<'a>(&'a self, transaction: &'a Transaction) -> ExecContext<'a> {
        ExecContext::new(self.eval(), transaction, &self.numbers)
    }
    /// Runs a plan as the next statement of a transaction: its rows and how many it wrote.
    pub fn run_in(&self, transaction: &Transaction, plan: Plan) -> Result<(Vec<Vec<Datum>>, u64)> {
        transaction.new_statement();
        let mut ctx = self.context(transaction);
        let mut execution = Execution::open_plan(Arc::new(plan), &mut ctx)?;
        let mut rows = Vec::new();
        while let Some(batch) = execution.next(&mut ctx)? {
            assert!(batch.rows > 0, "an empty batch");
            for column in &batch.columns {
                assert_eq!(super::columns::len(column), batch.rows);
            }
            rows.extend((0..batch.rows).map(|i| super::columns::row(&batch, i)));
        }
        Ok((rows, execution.affected()))
    }
    /// Runs a plan in a transaction of its own and commits.
    pub fn run(&self, plan: Plan) -> Result<(Vec<Vec<Datum>>, u64)> {
        let transaction = self.begin();
        let result = self.run_in(&transaction, plan)?;
        transaction.commit()?.wait()?;
        Ok(result)
    }
    /// The rows of a plan.
    pub fn rows(&self, plan: Plan) -> Vec<Vec<Datum>> {
        self.run(plan).unwrap().0
    }
}

/// One value per row, as text, to compare with.
pub fn show(rows: &[Vec<Datum>]) -> Vec<String> {
    let value = |v: &Datum| match v {
        Datum::Null => "null".to_owned(),
        Datum::Int4(i) => i.to_string(),
        Datum::Int8(i) => i.to_string(),
        Datum::Bool(b) => b.to_string(),
        Datum::Text(t) => t.to_string(),
        other => format!("{other:?}"),
    };
    rows.iter().map(|row| row.iter().map(value).collect::<Vec<_>>().join(" ")).collect()
}

const BINARY: &[Type] = &[Type::INT4, Type::INT4];

macro_rules! int_function {
    ($konst:ident $oid:literal $name:literal $result:ident |$a:ident, $b:ident| $body:expr) => {
        pub static $konst: Function = Function {
            oid: $oid,
            name: $name,
            args: BINARY,
            variadic: None,
            result: Type::$result,
            strict: true,
            volatility: Volatility::Immutable,
            kernel: Kernel::Scalar {
                row: |args, _| match args {
                    [Datum::Int4($a), Datum::Int4($b)] => $body,
                    _ => Err(SqlError::internal("not integers")),
                },
                vector: None,
            },
        };
    };
}
int_function!(PLUS 177 "int4pl" INT4 |a, b| Ok(Datum::Int4(a.wrapping_add(*b))));
int_function!(TIMES 141 "int4mul" INT4 |a, b| Ok(Datum::Int4(a.wrapping_mul(*b))));
int_function!(DIVIDE 154 "int4div" INT4 |a, b| a.checked_div(*b).map(Datum::Int4).ok_or_else(|| {
    SqlError::new(sqlstate::DIVISION_BY_ZERO, "division by zero")
}));
int_function!(EQUAL 65 "int4eq" BOOL |a, b| Ok(Datum::Bool(a == b)));
int_function!(LESS 66 "int4lt" BOOL |a, b| Ok(Datum::Bool(a < b)));

/// Sums of integers, null without one.
struct Sums(Vec<Option<i64>>);

impl Accumulator for Sums {
    fn resize(&mut self, groups: usize) {
        self.0.resize(groups, None);
    }
    fn update(&mut self, groups: &[u32], _: &[bool], args: &[&Vector], _: &EvalContext<'_>) -> Result<()> {
        for (i, group) in groups.iter().enumerate() {
            if let Datum::Int4(v) = super::columns::get(args[0], i) {
                *self.0[*group as usize].get_or_insert(0) += i64::from(v);
            }
        }
        Ok(())
    }
    fn finish(&mut self, _: &EvalContext<'_>) -> Result<Vector> {
        Ok(Vector {
            ty: Type::INT8,
            values: Values::Int8(self.0.iter().map(|s| s.unwrap_or(0)).collect()),
            nulls: self.0.iter().map(Option::is_none).collect(),
        })
    }
    fn memory(&self) -> u64 {
        self.0.len() as u64 * 16
    }
}

pub static SUM: Function = Function {
    oid: 0,
    name: "sum",
    args: &[Type::INT4],
    variadic: None,
    result: Type::INT8,
    strict: false,
    volatility: Volatility::Immutable,
    kernel: Kernel::Aggregate { new: |_| Box::new(Sums(Vec::new())) },
};

/// Its integers one after the other, as text: shows the order in which they came.
struct Lists(Vec<String>);

impl Accumulator for Lists {
    fn resize(&mut self, groups: usize) {
        self.0.resize(groups, String::new());
    }
    fn update(&mut self, groups: &[u32], _: &[bool], args: &[&Vector], _: &EvalContext<'_>) -> Result<()> {
        for (i, group) in groups.iter().enumerate() {
            let text = show(&[vec![super::columns::get(args[0], i)]]).remove(0);
            self.0[*group as usize].push_str(&text);
        }
        Ok(())
    }
    fn finish(&mut self, _: &EvalContext<'_>) -> Result<Vector> {
        let mut out = super::columns::empty(Type::TEXT);
        for list in &self.0 {
            super::columns::push(&mut out, &Datum::text(list.as_str()))?;
        }
        Ok(out)
    }
    fn memory(&self) -> u64 {
        0
    }
}

pub static LIST: Function = Function {
    oid: 0,
    name: "list",
    args: &[Type::INT4],
    variadic: None,
    result: Type::TEXT,
    strict: false,
    volatility: Volatility::Immutable,
    kernel: Kernel::Aggregate { new: |_| Box::new(Lists(Vec::new())) },
};

pub static SERIES: Function = Function {
    oid: 0,
    name: "generate_series",
    args: BINARY,
    variadic: None,
    result: Type::INT4,
    strict: true,
    volatility: Volatility::Immutable,
    kernel: Kernel::Set {
        columns: |_| vec![("generate_series", Type::INT4)],
        rows: |args, _| match args {
            [Datum::Int4(a), Datum::Int4(b)] => Ok((*a..=*b).map(|i| vec![Datum::Int4(i)]).collect()),
            _ => Err(SqlError::internal("not integers")),
        },
    },
};

pub fn call(function: &'static Function, args: Vec<Expr>) -> Expr {
    Expr { kind: ExprKind::Call { function, args }, ty: function.result, typmod: -1 }
}
pub fn col(i: usize) -> Expr {
    Expr::column(i, Type::INT4, -1)
}
pub fn int(i: i32) -> Expr {
    Expr::constant(Datum::Int4(i), Type::INT4)
}
pub fn null() -> Expr {
    Expr::constant(Datum::Null, Type::INT4)
}
pub fn boolean(kind: ExprKind) -> Expr {
    Expr { kind, ty: Type::BOOL, typmod: -1 }
}
pub fn bigint(i: i64) -> Expr {
    Expr::constant(Datum::Int8(i), Type::INT8)
}

/// VALUES of integers; `i32::MIN` stands for null.
pub fn values(rows: &[&[i32]]) -> Plan {
    let width = rows.first().map_or(1, |r| r.len());
    let value = |i: &i32| if *i == i32::MIN { null() } else { int(*i) };
    Plan::Values {
        rows: rows.iter().map(|r| r.iter().map(value).collect()).collect(),
        types: vec![Type::INT4.into(); width],
    }
}

/// Null in [`values`].
pub const NULL: i32 = i32::MIN;

pub fn series(from: i32, to: i32) -> Plan {
    Plan::FunctionScan {
        calls: vec![(&SERIES, vec![int(from), int(to)])],
        ordinality: false,
        types: vec![Type::INT4.into()],
    }
}

pub fn ascending(expr: Expr) -> SortKey {
    SortKey { expr, descending: false, nulls_first: false }
}

pub fn sort(input: Plan, keys: Vec<SortKey>) -> Plan {
    Plan::Sort { input: Box::new(input), keys, limit: None }
}

pub fn aggregate(function: &'static Function, args: Vec<Expr>) -> Aggregate {
    Aggregate {
        function,
        args,
        distinct: false,
        filter: None,
        order: Vec::new(),
        ty: ColumnType::from(function.result),
    }
}

fn column(name: &str, ty: Type, not_null: bool) -> Column {
    Column {
        name: name.to_owned(),
        ty: ty.into(),
        not_null,
        default: None,
        identity: None,
        sequence: None,
        missing: Datum::Null,
        dropped: false,
    }
}

/// `t (id int PRIMARY KEY, v int, w int)` with an index on `v`, unique where asked for.
pub fn table(unique: bool) -> (Arc<Table>, TableChecks) {
    let index = Index {
        oid: 16386,
        name: "t_v_key".to_owned(),
        table: 16384,
        tree: TreeId(101),
        keys: vec![IndexKey { column: Some(1), expression: None, descending: false, nulls_first: false }],
        unique,
        constraint: unique,
        predicate: None,
        valid: true,
        readable_from: 0,
    };
    let table = Table {
        oid: 16384,
        schema: crate::catalog::PUBLIC_OID,
        name: "t".to_owned(),
        tree: TreeId(100),
        columns: vec![
            column("id", Type::INT4, true),
            column("v", Type::INT4, false),
            column("w", Type::INT4, false),
        ],
        primary_key: vec![0],
        primary_key_index: Some((16385, "t_pkey".to_owned())),
        indexes: vec![Arc::new(index)],
        checks: Vec::new(),
        statistics: None,
        foreign_keys: Vec::new(),
        referenced_by: Vec::new(),
    };
    let checks = TableChecks { checks: Vec::new(), indexes: vec![(vec![col(1)], None)] };
    (Arc::new(table), checks)
}

/// A scan of all columns, with the key where asked for.
pub fn scan(table: &Arc<Table>, access: Access, row_key: bool) -> Plan {
    Plan::Scan(Scan {
        table: Arc::clone(table),
        columns: (0..table.columns.len()).collect(),
        row_key,
        access,
        snapshot: u64::MAX,
        filter: None,
        estimate: crate::plan::ScanEstimate::default(),
        bound: None,
    })
}

pub fn bounds(equal: Vec<Expr>) -> KeyBounds {
    KeyBounds { equal, ..KeyBounds::default() }
}

/// Integer columns as a batch; `i32::MIN` stands for null.
pub fn batch(columns: &[Vec<i32>]) -> Batch {
    let rows = columns.first().map_or(0, Vec::len);
    let vectors = columns.iter().map(|values| {
        let mut vector = super::columns::empty(Type::INT4);
        for v in values {
            let value = if *v == NULL { Datum::Null } else { Datum::Int4(*v) };
            super::columns::push(&mut vector, &value).unwrap();
        }
        vector
    });
    super::columns::batch(rows, vectors.collect())
}
