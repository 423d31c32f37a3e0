//! Data definition statements.

use super::cursor::Name;
use super::type_name::DeclaredType;
use crate::catalog::KeyAction;
use crate::types::{ColumnType, Type};

/// A data definition statement.
#[derive(Clone, Debug)]
pub(crate) enum Ddl {
    CreateTable(CreateTable),
    CreateTableAs {
        name: Name,
        if_not_exists: bool,
        columns: Option<Vec<String>>,
        query: String,
        with_data: bool,
    },
    CreateIndex(CreateIndex),
    CreateSequence {
        name: Name,
        if_not_exists: bool,
        options: SequenceOptions,
    },
    AlterSequence {
        name: Name,
        if_exists: bool,
        options: SequenceOptions,
    },
    CreateView {
        name: Name,
        or_replace: bool,
        columns: Option<Vec<String>>,
        query: String,
    },
    CreateSchema {
        name: String,
        if_not_exists: bool,
    },
    CreateExtension {
        name: String,
        if_not_exists: bool,
    },
    Drop {
        kind: DropKind,
        names: Vec<Name>,
        if_exists: bool,
        cascade: bool,
    },
    Alter {
        kind: DropKind,
        name: Name,
        if_exists: bool,
        actions: Vec<AlterAction>,
    },
    Truncate {
        tables: Vec<Name>,
        restart: bool,
        cascade: bool,
    },
    Comment {
        on: CommentOn,
        text: Option<String>,
    },
}

/// CREATE TABLE.
#[derive(Clone, Debug)]
pub(crate) struct CreateTable {
    pub name: Name,
    pub if_not_exists: bool,
    pub elements: Vec<TableElement>,
    pub constraints: Vec<Constraint>,
}

/// What stands in the brackets of CREATE TABLE besides constraints.
#[derive(Clone, Debug)]
pub(crate) enum TableElement {
    Column(Box<ColumnSpec>),
    Like(Name, LikeOptions),
}

/// INCLUDING … of LIKE.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LikeOptions {
    pub defaults: bool,
    pub constraints: bool,
    pub indexes: bool,
    pub identity: bool,
}

/// A column of CREATE TABLE or ADD COLUMN.
#[derive(Clone, Debug)]
pub(crate) struct ColumnSpec {
    pub name: String,
    pub ty: DeclaredType,
    /// Some(false) for an explicit NULL.
    pub not_null: Option<bool>,
    pub default: Option<String>,
    /// `a` always, `d` by default.
    pub identity: Option<(char, SequenceOptions)>,
    /// Column constraints, as table constraints over this column.
    pub constraints: Vec<Constraint>,
}

/// A table constraint.
#[derive(Clone, Debug)]
pub(crate) struct Constraint {
    pub name: Option<String>,
    pub kind: ConstraintKind,
}

/// Kinds of table constraints.
#[derive(Clone, Debug)]
pub(crate) enum ConstraintKind {
    PrimaryKey(Vec<String>),
    Unique(Vec<String>),
    /// The condition.
    Check(String),
    ForeignKey(ForeignKeySpec),
    /// ADD PRIMARY KEY/UNIQUE USING INDEX
    UsingIndex {
        index: String,
        primary: bool,
    },
}

/// FOREIGN KEY … REFERENCES.
#[derive(Clone, Debug)]
pub(crate) struct ForeignKeySpec {
    pub columns: Vec<String>,
    pub table: Name,
    /// None: the primary key.
    pub referenced: Option<Vec<String>>,
    pub match_full: bool,
    pub on_update: KeyAction,
    pub on_delete: KeyAction,
    pub deferrable: bool,
    pub deferred: bool,
}

/// CREATE INDEX.
#[derive(Clone, Debug)]
pub(crate) struct CreateIndex {
    pub name: Option<String>,
    pub table: Name,
    pub unique: bool,
    pub if_not_exists: bool,
    pub concurrently: bool,
    pub keys: Vec<IndexKeySpec>,
    pub predicate: Option<String>,
}

/// A key of CREATE INDEX.
#[derive(Clone, Debug)]
pub(crate) struct IndexKeySpec {
    pub column: Option<String>,
    pub expression: Option<String>,
    pub descending: bool,
    pub nulls_first: bool,
}

