//! Utility statements: transactions, settings, cursors, prepared statements, maintenance.

use super::copy::{self, CopyStatement};
use super::cursor::{Cursor, Name};
use super::ddl::Ddl;
use super::definition;
use super::type_name::type_name;
use crate::error::{Result, SqlError, sqlstate};
use crate::parse::lexer::Kind;
use crate::session::client::{StatementInfo, StatementKind};
use crate::types::ColumnType;

/// A statement that is not a query.
#[derive(Clone, Debug)]
pub(crate) enum Utility {
    Begin(Modes, &'static str),
    Commit {
        chain: bool,
    },
    Rollback {
        chain: bool,
    },
    Savepoint(String),
    Release(String),
    RollbackTo(String),
    /// SET TRANSACTION (`session`: SET SESSION CHARACTERISTICS AS TRANSACTION).
    SetTransaction {
        modes: Modes,
        session: bool,
    },
    /// None for DEFAULT.
    Set {
        name: String,
        value: Option<Vec<String>>,
        local: bool,
    },
    Reset(Option<String>),
    Show(Option<String>),
    Prepare {
        name: String,
        types: Vec<ColumnType>,
        query: String,
    },
    /// Arguments are expressions as text.
    Execute {
        name: String,
        args: Vec<String>,
    },
    Deallocate(Option<String>),
    Declare {
        name: String,
        scroll: Option<bool>,
        hold: bool,
        query: String,
    },
    Fetch {
        name: String,
        direction: FetchDirection,
        moving: bool,
    },
    Close(Option<String>),
    Discard(Discard),
    Explain {
        options: ExplainOptions,
        query: String,
    },
    /// VACUUM and ANALYZE.
    Vacuum {
        /// Each with the columns named; all tables where there is none.
        tables: Vec<(Name, Vec<String>)>,
        analyze: bool,
        verb: &'static str,
    },
    Checkpoint,
    Lock {
        tables: Vec<Name>,
        exclusive: bool,
        nowait: bool,
    },
    /// UNLISTEN, and whatever else there is nothing to do for; the command tag.
    Nothing(&'static str),
    /// `names` is none for ALL.
    SetConstraints {
        names: Option<Vec<Name>>,
        deferred: bool,
    },
    Copy(Box<CopyStatement>),
    Ddl(Box<Ddl>),
}

/// Transaction modes; none where not given.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Modes {
    pub isolation: Option<IsolationLevel>,
    pub read_only: Option<bool>,
    pub deferrable: Option<bool>,
}

/// Isolation levels by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IsolationLevel {
    ReadUncommitted,
    ReadCommitted,
    RepeatableRead,
    Serializable,
}

impl IsolationLevel {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ReadUncommitted => "read uncommitted",
            Self::ReadCommitted => "read committed",
            Self::RepeatableRead => "repeatable read",
            Self::Serializable => "serializable",
        }
    }
    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::ReadUncommitted, Self::ReadCommitted, Self::RepeatableRead, Self::Serializable]
            .into_iter()
            .find(|l| text.eq_ignore_ascii_case(l.name()))
    }
}

/// Which rows FETCH wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FetchDirection {
    /// `i64::MAX` for ALL; negative ones go backward.
    Forward(i64),
    Backward(i64),
    Absolute(i64),
    Relative(i64),
}

/// What DISCARD forgets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Discard {
    All,
    Plans,
    Sequences,
    Temp,
}

/// Options of EXPLAIN.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExplainOptions {
    pub analyze: bool,
    pub verbose: bool,
    pub costs: bool,
    pub timing: bool,
    pub summary: bool,
    pub json: bool,
}

impl Utility {
    pub(crate) fn info(&self) -> StatementInfo {
        use StatementKind as K;
        let (kind, bulk, counts_rows) = match self {
            Utility::Begin(..)
            | Utility::Commit { .. }
            | Utility::Rollback { .. }
            | Utility::Savepoint(_)
            | Utility::Release(_)
            | Utility::RollbackTo(_)
            | Utility::SetTransaction { .. } => (K::Transaction, false, true),
            Utility::Fetch { .. } => (K::Select, false, true),
            Utility::Vacuum { .. } | Utility::Checkpoint => (K::Utility, true, true),
            Utility::Copy(_) => (K::Copy, true, false),
            Utility::Ddl(ddl) => (K::Ddl, ddl.is_bulk(), true),
            _ => (K::Utility, false, true),
        };
        StatementInfo { kind, bulk, counts_rows }
    }
    /// Allowed in a failed transaction.
    pub(crate) fn ends_transaction(&self) -> bool {
        matches!(self, Utility::Commit { .. } | Utility::Rollback { .. } | Utility::RollbackTo(_))
    }
}

