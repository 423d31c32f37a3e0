//! What a statement is once parsed: queries and definitions as `sqlparser` has them, and utility statements as our own
//! structs, because PostgreSQL's forms of those are wider than the parser's.

use sqlparser::ast;

/// One statement of a query string.
#[derive(Clone, Debug)]
pub struct ParsedStatement {
    /// What it is.
    pub statement: Statement,
    /// Its own source text, without the semicolon.
    pub text: String,
    /// Characters of the query string before `text`: what to add to positions of errors found later.
    pub offset: u32,
}

/// A statement.
#[derive(Clone, Debug)]
pub enum Statement {
    /// SELECT, VALUES, TABLE, WITH …, INSERT, UPDATE, DELETE: for [`crate::bind`].
    Query(Box<ast::Statement>),
    /// CREATE, ALTER, DROP, GRANT and the like.
    Ddl(Box<ast::Statement>),
    /// Everything else.
    Utility(Box<Utility>),
}

/// A name with its qualifiers, folded: `["s", "t"]`.
pub type Name = Vec<String>;

/// Modes of BEGIN and SET TRANSACTION; none where not said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransactionModes {
    /// ISOLATION LEVEL, in PostgreSQL's lower-case spelling: `read committed`, …
    pub isolation: Option<&'static str>,
    /// READ ONLY.
    pub read_only: Option<bool>,
    /// DEFERRABLE.
    pub deferrable: Option<bool>,
}

/// Which way FETCH and MOVE go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchDirection {
    /// So many rows forward (backward when negative); 0 reads the current row again.
    Forward(i64),
    /// FORWARD ALL, ALL.
    ForwardAll,
    /// BACKWARD ALL.
    BackwardAll,
    /// ABSOLUTE n; FIRST is 1, LAST is -1.
    Absolute(i64),
    /// RELATIVE n.
    Relative(i64),
}

/// A value of SET.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetValue {
    /// DEFAULT.
    Default,
    /// The values as text; a list for settings such as `search_path`.
    Values(Vec<String>),
}

/// What DISCARD forgets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discard {
    /// ALL
    All,
    /// PLANS
    Plans,
    /// SEQUENCES
    Sequences,
    /// TEMP
    Temp,
}

/// What COPY reads from or writes to.
#[derive(Clone, Debug)]
pub enum CopySource {
    /// A table and its columns (empty: all).
    Table(Name, Vec<String>),
    /// `(SELECT …)`, only for TO.
    Query(Box<ParsedStatement>),
}

/// Where COPY's data is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopyTarget {
    /// STDIN or STDOUT: the client.
    Client,
    /// A file on the server.
    File(String),
    /// A program on the server.
    Program(String),
}

/// COPY.
#[derive(Clone, Debug)]
pub struct Copy {
    /// The table or query.
    pub source: CopySource,
    /// COPY … FROM.
    pub from: bool,
    /// The other end.
    pub target: CopyTarget,
    /// Options, lower-case (`format`, `delimiter`, `null`, `header`, `quote`, `escape`, `freeze`, `encoding`, `force_quote`,
    /// `force_not_null`, `force_null`), with their values (none for a bare flag, `*` for all columns).
    pub options: Vec<(String, Vec<String>)>,
    /// WHERE of COPY FROM, as SQL text.
    pub filter: Option<String>,
}

/// EXPLAIN.
#[derive(Clone, Debug)]
pub struct Explain {
    /// Run it and say what happened.
    pub analyze: bool,
    /// VERBOSE.
    pub verbose: bool,
    /// COSTS (on unless turned off).
    pub costs: bool,
    /// `text`, `json`, `yaml`, `xml`.
    pub format: String,
    /// What to explain.
    pub statement: Box<ParsedStatement>,
}