/// Options of CREATE/ALTER SEQUENCE and of identity columns; none where not given.
#[derive(Clone, Debug, Default)]
pub(crate) struct SequenceOptions {
    pub ty: Option<Type>,
    pub start: Option<i64>,
    /// RESTART: `Some(None)` without a value.
    pub restart: Option<Option<i64>>,
    pub increment: Option<i64>,
    /// `Some(None)` for NO MINVALUE.
    pub min: Option<Option<i64>>,
    pub max: Option<Option<i64>>,
    pub cache: Option<i64>,
    pub cycle: Option<bool>,
    /// `Some(None)` for OWNED BY NONE; else table and column.
    pub owned_by: Option<Option<(Name, String)>>,
}

/// What DROP and ALTER name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DropKind {
    Table,
    Index,
    Sequence,
    View,
    Schema,
}

impl DropKind {
    pub(crate) fn word(self) -> &'static str {
        match self {
            DropKind::Table => "table",
            DropKind::Index => "index",
            DropKind::Sequence => "sequence",
            DropKind::View => "view",
            DropKind::Schema => "schema",
        }
    }
}

/// An action of ALTER TABLE.
#[derive(Clone, Debug)]
pub(crate) enum AlterAction {
    AddColumn {
        column: Box<ColumnSpec>,
        if_not_exists: bool,
    },
    DropColumn {
        name: String,
        if_exists: bool,
        cascade: bool,
    },
    RenameColumn {
        from: String,
        to: String,
    },
    RenameTo(String),
    RenameConstraint {
        from: String,
        to: String,
    },
    SetDefault {
        column: String,
        default: Option<String>,
    },
    SetNotNull {
        column: String,
        not_null: bool,
    },
    SetType {
        column: String,
        ty: ColumnType,
        using: Option<String>,
    },
    AddConstraint {
        constraint: Constraint,
        not_valid: bool,
    },
    DropConstraint {
        name: String,
        if_exists: bool,
        cascade: bool,
    },
    AddIdentity {
        column: String,
        kind: char,
        options: SequenceOptions,
    },
    DropIdentity {
        column: String,
        if_exists: bool,
    },
    SetIdentity {
        column: String,
        kind: Option<char>,
        options: SequenceOptions,
    },
    SetSchema(String),
    ValidateConstraint(String),
    /// OWNER TO, SET (fillfactor …), SET STATISTICS, CLUSTER ON …: nothing to do.
    Nothing,
}

/// What COMMENT ON names.
#[derive(Clone, Debug)]
pub(crate) enum CommentOn {
    Relation(DropKind, Name),
    Column(Name, String),
    /// Objects whose comments are not kept: schema, database, constraint.
    Other,
}

impl Ddl {
    pub(crate) fn is_bulk(&self) -> bool {
        match self {
            Ddl::CreateIndex(_) | Ddl::CreateTableAs { .. } => true,
            Ddl::Alter { actions, .. } => actions.iter().any(|a| {
                matches!(
                    a,
                    AlterAction::AddConstraint { .. }
                        | AlterAction::SetType { .. }
                        | AlterAction::AddColumn { .. }
                )
            }),
            _ => false,
        }
    }
    /// CREATE INDEX CONCURRENTLY, which runs in transactions of its own.
    pub(crate) fn concurrent_index(&self) -> Option<&CreateIndex> {
        match self {
            Ddl::CreateIndex(create) if create.concurrently => Some(create),
            _ => None,
        }
    }
    /// The command tag.
    pub(crate) fn tag(&self) -> String {
        let kind = |kind: DropKind| kind.word().to_ascii_uppercase();
        match self {
            Ddl::CreateTable(_) => "CREATE TABLE".to_owned(),
            Ddl::CreateTableAs { .. } => "CREATE TABLE AS".to_owned(),
            Ddl::CreateIndex(_) => "CREATE INDEX".to_owned(),
            Ddl::CreateSequence { .. } => "CREATE SEQUENCE".to_owned(),
            Ddl::AlterSequence { .. } => "ALTER SEQUENCE".to_owned(),
            Ddl::CreateView { .. } => "CREATE VIEW".to_owned(),
            Ddl::CreateSchema { .. } => "CREATE SCHEMA".to_owned(),
            Ddl::CreateExtension { .. } => "CREATE EXTENSION".to_owned(),
            Ddl::Drop { kind: k, .. } => format!("DROP {}", kind(*k)),
            Ddl::Alter { kind: k, .. } => format!("ALTER {}", kind(*k)),
            Ddl::Truncate { .. } => "TRUNCATE TABLE".to_owned(),
            Ddl::Comment { .. } => "COMMENT".to_owned(),
        }
    }
}
