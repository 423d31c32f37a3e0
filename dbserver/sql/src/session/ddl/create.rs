//! CREATE TABLE and CREATE TABLE AS.

use super::no_column;
use crate::bind;
use crate::catalog::edit::{constraint_names, sequence_default};
use crate::catalog::{Check, Column, Index, IndexKey, RelationKind, Sequence, Table};
use crate::context::QueryContext;
use crate::error::{Result, SqlError, sqlstate};
use crate::execute::bulk::TableWriter;
use crate::parse::lexer::{Kind, Lexer};
use crate::plan::visit;
use crate::session::client::Session;
use crate::session::portal::Portal;
use crate::session::statement::{
    ColumnSpec, Constraint, ConstraintKind, CreateTable, LikeOptions, Name, SequenceOptions, TableElement,
};
use crate::types::{ColumnType, Datum, Oid, Type};
use std::sync::Arc;

/// Names that PostgreSQL's system columns have.
const SYSTEM_COLUMNS: &[&str] = &["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"];
/// As in PostgreSQL.
const COLUMNS_MAX: usize = 1600;

/// A table that is being put together.
struct NewTable {
    table: Table,
    sequences: Vec<Sequence>,
    constraints: Vec<Constraint>,
    /// Keys and names of indexes that LIKE … INCLUDING INDEXES copies.
    indexes: Vec<Index>,
    /// Columns whose NULL or NOT NULL was written.
    explicit_null: Vec<(String, bool)>,
}

/// The text of a default as the catalog keeps it: a bare literal gets its type, as PostgreSQL shows it.
pub(super) fn default_text(text: &str, ty: ColumnType) -> String {
    let mut lexer = Lexer::new(text);
    let (Ok(Some(first)), Ok(second), Ok(third)) = (lexer.next(), lexer.next(), lexer.next()) else {
        return text.to_owned();
    };
    let type_name = ty.ty.sql_name();
    match (first.kind, second.map(|t| t.kind), third) {
        (Kind::Str, None, _) => format!("{text}::{type_name}"),
        (Kind::Operator, Some(Kind::Number), None) if text.starts_with('-') => {
            let number = text.trim_start_matches('-').trim();
            let ty = if number.contains('.') { "numeric" } else { "integer" };
            format!("'-{number}'::{ty}")
        }
        (Kind::Word, None, _) if text.to_ascii_lowercase().starts_with("current_") => {
            text.to_ascii_uppercase()
        }
        _ => text.to_owned(),
    }
}

pub(super) fn is_null_literal(text: &str) -> bool {
    text.trim().eq_ignore_ascii_case("null")
}

impl Session {
    pub(super) fn create_table(&mut self, create: &CreateTable, query: &QueryContext) -> Result<()> {
        let schema = self.creation_schema(&create.name)?;
        if self.already_exists(schema, &create.name.name, create.if_not_exists)? {
            return Ok(());
        }
        let oid = self.change_catalog(|c| Ok(c.allocate_oid()))?;
        let table = Table {
            oid,
            schema,
            name: create.name.name.clone(),
            tree: self.database.engine().allocate_tree()?,
            columns: Vec::new(),
            primary_key: Vec::new(),
            primary_key_index: None,
            indexes: Vec::new(),
            checks: Vec::new(),
            statistics: None,
            foreign_keys: Vec::new(),
            referenced_by: Vec::new(),
        };
        let mut new = NewTable {
            table,
            sequences: Vec::new(),
            constraints: Vec::new(),
            indexes: Vec::new(),
            explicit_null: Vec::new(),
        };
        for element in &create.elements {
            match element {
                TableElement::Column(spec) => {
                    let (column, sequence) = self.column(&new.table, spec, schema)?;
                    if let Some(not_null) = spec.not_null {
                        new.explicit_null.push((spec.name.clone(), not_null));
                    }
                    new.sequences.extend(sequence);
                    new.table.columns.push(column);
                    new.constraints.extend(spec.constraints.iter().cloned());
                }
                TableElement::Like(name, options) => self.like(&mut new, name, *options)?,
            }
        }
        new.constraints.extend(create.constraints.iter().cloned());
        if new.table.columns.len() > COLUMNS_MAX {
            return Err(SqlError::new(
                sqlstate::TOO_MANY_COLUMNS,
                format!("tables can have at most {COLUMNS_MAX} columns"),
            ));
        }
        let name = new.table.name.clone();
        let sequences = std::mem::take(&mut new.sequences);
        self.change_catalog(|catalog| {
            for sequence in sequences {
                let (oid, name) = (sequence.oid, sequence.name.clone());
                catalog.insert_relation(oid, schema, &name, RelationKind::Sequence(Arc::new(sequence)));
            }
            Ok(())
        })?;
        self.add_checks(&mut new)?;
        let (table, constraints, indexes) = (new.table, new.constraints, new.indexes);
        let defaults: Vec<_> = table.columns.iter().filter(|c| c.default.is_some()).cloned().collect();
        let bound = Arc::new(table);
        for column in &defaults {
            self.check_default(&bound, column)?;
        }
        self.change_catalog(|catalog| {
            catalog.insert_relation(oid, schema, &name, RelationKind::Table(bound));
            Ok(())
        })?;
        self.add_new_keys(oid, &constraints)?;
        for index in indexes {
            let name = self.catalog().choose_relation_name(schema, &name, &index.name, "idx");
            self.change_catalog(|catalog| {
                let oid = catalog.allocate_oid();
                catalog.insert_index(schema, Index { oid, name, ..index })
            })?;
        }
        for constraint in &constraints {
            if let ConstraintKind::ForeignKey(spec) = &constraint.kind {
                self.add_foreign_key(oid, constraint.name.as_deref(), spec, true, query)?;
            }
        }
        Ok(())
    }