/// Parses a statement that does not begin like a query.
pub(crate) fn parse(c: &mut Cursor<'_>) -> Result<Utility> {
    let start = c.error();
    if c.kind() != Some(Kind::Word) {
        return Err(start);
    }
    let verb = c.peek_text().to_ascii_lowercase();
    if let Some(ddl) = definition::parse(c, &verb)? {
        c.finish()?;
        return Ok(Utility::Ddl(Box::new(ddl)));
    }
    c.advance();
    let utility = match verb.as_str() {
        "begin" => {
            work(c);
            Utility::Begin(modes(c)?, "BEGIN")
        }
        "start" => {
            c.expect_kw("transaction")?;
            Utility::Begin(modes(c)?, "START TRANSACTION")
        }
        "commit" | "end" => {
            if verb == "commit" && c.eat_kw("prepared") {
                return Err(SqlError::unsupported("two-phase commit"));
            }
            work(c);
            Utility::Commit { chain: chain(c)? }
        }
        "rollback" | "abort" => {
            if c.eat_kw("prepared") {
                return Err(SqlError::unsupported("two-phase commit"));
            }
            work(c);
            if verb == "rollback" && c.eat_kw("to") {
                c.eat_kw("savepoint");
                Utility::RollbackTo(c.ident()?)
            } else {
                Utility::Rollback { chain: chain(c)? }
            }
        }
        "savepoint" => Utility::Savepoint(c.ident()?),
        "release" => {
            c.eat_kw("savepoint");
            Utility::Release(c.ident()?)
        }
        "set" => set(c)?,
        "reset" => {
            if c.eat_kw("all") {
                Utility::Reset(None)
            } else {
                Utility::Reset(Some(parameter(c)?))
            }
        }
        "show" => {
            if c.eat_kw("all") {
                Utility::Show(None)
            } else {
                Utility::Show(Some(parameter(c)?))
            }
        }
        "prepare" => prepare(c)?,
        "execute" => {
            let name = c.ident()?;
            let mut args = Vec::new();
            if c.eat(b'(') {
                loop {
                    args.push(c.expression(&[])?);
                    if !c.eat(b',') {
                        break;
                    }
                }
                c.expect(b')')?;
            }
            Utility::Execute { name, args }
        }
        "deallocate" => {
            c.eat_kw("prepare");
            Utility::Deallocate(if c.eat_kw("all") { None } else { Some(c.ident()?) })
        }
        "declare" => declare(c)?,
        "fetch" | "move" => fetch(c, verb == "move")?,
        "close" => Utility::Close(if c.eat_kw("all") { None } else { Some(c.ident()?) }),
        "discard" => Utility::Discard(match c.label()?.as_str() {
            "all" => Discard::All,
            "plans" => Discard::Plans,
            "sequences" => Discard::Sequences,
            "temp" | "temporary" => Discard::Temp,
            _ => return Err(start),
        }),
        "explain" => explain(c)?,
        "vacuum" => vacuum(c)?,
        "analyze" | "analyse" => {
            bracketed_options(c)?;
            c.eat_kw("verbose");
            Utility::Vacuum { tables: tables(c)?, analyze: true, verb: "ANALYZE" }
        }
        "cluster" | "reindex" => {
            let _ = c.rest();
            Utility::Nothing(if verb == "cluster" { "CLUSTER" } else { "REINDEX" })
        }
        "checkpoint" => Utility::Checkpoint,
        "lock" => lock(c)?,
        "unlisten" => {
            let _ = c.rest()?;
            Utility::Nothing("UNLISTEN")
        }
        "copy" => Utility::Copy(Box::new(copy::parse(c)?)),
        "listen" | "notify" => return Err(SqlError::unsupported("LISTEN and NOTIFY")),
        "merge" => return Err(SqlError::unsupported("MERGE")),
        "do" => return Err(SqlError::unsupported("DO")),
        "call" => return Err(SqlError::unsupported("CALL")),
        "load" => return Err(SqlError::unsupported("LOAD")),
        "grant" | "revoke" => return Err(SqlError::unsupported("GRANT and REVOKE")),
        "reassign" => return Err(SqlError::unsupported("REASSIGN OWNED")),
        "security" => return Err(SqlError::unsupported("SECURITY LABEL")),
        "refresh" => return Err(SqlError::unsupported("REFRESH MATERIALIZED VIEW")),
        "import" => return Err(SqlError::unsupported("IMPORT FOREIGN SCHEMA")),
        _ => return Err(start),
    };
    c.finish()?;
    Ok(utility)
}