/// A statement that is neither query nor definition.
#[derive(Clone, Debug)]
pub enum Utility {
    /// BEGIN, START TRANSACTION.
    Begin(TransactionModes),
    /// COMMIT, END.
    Commit {
        /// AND CHAIN.
        chain: bool,
    },
    /// ROLLBACK, ABORT.
    Rollback {
        /// AND CHAIN.
        chain: bool,
    },
    /// SAVEPOINT
    Savepoint(String),
    /// RELEASE [SAVEPOINT]
    Release(String),
    /// ROLLBACK TO [SAVEPOINT]
    RollbackTo(String),
    /// SET TRANSACTION, or SET SESSION CHARACTERISTICS AS TRANSACTION.
    SetTransaction {
        /// For the session, not just this transaction.
        session: bool,
        /// The modes.
        modes: TransactionModes,
    },
    /// SET; also SET TIME ZONE, NAMES, ROLE, SESSION AUTHORIZATION, SCHEMA under their settings' names.
    Set {
        /// LOCAL.
        local: bool,
        /// The setting, lower-case.
        name: String,
        /// Its value.
        value: SetValue,
    },
    /// SET CONSTRAINTS.
    SetConstraints {
        /// DEFERRED instead of IMMEDIATE.
        deferred: bool,
        /// Which; empty for ALL.
        names: Vec<Name>,
    },
    /// RESET name, RESET ALL (none).
    Reset(Option<String>),
    /// SHOW name (`all` for all).
    Show(String),
    /// DISCARD
    Discard(Discard),
    /// DECLARE … CURSOR FOR
    Declare {
        /// The cursor.
        name: String,
        /// BINARY.
        binary: bool,
        /// SCROLL or NO SCROLL.
        scroll: Option<bool>,
        /// WITH HOLD.
        hold: bool,
        /// The query.
        query: Box<ParsedStatement>,
    },
    /// FETCH and MOVE
    Fetch {
        /// Which rows.
        direction: FetchDirection,
        /// The cursor.
        cursor: String,
        /// MOVE: no rows are returned.
        only_move: bool,
    },
    /// CLOSE name, CLOSE ALL (none).
    Close(Option<String>),
    /// PREPARE
    Prepare {
        /// Name.
        name: String,
        /// Declared parameter types.
        types: Vec<ast::DataType>,
        /// The statement.
        statement: Box<ParsedStatement>,
    },
    /// EXECUTE
    Execute {
        /// Name.
        name: String,
        /// Arguments, as SQL text each.
        args: Vec<String>,
    },
    /// DEALLOCATE name, DEALLOCATE ALL (none).
    Deallocate(Option<String>),
    /// COPY
    Copy(Box<Copy>),
    /// EXPLAIN
    Explain(Explain),
    /// VACUUM, also with ANALYZE.
    Vacuum {
        /// With ANALYZE.
        analyze: bool,
        /// Tables and columns; empty for all.
        tables: Vec<(Name, Vec<String>)>,
    },
    /// ANALYZE
    Analyze {
        /// Tables and columns; empty for all.
        tables: Vec<(Name, Vec<String>)>,
    },
    /// LOCK TABLE
    Lock {
        /// The tables.
        tables: Vec<Name>,
        /// `access exclusive`, `share`, …
        mode: String,
        /// NOWAIT.
        nowait: bool,
    },
    /// TRUNCATE
    Truncate {
        /// The tables.
        tables: Vec<Name>,
        /// RESTART IDENTITY.
        restart_identity: bool,
        /// CASCADE.
        cascade: bool,
    },
    /// COMMENT ON kind name IS text
    Comment {
        /// `table`, `column`, `index`, … lower-case.
        kind: String,
        /// The object.
        name: Name,
        /// ON this table, for constraints, triggers, …
        on: Option<Name>,
        /// The comment; none removes it.
        text: Option<String>,
    },
    /// LISTEN
    Listen(String),
    /// UNLISTEN name or `*` (none)
    Unlisten(Option<String>),
    /// NOTIFY
    Notify(String, String),
    /// CHECKPOINT
    Checkpoint,
    /// REINDEX, CLUSTER: nothing to do in a log-structured merge tree.
    Reindex,
}