    /// A default must bind, and fit its column.
    pub(super) fn check_default(&self, table: &Arc<Table>, column: &Column) -> Result<()> {
        let Some(default) = &column.default else { return Ok(()) };
        // Columns cannot be seen from a default.
        let blank = Arc::new(Table { columns: Vec::new(), ..(**table).clone() });
        let catalog = self.catalog();
        self.with_bind_context(&catalog, &[], |context| {
            match bind::bind_table_expr_as(default, &blank, column.ty, &column.name, context) {
                Ok(_) => Ok(()),
                Err(error) if error.sqlstate() == sqlstate::UNDEFINED_COLUMN => Err(SqlError::new(
                    sqlstate::FEATURE_NOT_SUPPORTED,
                    "cannot use column reference in DEFAULT expression",
                )),
                Err(error) => Err(error),
            }
        })
    }

    /// A column from its declaration, and the sequence it owns.
    pub(super) fn column(
        &mut self,
        table: &Table,
        spec: &ColumnSpec,
        schema: Oid,
    ) -> Result<(Column, Option<Sequence>)> {
        if SYSTEM_COLUMNS.contains(&spec.name.as_str()) {
            return Err(SqlError::new(
                sqlstate::DUPLICATE_COLUMN,
                format!("column name \"{}\" conflicts with a system column name", spec.name),
            ));
        }
        if table.column_position(&spec.name).is_some() {
            return Err(SqlError::new(
                sqlstate::DUPLICATE_COLUMN,
                format!("column \"{}\" specified more than once", spec.name),
            ));
        }
        let attnum = i16::try_from(table.columns.len() + 1).unwrap_or(i16::MAX);
        let mut column = Column {
            name: spec.name.clone(),
            ty: spec.ty.ty,
            not_null: spec.not_null == Some(true),
            default: spec
                .default
                .as_ref()
                .filter(|d| !is_null_literal(d))
                .map(|d| default_text(d, spec.ty.ty)),
            identity: spec.identity.as_ref().map(|(kind, _)| *kind),
            sequence: None,
            missing: Datum::Null,
            dropped: false,
        };
        let options = match (&spec.identity, spec.ty.serial) {
            (Some(_), true) => {
                return Err(SqlError::syntax(format!(
                    "both default and identity specified for column \"{}\" of table \"{}\"",
                    spec.name, table.name
                )));
            }
            (Some((_, options)), false) => {
                if !matches!(spec.ty.ty.ty, Type::INT2 | Type::INT4 | Type::INT8) {
                    return Err(SqlError::new(
                        sqlstate::INVALID_PARAMETER_VALUE,
                        "identity column type must be smallint, integer, or bigint",
                    ));
                }
                options.clone()
            }
            (None, true) => SequenceOptions::default(),
            (None, false) => return Ok((column, None)),
        };
        if column.default.is_some() {
            let what =
                if spec.identity.is_some() { "both default and identity" } else { "multiple default values" };
            return Err(SqlError::syntax(format!(
                "{what} specified for column \"{}\" of table \"{}\"",
                spec.name, table.name
            )));
        }
        if spec.not_null == Some(false) {
            return Err(SqlError::syntax(format!(
                "conflicting NULL/NOT NULL declarations for column \"{}\" of table \"{}\"",
                spec.name, table.name
            )));
        }
        let options = SequenceOptions { ty: options.ty.or(Some(spec.ty.ty.ty)), ..options };
        let name = self.catalog().choose_relation_name(schema, &table.name, &spec.name, "seq");
        let oid = self.change_catalog(|c| Ok(c.allocate_oid()))?;
        let mut sequence = super::sequence::new_sequence(oid, &name, &options)?;
        sequence.owned_by = Some((table.oid, attnum));
        column.not_null = true;
        column.sequence = Some(oid);
        column.default = Some(sequence_default(oid));
        Ok((column, Some(sequence)))
    }