fn work(c: &mut Cursor<'_>) {
    if !c.eat_kw("work") {
        c.eat_kw("transaction");
    }
}

fn chain(c: &mut Cursor<'_>) -> Result<bool> {
    if !c.eat_kw("and") {
        return Ok(false);
    }
    let no = c.eat_kw("no");
    c.expect_kw("chain")?;
    Ok(!no)
}

fn modes(c: &mut Cursor<'_>) -> Result<Modes> {
    let mut modes = Modes::default();
    while !c.at_end() {
        if c.eat_kw("isolation") {
            c.expect_kw("level")?;
            modes.isolation = Some(if c.eat_kw("serializable") {
                IsolationLevel::Serializable
            } else if c.eat_kws(&["repeatable", "read"]) {
                IsolationLevel::RepeatableRead
            } else if c.eat_kws(&["read", "committed"]) {
                IsolationLevel::ReadCommitted
            } else if c.eat_kws(&["read", "uncommitted"]) {
                IsolationLevel::ReadUncommitted
            } else {
                return Err(c.error());
            });
        } else if c.eat_kws(&["read", "only"]) {
            modes.read_only = Some(true);
        } else if c.eat_kws(&["read", "write"]) {
            modes.read_only = Some(false);
        } else if c.eat_kw("deferrable") {
            modes.deferrable = Some(true);
        } else if c.eat_kws(&["not", "deferrable"]) {
            modes.deferrable = Some(false);
        } else {
            return Err(c.error());
        }
        c.eat(b',');
    }
    Ok(modes)
}

/// A parameter's name, with the phrases that stand for one.
fn parameter(c: &mut Cursor<'_>) -> Result<String> {
    if c.eat_kws(&["time", "zone"]) {
        return Ok("timezone".to_owned());
    }
    if c.eat_kws(&["transaction", "isolation", "level"]) {
        return Ok("transaction_isolation".to_owned());
    }
    if c.eat_kws(&["session", "authorization"]) {
        return Ok("session_authorization".to_owned());
    }
    let mut name = c.label()?;
    while c.eat(b'.') {
        name = format!("{name}.{}", c.label()?);
    }
    Ok(name)
}

fn set(c: &mut Cursor<'_>) -> Result<Utility> {
    if c.eat_kws(&["session", "characteristics"]) {
        c.expect_kw("as")?;
        c.expect_kw("transaction")?;
        return Ok(Utility::SetTransaction { modes: modes(c)?, session: true });
    }
    let local = if c.eat_kw("local") {
        true
    } else {
        if !c.is_kw_at(1, "authorization") {
            c.eat_kw("session");
        }
        false
    };
    if c.eat_kw("transaction") {
        if c.eat_kw("snapshot") {
            return Err(SqlError::unsupported("SET TRANSACTION SNAPSHOT"));
        }
        return Ok(Utility::SetTransaction { modes: modes(c)?, session: false });
    }
    if c.eat_kw("constraints") {
        let names = if c.eat_kw("all") { None } else { Some(c.name_list()?) };
        let deferred = c.eat_kw("deferred");
        if !deferred {
            c.expect_kw("immediate")?;
        }
        return Ok(Utility::SetConstraints { names, deferred });
    }
    if c.eat_kws(&["time", "zone"]) {
        let value = if c.eat_kw("local") || c.eat_kw("default") {
            None
        } else if c.eat_kw("interval") {
            let text = c.string()?;
            while c.eat_kw("hour") || c.eat_kw("to") || c.eat_kw("minute") {}
            Some(vec![format!("interval {text}")])
        } else {
            Some(vec![value(c)?])
        };
        return Ok(Utility::Set { name: "timezone".to_owned(), value, local });
    }
    for (phrase, name) in [
        (&["session", "authorization"][..], "session_authorization"),
        (&["role"], "role"),
        (&["names"], "client_encoding"),
        (&["schema"], "search_path"),
    ] {
        let mark = c.mark();
        if c.eat_kws(phrase) {
            if c.is_kw("to") || (c.kind() == Some(Kind::Operator) && c.peek_text() == "=") {
                c.rewind(mark);
                break;
            }
            let value = if c.at_end() || c.eat_kw("default") { None } else { Some(vec![value(c)?]) };
            return Ok(Utility::Set { name: name.to_owned(), value, local });
        }
    }
    let name = parameter(c)?;
    if !c.eat_kw("to") && !c.eat_operator("=") {
        return Err(c.error());
    }
    if c.eat_kw("default") {
        return Ok(Utility::Set { name, value: None, local });
    }
    let mut values = vec![value(c)?];
    while c.eat(b',') {
        values.push(value(c)?);
    }
    Ok(Utility::Set { name, value: Some(values), local })
}

/// A value of SET: a string, a number, or a word.
fn value(c: &mut Cursor<'_>) -> Result<String> {
    if let Some(text) = c.eat_string()? {
        return Ok(text);
    }
    if let Some(number) = c.eat_number() {
        return Ok(number);
    }
    c.label()
}

fn prepare(c: &mut Cursor<'_>) -> Result<Utility> {
    if c.is_kw("transaction") {
        return Err(SqlError::unsupported("two-phase commit"));
    }
    let name = c.ident()?;
    let mut types = Vec::new();
    if c.eat(b'(') {
        loop {
            types.push(type_name(c)?);
            if !c.eat(b',') {
                break;
            }
        }
        c.expect(b')')?;
    }
    c.expect_kw("as")?;
    Ok(Utility::Prepare { name, types, query: c.rest()?.to_owned() })
}

fn declare(c: &mut Cursor<'_>) -> Result<Utility> {
    let name = c.ident()?;
    let mut scroll = None;
    loop {
        if c.eat_kw("binary") {
            return Err(SqlError::unsupported("DECLARE BINARY CURSOR"));
        } else if c.eat_kws(&["no", "scroll"]) {
            scroll = Some(false);
        } else if c.eat_kw("scroll") {
            scroll = Some(true);
        } else if !c.eat_kw("insensitive") && !c.eat_kw("asensitive") {
            break;
        }
    }
    c.expect_kw("cursor")?;
    let hold = if c.eat_kws(&["with", "hold"]) {
        true
    } else {
        c.eat_kws(&["without", "hold"]);
        false
    };
    c.expect_kw("for")?;
    Ok(Utility::Declare { name, scroll, hold, query: c.rest()?.to_owned() })
}

fn fetch(c: &mut Cursor<'_>, moving: bool) -> Result<Utility> {
    let count = |c: &mut Cursor<'_>| -> Result<i64> {
        if c.eat_kw("all") {
            return Ok(i64::MAX);
        }
        let mark = c.mark();
        match c.eat_number() {
            Some(n) => n.parse().map_err(|_| {
                c.rewind(mark);
                c.error()
            }),
            None => Ok(1),
        }
    };
    use FetchDirection as D;
    let direction = if c.eat_kw("next") {
        D::Forward(1)
    } else if c.eat_kw("prior") {
        D::Backward(1)
    } else if c.eat_kw("first") {
        D::Absolute(1)
    } else if c.eat_kw("last") {
        D::Absolute(-1)
    } else if c.eat_kw("absolute") {
        D::Absolute(c.integer()?)
    } else if c.eat_kw("relative") {
        D::Relative(c.integer()?)
    } else if c.eat_kw("forward") {
        D::Forward(count(c)?)
    } else if c.eat_kw("backward") {
        D::Backward(count(c)?)
    } else {
        D::Forward(count(c)?)
    };
    if !c.eat_kw("from") {
        c.eat_kw("in");
    }
    Ok(Utility::Fetch { name: c.ident()?, direction, moving })
}

/// `( option [value], … )` of EXPLAIN, VACUUM, ANALYZE: names and values in lower case.
fn bracketed_options(c: &mut Cursor<'_>) -> Result<Vec<(String, String)>> {
    let mut options = Vec::new();
    if !c.eat(b'(') {
        return Ok(options);
    }
    loop {
        let name = c.label()?;
        let value =
            if c.is_punct(b',') || c.is_punct(b')') { String::new() } else { value(c)?.to_ascii_lowercase() };
        options.push((name, value));
        if !c.eat(b',') {
            break;
        }
    }
    c.expect(b')')?;
    Ok(options)
}