    fn like(&mut self, new: &mut NewTable, name: &Name, options: LikeOptions) -> Result<()> {
        let source = self.require_table(name)?;
        let first = new.table.columns.len();
        let mut positions = Vec::new();
        for (position, column) in source.live_columns() {
            if new.table.column_position(&column.name).is_some() {
                return Err(SqlError::new(
                    sqlstate::DUPLICATE_COLUMN,
                    format!("column \"{}\" specified more than once", column.name),
                ));
            }
            positions.push(position);
            let keeps_default = options.defaults && column.identity.is_none();
            new.table.columns.push(Column {
                name: column.name.clone(),
                ty: column.ty,
                not_null: column.not_null,
                default: column.default.clone().filter(|_| keeps_default),
                identity: None,
                sequence: None,
                missing: Datum::Null,
                dropped: false,
            });
        }
        if options.constraints {
            for check in &source.checks {
                let kind = ConstraintKind::Check(check.expression.clone());
                new.constraints.push(Constraint { name: Some(check.name.clone()), kind });
            }
        }
        if options.indexes {
            let name_of = |p: usize| source.columns.get(p).map(|c| c.name.clone()).unwrap_or_default();
            if !source.primary_key.is_empty() {
                let columns = source.primary_key.iter().map(|p| name_of(*p)).collect();
                new.constraints.push(Constraint { name: None, kind: ConstraintKind::PrimaryKey(columns) });
            }
            for index in &source.indexes {
                if index.constraint {
                    let columns = index.keys.iter().filter_map(|k| k.column).map(name_of).collect();
                    new.constraints.push(Constraint { name: None, kind: ConstraintKind::Unique(columns) });
                    continue;
                }
                let moved = |k: &IndexKey| {
                    let column =
                        k.column.and_then(|c| positions.iter().position(|p| *p == c)).map(|p| first + p);
                    IndexKey { column, ..k.clone() }
                };
                let columns: Vec<String> =
                    index.keys.iter().map(|k| k.column.map_or_else(|| "expr".to_owned(), name_of)).collect();
                new.indexes.push(Index {
                    oid: 0,
                    name: columns.join("_"),
                    table: new.table.oid,
                    tree: self.database.engine().allocate_tree()?,
                    keys: index.keys.iter().map(moved).collect(),
                    unique: index.unique,
                    constraint: false,
                    predicate: index.predicate.clone(),
                    valid: true,
                    readable_from: 0,
                });
            }
        }
        Ok(())
    }

    fn add_checks(&mut self, new: &mut NewTable) -> Result<()> {
        for constraint in &new.constraints {
            if let ConstraintKind::Check(expression) = &constraint.kind {
                let check = self.check(&new.table, constraint.name.as_deref(), expression)?;
                new.table.checks.push(check);
            }
        }
        for (name, not_null) in &new.explicit_null {
            let is_key = new
                .constraints
                .iter()
                .any(|c| matches!(&c.kind, ConstraintKind::PrimaryKey(columns) if columns.contains(name)));
            if !not_null && is_key {
                return Err(SqlError::syntax(format!(
                    "conflicting NULL/NOT NULL declarations for column \"{name}\" of table \"{}\"",
                    new.table.name
                )));
            }
        }
        Ok(())
    }

    /// A CHECK constraint of a table, bound to see that it is right, named where it has no name.
    pub(super) fn check(&mut self, table: &Table, name: Option<&str>, expression: &str) -> Result<Check> {
        let shared = Arc::new(table.clone());
        let catalog = self.catalog();
        let expr = self.with_bind_context(&catalog, &[], |context| {
            bind::bind_table_expr_as(expression, &shared, Type::BOOL.into(), "CHECK", context)
        })?;
        let name = match name {
            Some(name) => {
                if constraint_names(table).any(|n| n == name) {
                    return Err(SqlError::new(
                        sqlstate::DUPLICATE_OBJECT,
                        format!("constraint \"{name}\" for relation \"{}\" already exists", table.name),
                    ));
                }
                name.to_owned()
            }
            None => {
                let mut columns = Vec::new();
                visit::columns(&expr, &mut |c| columns.push(c));
                columns.sort_unstable();
                columns.dedup();
                let column = match columns.as_slice() {
                    [one] => table.live_columns().nth(*one).map_or("", |(_, c)| c.name.as_str()),
                    _ => "",
                };
                catalog.choose_check_name(table, &[], column)
            }
        };
        let oid = self.change_catalog(|c| Ok(c.allocate_oid()))?;
        Ok(Check { oid, name, expression: expression.to_owned() })
    }

    /// Positions of a key's columns.
    pub(super) fn key_columns(table: &Table, columns: &[String], primary: bool) -> Result<Vec<usize>> {
        let mut positions = Vec::new();
        for column in columns {
            let position = table.column_position(column).ok_or_else(|| {
                SqlError::new(
                    sqlstate::UNDEFINED_COLUMN,
                    format!("column \"{column}\" named in key does not exist"),
                )
            })?;
            if positions.contains(&position) {
                let what = if primary { "primary key" } else { "unique" };
                return Err(SqlError::new(
                    sqlstate::DUPLICATE_COLUMN,
                    format!("column \"{column}\" appears twice in {what} constraint"),
                ));
            }
            let ty = table.columns.get(position).map_or(Type::UNKNOWN, |c| c.ty.ty);
            if !super::index::has_order(ty) {
                return Err(super::index::no_operator_class(ty));
            }
            positions.push(position);
        }
        Ok(positions)
    }

    /// PRIMARY KEY and UNIQUE constraints of a table that has no rows yet.
    fn add_new_keys(&mut self, oid: Oid, constraints: &[Constraint]) -> Result<()> {
        let primary = constraints.iter().filter(|c| matches!(c.kind, ConstraintKind::PrimaryKey(_)));
        let others = constraints.iter().filter(|c| matches!(c.kind, ConstraintKind::Unique(_)));
        for constraint in primary.chain(others) {
            let table = self.table(oid)?;
            match &constraint.kind {
                ConstraintKind::PrimaryKey(columns) => {
                    let key = Self::key_columns(&table, columns, true)?;
                    let name = self.key_name(&table, constraint.name.as_deref(), "", "pkey")?;
                    self.set_primary_key(&table, key, &name)?;
                }
                ConstraintKind::Unique(columns) => {
                    let keys = Self::key_columns(&table, columns, false)?;
                    // The same columns as the primary key, or twice: once is enough.
                    let same = |k: &[usize]| k == keys.as_slice();
                    let twice = constraint.name.is_none()
                        && (same(&table.primary_key)
                            || table.indexes.iter().any(|i| {
                                i.unique && same(&i.keys.iter().filter_map(|k| k.column).collect::<Vec<_>>())
                            }));
                    if twice {
                        continue;
                    }
                    let name =
                        self.key_name(&table, constraint.name.as_deref(), &columns.join("_"), "key")?;
                    let index = self.unique_index(&table, &name, &keys)?;
                    self.change_catalog(|catalog| {
                        let oid = catalog.allocate_oid();
                        catalog.insert_index(table.schema, Index { oid, ..index })
                    })?;
                }
                _ => {}
            }
        }
        Ok(())
    }
    /// The name of a key's index: the one given, or PostgreSQL's choice.
    pub(super) fn key_name(
        &self,
        table: &Table,
        given: Option<&str>,
        columns: &str,
        label: &str,
    ) -> Result<String> {
        let catalog = self.catalog();
        match given {
            Some(name) if catalog.relation_in(table.schema, name).is_some() => {
                Err(SqlError::new(sqlstate::DUPLICATE_TABLE, format!("relation \"{name}\" already exists")))
            }
            Some(name) => Ok(name.to_owned()),
            None => Ok(catalog.choose_relation_name(table.schema, &table.name, columns, label)),
        }
    }
    pub(super) fn unique_index(&self, table: &Table, name: &str, keys: &[usize]) -> Result<Index> {
        Ok(Index {
            oid: 0,
            name: name.to_owned(),
            table: table.oid,
            tree: self.database.engine().allocate_tree()?,
            keys: keys
                .iter()
                .map(|k| IndexKey {
                    column: Some(*k),
                    expression: None,
                    descending: false,
                    nulls_first: false,
                })
                .collect(),
            unique: true,
            constraint: true,
            predicate: None,
            valid: true,
            readable_from: 0,
        })
    }
    /// Makes columns the primary key in the catalog; the rows must be (or become) ordered by it.
    pub(super) fn set_primary_key(&mut self, table: &Table, key: Vec<usize>, name: &str) -> Result<()> {
        if !table.primary_key.is_empty() {
            return Err(SqlError::new(
                sqlstate::INVALID_TABLE_DEFINITION,
                format!("multiple primary keys for table \"{}\" are not allowed", table.name),
            ));
        }
        let (oid, schema) = (table.oid, table.schema);
        self.change_catalog(|catalog| {
            let index_oid = catalog.allocate_oid();
            let tree = catalog.update_table(oid, |table| {
                for position in &key {
                    if let Some(column) = table.columns.get_mut(*position) {
                        column.not_null = true;
                    }
                }
                table.primary_key = key.clone();
                table.primary_key_index = Some((index_oid, name.to_owned()));
                table.tree
            })?;
            let index = Index {
                oid: index_oid,
                name: name.to_owned(),
                table: oid,
                tree,
                keys: key
                    .iter()
                    .map(|k| IndexKey {
                        column: Some(*k),
                        expression: None,
                        descending: false,
                        nulls_first: false,
                    })
                    .collect(),
                unique: true,
                constraint: true,
                predicate: None,
                valid: true,
                readable_from: 0,
            };
            catalog.insert_relation(index_oid, schema, name, RelationKind::Index(Arc::new(index)));
            Ok(())
        })
    }