fn option_bool(name: &str, value: &str) -> Result<bool> {
    match value {
        "" | "true" | "on" | "1" => Ok(true),
        "false" | "off" | "0" => Ok(false),
        _ => Err(SqlError::syntax(format!("{name} requires a Boolean value"))),
    }
}

fn explain(c: &mut Cursor<'_>) -> Result<Utility> {
    let mut o = ExplainOptions {
        analyze: false,
        verbose: false,
        costs: true,
        timing: true,
        summary: false,
        json: false,
    };
    let mut summary = None;
    // A bracket may also open the query itself.
    if c.is_punct(b'(')
        && !["select", "with", "values", "("].iter().any(|w| c.is_kw_at(1, w))
        && !c.is_punct_at(1, b'(')
    {
        for (name, value) in bracketed_options(c)? {
            match name.as_str() {
                "analyze" | "analyse" => o.analyze = option_bool("analyze", &value)?,
                "verbose" => o.verbose = option_bool(&name, &value)?,
                "costs" => o.costs = option_bool(&name, &value)?,
                "timing" => o.timing = option_bool(&name, &value)?,
                "summary" => summary = Some(option_bool(&name, &value)?),
                "buffers" | "wal" | "settings" => {
                    option_bool(&name, &value)?;
                }
                "format" => match value.as_str() {
                    "text" => o.json = false,
                    "json" => o.json = true,
                    "xml" | "yaml" => return Err(SqlError::unsupported(format!("EXPLAIN (FORMAT {value})"))),
                    _ => {
                        return Err(SqlError::new(
                            sqlstate::INVALID_PARAMETER_VALUE,
                            format!("unrecognized value for EXPLAIN option \"format\": \"{value}\""),
                        ));
                    }
                },
                _ => return Err(SqlError::syntax(format!("unrecognized EXPLAIN option \"{name}\""))),
            }
        }
    } else {
        o.analyze = c.eat_kw("analyze") || c.eat_kw("analyse");
        o.verbose = c.eat_kw("verbose");
    }
    o.summary = summary.unwrap_or(o.analyze);
    Ok(Utility::Explain { options: o, query: c.rest()?.to_owned() })
}

fn tables(c: &mut Cursor<'_>) -> Result<Vec<(Name, Vec<String>)>> {
    let mut tables = Vec::new();
    while !c.at_end() {
        let name = c.name()?;
        let columns = if c.is_punct(b'(') { c.ident_list()? } else { Vec::new() };
        tables.push((name, columns));
        if !c.eat(b',') {
            break;
        }
    }
    Ok(tables)
}

fn vacuum(c: &mut Cursor<'_>) -> Result<Utility> {
    let mut analyze = false;
    if c.is_punct(b'(') {
        for (name, value) in bracketed_options(c)? {
            if matches!(name.as_str(), "analyze" | "analyse") {
                analyze = option_bool("analyze", &value)?;
            }
        }
    } else {
        for word in ["full", "freeze", "verbose"] {
            c.eat_kw(word);
        }
        analyze = c.eat_kw("analyze") || c.eat_kw("analyse");
    }
    Ok(Utility::Vacuum { tables: tables(c)?, analyze, verb: "VACUUM" })
}

fn lock(c: &mut Cursor<'_>) -> Result<Utility> {
    c.eat_kw("table");
    c.eat_kw("only");
    let mut tables = vec![c.name()?];
    c.eat_operator("*");
    while c.eat(b',') {
        c.eat_kw("only");
        tables.push(c.name()?);
        c.eat_operator("*");
    }
    // Weaker modes than those that keep writers out share with writers here.
    let mut exclusive = true;
    if c.eat_kw("in") {
        let shares = c.eat_kws(&["access", "share"])
            || c.eat_kws(&["row", "share"])
            || c.eat_kws(&["row", "exclusive"]);
        let excludes = !shares
            && (c.eat_kws(&["share", "update", "exclusive"])
                || c.eat_kws(&["share", "row", "exclusive"])
                || c.eat_kws(&["access", "exclusive"])
                || c.eat_kw("exclusive")
                || c.eat_kw("share"));
        if !shares && !excludes {
            return Err(c.error());
        }
        exclusive = excludes;
        c.expect_kw("mode")?;
    }
    let nowait = c.eat_kw("nowait");
    Ok(Utility::Lock { tables, exclusive, nowait })
}