    pub(super) fn create_table_as(
        &mut self,
        name: &Name,
        if_not_exists: bool,
        names: Option<&[String]>,
        text: &str,
        with_data: bool,
        query: &QueryContext,
    ) -> Result<String> {
        let schema = self.creation_schema(name)?;
        if self.already_exists(schema, &name.name, if_not_exists)? {
            return Ok("CREATE TABLE AS".to_owned());
        }
        let mut source = self.query_portal(text)?;
        let table = self.table_of_query(name, schema, names, &source)?;
        let oid = table.oid;
        self.change_catalog(|catalog| {
            let name = table.name.clone();
            catalog.insert_relation(oid, schema, &name, RelationKind::Table(Arc::new(table)));
            Ok(())
        })?;
        if !with_data {
            return Ok("CREATE TABLE AS".to_owned());
        }
        let table = self.table(oid)?;
        let mut writer = TableWriter::of_new_tree(&table, Arc::default());
        while let Some(batch) = self.next_batch(&mut source, query)? {
            self.with_execution(query, |ctx| writer.write(&batch, ctx))?;
        }
        let written = self.with_execution(query, |ctx| writer.finish(ctx))?;
        Ok(format!("SELECT {written}"))
    }

    fn table_of_query(
        &mut self,
        name: &Name,
        schema: Oid,
        names: Option<&[String]>,
        source: &Portal,
    ) -> Result<Table> {
        let mut columns = Vec::new();
        for (i, result) in source.columns.iter().enumerate() {
            let name = names.and_then(|n| n.get(i)).unwrap_or(&result.name).clone();
            if columns.iter().any(|c: &Column| c.name == name) {
                return Err(SqlError::new(
                    sqlstate::DUPLICATE_COLUMN,
                    format!("column \"{name}\" specified more than once"),
                ));
            }
            let ty = if result.ty.ty == Type::UNKNOWN { Type::TEXT.into() } else { result.ty };
            columns.push(Column {
                name,
                ty,
                not_null: false,
                default: None,
                identity: None,
                sequence: None,
                missing: Datum::Null,
                dropped: false,
            });
        }
        if names.is_some_and(|n| n.len() > columns.len()) {
            return Err(SqlError::syntax("too many column names were specified"));
        }
        let oid = self.change_catalog(|c| Ok(c.allocate_oid()))?;
        Ok(Table {
            oid,
            schema,
            name: name.name.clone(),
            tree: self.database.engine().allocate_tree()?,
            columns,
            primary_key: Vec::new(),
            primary_key_index: None,
            indexes: Vec::new(),
            checks: Vec::new(),
            statistics: None,
            foreign_keys: Vec::new(),
            referenced_by: Vec::new(),
        })
    }
    /// A column by name, or 42703.
    pub(super) fn column_position(table: &Table, column: &str) -> Result<usize> {
        table.column_position(column).ok_or_else(|| no_column(column, &table.name))
    }
}
