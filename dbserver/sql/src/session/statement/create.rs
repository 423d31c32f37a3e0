//! Reading CREATE statements, and the parts of them that ALTER shares.

use super::cursor::{Cursor, Name};
use super::ddl::*;
use super::definition::if_not_exists;
use super::type_name::{declared_type, type_name};
use super::utility::Utility;
use crate::catalog::KeyAction;
use crate::error::{Result, SqlError};
use crate::parse::lexer::{Kind, Lexeme};

/// Words that end a DEFAULT expression.
const COLUMN_WORDS: &[&str] = &[
    "constraint",
    "not",
    "null",
    "check",
    "unique",
    "primary",
    "references",
    "default",
    "generated",
    "collate",
    "deferrable",
    "initially",
];

pub(super) fn create(c: &mut Cursor<'_>) -> Result<Ddl> {
    let or_replace = c.eat_kws(&["or", "replace"]);
    if c.eat_kw("global") || c.eat_kw("local") || c.is_kw("temp") || c.is_kw("temporary") {
        return Err(SqlError::unsupported("a temporary relation"));
    }
    c.eat_kw("unlogged");
    if c.eat_kw("table") {
        return create_table(c);
    }
    if c.eat_kw("unique") {
        c.expect_kw("index")?;
        return create_index(c, true);
    }
    if c.eat_kw("index") {
        return create_index(c, false);
    }
    if c.eat_kw("sequence") {
        let if_not_exists = if_not_exists(c);
        let name = c.name()?;
        return Ok(Ddl::CreateSequence { name, if_not_exists, options: sequence_options(c)? });
    }
    if c.eat_kw("view") {
        let name = c.name()?;
        let columns = if c.is_punct(b'(') { Some(c.ident_list()?) } else { None };
        if c.eat_kw("with") {
            c.bracketed()?;
        }
        c.expect_kw("as")?;
        let query = c.rest()?.to_owned();
        return Ok(Ddl::CreateView { name, or_replace, columns, query });
    }
    if c.eat_kw("schema") {
        let if_not_exists = if_not_exists(c);
        if c.eat_kw("authorization") {
            return Ok(Ddl::CreateSchema { name: c.ident()?, if_not_exists });
        }
        let name = c.ident()?;
        if c.eat_kw("authorization") {
            c.label()?;
        }
        if !c.at_end() {
            return Err(SqlError::unsupported("CREATE SCHEMA with elements"));
        }
        return Ok(Ddl::CreateSchema { name, if_not_exists });
    }
    if c.eat_kw("extension") {
        let if_not_exists = if_not_exists(c);
        let name = c.ident()?;
        let _ = c.rest();
        return Ok(Ddl::CreateExtension { name, if_not_exists });
    }
    for (words, what) in [
        (&["materialized", "view"][..], "a materialized view"),
        (&["recursive", "view"], "CREATE RECURSIVE VIEW"),
        (&["constraint", "trigger"], "a trigger"),
        (&["event", "trigger"], "a trigger"),
        (&["foreign"], "a foreign table"),
        (&["trigger"], "a trigger"),
        (&["function"], "CREATE FUNCTION"),
        (&["procedure"], "CREATE PROCEDURE"),
        (&["aggregate"], "CREATE AGGREGATE"),
        (&["operator"], "CREATE OPERATOR"),
        (&["type"], "CREATE TYPE"),
        (&["domain"], "CREATE DOMAIN"),
        (&["role"], "CREATE ROLE"),
        (&["user"], "CREATE USER"),
        (&["group"], "CREATE GROUP"),
        (&["database"], "CREATE DATABASE"),
        (&["tablespace"], "CREATE TABLESPACE"),
        (&["rule"], "CREATE RULE"),
        (&["policy"], "CREATE POLICY"),
        (&["publication"], "CREATE PUBLICATION"),
        (&["subscription"], "CREATE SUBSCRIPTION"),
        (&["server"], "CREATE SERVER"),
        (&["statistics"], "CREATE STATISTICS"),
        (&["collation"], "CREATE COLLATION"),
        (&["conversion"], "CREATE CONVERSION"),
        (&["cast"], "CREATE CAST"),
        (&["language"], "CREATE LANGUAGE"),
        (&["text"], "CREATE TEXT SEARCH"),
        (&["access"], "CREATE ACCESS METHOD"),
        (&["transform"], "CREATE TRANSFORM"),
    ] {
        if c.eat_kws(words) {
            return Err(SqlError::unsupported(what));
        }
    }
    Err(c.error())
}

pub(super) fn create_table(c: &mut Cursor<'_>) -> Result<Ddl> {
    let if_not_exists = if_not_exists(c);
    let name = c.name()?;
    if c.eat_kw("partition") {
        return Err(SqlError::unsupported("a partition of a table"));
    }
    if c.eat_kw("of") {
        return Err(SqlError::unsupported("a typed table"));
    }
    let mark = c.mark();
    // `CREATE TABLE name (a, b) AS …` names columns only.
    let mut columns = None;
    if c.is_punct(b'(') {
        if let Ok(names) = c.ident_list() {
            columns = Some(names);
        }
        if columns.is_none() || !(c.is_kw("as") || c.is_kw("with") || c.is_kw("using")) {
            columns = None;
            c.rewind(mark);
        }
    }
    if columns.is_some()
        || c.is_kw("as")
        || (!c.is_punct(b'(') && c.is_any_kw(&["with", "on", "tablespace", "using"]))
    {
        storage_options(c)?;
        c.expect_kw("as")?;
        let mark = c.mark();
        c.rest()?;
        let (query, with_data) = without_data(c.text_since(mark));
        return Ok(Ddl::CreateTableAs { name, if_not_exists, columns, query, with_data });
    }
    c.expect(b'(')?;
    let (mut elements, mut constraints) = (Vec::new(), Vec::new());
    while !c.is_punct(b')') {
        if c.eat_kw("like") {
            let source = c.name()?;
            elements.push(TableElement::Like(source, like_options(c)?));
        } else if is_table_constraint(c) {
            constraints.push(table_constraint(c)?);
        } else {
            elements.push(TableElement::Column(Box::new(column_spec(c)?)));
        }
        if !c.eat(b',') {
            break;
        }
        if c.is_punct(b')') {
            return Err(c.error());
        }
    }
    c.expect(b')')?;
    if c.eat_kw("inherits") {
        return Err(SqlError::unsupported("table inheritance"));
    }
    if c.eat_kw("partition") {
        return Err(SqlError::unsupported("a partitioned table"));
    }
    storage_options(c)?;
    Ok(Ddl::CreateTable(CreateTable { name, if_not_exists, elements, constraints }))
}

/// `WITH (fillfactor = …)`, `USING heap`, `TABLESPACE …`: accepted, there is nothing they would change.
pub(super) fn storage_options(c: &mut Cursor<'_>) -> Result<()> {
    loop {
        if c.is_kw("with") && c.is_punct_at(1, b'(') {
            c.advance();
            c.bracketed()?;
        } else if c.eat_kw("using") || c.eat_kw("tablespace") {
            c.ident()?;
        } else if c.eat_kws(&["without", "oids"]) {
        } else {
            return Ok(());
        }
    }
}

/// The query of CREATE TABLE AS without `WITH [NO] DATA`.
pub(super) fn without_data(text: &str) -> (String, bool) {
    let words: Vec<&str> = text.split_whitespace().rev().take(3).collect();
    let is = |i: usize, w: &str| words.get(i).is_some_and(|x| x.eq_ignore_ascii_case(w));
    let cut = |n: usize| {
        let mut rest = text.trim_end();
        for _ in 0..n {
            rest = rest.trim_end().trim_end_matches(|ch: char| !ch.is_whitespace());
        }
        rest.trim_end().to_owned()
    };
    if is(0, "data") && is(1, "no") && is(2, "with") {
        (cut(3), false)
    } else if is(0, "data") && is(1, "with") {
        (cut(2), true)
    } else {
        (text.to_owned(), true)
    }
}

pub(super) fn like_options(c: &mut Cursor<'_>) -> Result<LikeOptions> {
    let mut options = LikeOptions::default();
    loop {
        let on = if c.eat_kw("including") {
            true
        } else if c.eat_kw("excluding") {
            false
        } else {
            return Ok(options);
        };
        match c.label()?.as_str() {
            "all" => options = LikeOptions { defaults: on, constraints: on, indexes: on, identity: on },
            "defaults" => options.defaults = on,
            "constraints" => options.constraints = on,
            "indexes" => options.indexes = on,
            "identity" => options.identity = on,
            "comments" | "compression" | "generated" | "statistics" | "storage" => {}
            _ => return Err(c.error()),
        }
    }
}

pub(super) fn is_table_constraint(c: &Cursor<'_>) -> bool {
    c.is_any_kw(&["constraint", "check", "unique", "primary", "foreign", "exclude"])
}

pub(super) fn table_constraint(c: &mut Cursor<'_>) -> Result<Constraint> {
    let name = if c.eat_kw("constraint") { Some(c.ident()?) } else { None };
    let kind = if c.eat_kw("check") {
        ConstraintKind::Check(c.bracketed()?)
    } else if c.eat_kw("unique") {
        key_constraint(c, false)?
    } else if c.eat_kw("primary") {
        c.expect_kw("key")?;
        key_constraint(c, true)?
    } else if c.eat_kw("foreign") {
        c.expect_kw("key")?;
        let columns = c.ident_list()?;
        c.expect_kw("references")?;
        let spec = references(c, columns)?;
        return Ok(Constraint { name, kind: ConstraintKind::ForeignKey(spec) });
    } else if c.eat_kw("exclude") {
        return Err(SqlError::unsupported("an exclusion constraint"));
    } else {
        return Err(c.error());
    };
    constraint_attributes(c)?;
    Ok(Constraint { name, kind })
}

pub(super) fn key_constraint(c: &mut Cursor<'_>, primary: bool) -> Result<ConstraintKind> {
    if c.eat_kws(&["using", "index"]) {
        return Ok(ConstraintKind::UsingIndex { index: c.ident()?, primary });
    }
    if c.eat_kw("nulls") {
        return Err(SqlError::unsupported("UNIQUE NULLS NOT DISTINCT"));
    }
    let columns = c.ident_list()?;
    if c.eat_kw("include") {
        return Err(SqlError::unsupported("INCLUDE columns of an index"));
    }
    storage_options_of_index(c)?;
    Ok(if primary { ConstraintKind::PrimaryKey(columns) } else { ConstraintKind::Unique(columns) })
}

pub(super) fn storage_options_of_index(c: &mut Cursor<'_>) -> Result<()> {
    if c.eat_kw("with") {
        c.bracketed()?;
    }
    if c.eat_kws(&["using", "index", "tablespace"]) {
        c.ident()?;
    }
    Ok(())
}

/// What follows REFERENCES.
fn references(c: &mut Cursor<'_>, columns: Vec<String>) -> Result<ForeignKeySpec> {
    let table = c.name()?;
    let referenced = if c.is_punct(b'(') { Some(c.ident_list()?) } else { None };
    let mut spec = ForeignKeySpec {
        columns,
        table,
        referenced,
        match_full: false,
        on_update: KeyAction::NoAction,
        on_delete: KeyAction::NoAction,
        deferrable: false,
        deferred: false,
    };
    loop {
        if c.eat_kw("match") {
            if c.eat_kw("partial") {
                return Err(SqlError::unsupported("MATCH PARTIAL"));
            }
            spec.match_full = c.eat_kw("full");
            if !spec.match_full {
                c.expect_kw("simple")?;
            }
        } else if c.eat_kws(&["on", "delete"]) {
            spec.on_delete = key_action(c)?;
        } else if c.eat_kws(&["on", "update"]) {
            spec.on_update = key_action(c)?;
        } else if c.eat_kws(&["not", "deferrable"]) {
            spec.deferrable = false;
        } else if c.eat_kw("deferrable") {
            spec.deferrable = true;
        } else if c.eat_kws(&["initially", "deferred"]) {
            (spec.deferrable, spec.deferred) = (true, true);
        } else if c.eat_kws(&["initially", "immediate"]) {
            spec.deferred = false;
        } else {
            return Ok(spec);
        }
    }
}

fn key_action(c: &mut Cursor<'_>) -> Result<KeyAction> {
    for (words, action) in [
        (&["no", "action"][..], KeyAction::NoAction),
        (&["restrict"], KeyAction::Restrict),
        (&["cascade"], KeyAction::Cascade),
        (&["set", "null"], KeyAction::SetNull),
        (&["set", "default"], KeyAction::SetDefault),
    ] {
        if c.eat_kws(words) {
            if c.is_punct(b'(') {
                return Err(SqlError::unsupported("a column list of ON DELETE SET"));
            }
            return Ok(action);
        }
    }
    Err(c.error())
}

pub(super) fn constraint_attributes(c: &mut Cursor<'_>) -> Result<()> {
    loop {
        if c.eat_kw("deferrable") || c.eat_kws(&["initially", "deferred"]) {
            return Err(SqlError::unsupported("a deferrable constraint"));
        }
        if !c.eat_kws(&["not", "deferrable"])
            && !c.eat_kws(&["initially", "immediate"])
            && !c.eat_kws(&["no", "inherit"])
        {
            return Ok(());
        }
    }
}

pub(super) fn column_spec(c: &mut Cursor<'_>) -> Result<ColumnSpec> {
    let name = c.ident()?;
    let ty = declared_type(c)?;
    let mut spec = ColumnSpec {
        name: name.clone(),
        ty,
        not_null: None,
        default: None,
        identity: None,
        constraints: Vec::new(),
    };
    loop {
        let constraint = if c.eat_kw("constraint") { Some(c.ident()?) } else { None };
        if c.eat_kws(&["not", "null"]) {
            spec.not_null = Some(true);
        } else if c.eat_kw("null") {
            spec.not_null = Some(false);
        } else if c.eat_kw("default") {
            spec.default = Some(c.expression(COLUMN_WORDS)?);
        } else if c.eat_kw("check") {
            let kind = ConstraintKind::Check(c.bracketed()?);
            spec.constraints.push(Constraint { name: constraint, kind });
            constraint_attributes(c)?;
        } else if c.eat_kw("unique") {
            storage_options_of_index(c)?;
            spec.constraints
                .push(Constraint { name: constraint, kind: ConstraintKind::Unique(vec![name.clone()]) });
            constraint_attributes(c)?;
        } else if c.eat_kws(&["primary", "key"]) {
            storage_options_of_index(c)?;
            spec.constraints
                .push(Constraint { name: constraint, kind: ConstraintKind::PrimaryKey(vec![name.clone()]) });
            constraint_attributes(c)?;
        } else if c.eat_kw("references") {
            let references = references(c, vec![name.clone()])?;
            let kind = ConstraintKind::ForeignKey(references);
            spec.constraints.push(Constraint { name: constraint, kind });
        } else if c.eat_kw("generated") {
            let kind = if c.eat_kw("always") {
                'a'
            } else {
                c.expect_kw("by")?;
                c.expect_kw("default")?;
                'd'
            };
            c.expect_kw("as")?;
            if c.is_punct(b'(') {
                return Err(SqlError::unsupported("a generated column"));
            }
            c.expect_kw("identity")?;
            spec.identity = Some((kind, bracketed_sequence_options(c)?));
        } else if c.eat_kw("collate") {
            collation(c)?;
        } else if constraint.is_some() {
            return Err(c.error());
        } else {
            return Ok(spec);
        }
    }
}

/// Only the collation that everything has here.
pub(super) fn collation(c: &mut Cursor<'_>) -> Result<()> {
    let name = c.name()?;
    match name.name.as_str() {
        "C" | "POSIX" | "default" | "ucs_basic" => Ok(()),
        other => Err(SqlError::unsupported(format!("collation \"{other}\""))),
    }
}

pub(super) fn bracketed_sequence_options(c: &mut Cursor<'_>) -> Result<SequenceOptions> {
    if !c.eat(b'(') {
        return Ok(SequenceOptions::default());
    }
    let options = sequence_options(c)?;
    c.expect(b')')?;
    Ok(options)
}

pub(super) fn sequence_options(c: &mut Cursor<'_>) -> Result<SequenceOptions> {
    let mut o = SequenceOptions::default();
    loop {
        if c.eat_kw("as") {
            o.ty = Some(type_name(c)?.ty);
        } else if c.eat_kw("start") {
            c.eat_kw("with");
            o.start = Some(c.integer()?);
        } else if c.eat_kw("restart") {
            c.eat_kw("with");
            o.restart = Some(if c.kind() == Some(Kind::Number) || c.kind() == Some(Kind::Operator) {
                Some(c.integer()?)
            } else {
                None
            });
        } else if c.eat_kw("increment") {
            c.eat_kw("by");
            o.increment = Some(c.integer()?);
        } else if c.eat_kw("minvalue") {
            o.min = Some(Some(c.integer()?));
        } else if c.eat_kw("maxvalue") {
            o.max = Some(Some(c.integer()?));
        } else if c.eat_kws(&["no", "minvalue"]) {
            o.min = Some(None);
        } else if c.eat_kws(&["no", "maxvalue"]) {
            o.max = Some(None);
        } else if c.eat_kw("cache") {
            o.cache = Some(c.integer()?);
        } else if c.eat_kws(&["no", "cycle"]) {
            o.cycle = Some(false);
        } else if c.eat_kw("cycle") {
            o.cycle = Some(true);
        } else if c.eat_kws(&["sequence", "name"]) {
            c.name()?;
        } else if c.eat_kws(&["owned", "by"]) {
            o.owned_by = Some(if c.eat_kw("none") { None } else { Some(column_name(c)?) });
        } else {
            return Ok(o);
        }
    }
}

/// `[schema .] table . column`
pub(super) fn column_name(c: &mut Cursor<'_>) -> Result<(Name, String)> {
    let position = c.position();
    let mut parts = vec![c.ident()?];
    while c.eat(b'.') {
        parts.push(c.label()?);
    }
    let column = parts.pop().unwrap_or_default();
    let Some(name) = parts.pop() else {
        return Err(SqlError::syntax("invalid OWNED BY option")
            .with_hint("Specify OWNED BY table.column or OWNED BY NONE."));
    };
    Ok((Name { schema: parts.pop(), name, position }, column))
}

pub(super) fn create_index(c: &mut Cursor<'_>, unique: bool) -> Result<Ddl> {
    let concurrently = c.eat_kw("concurrently");
    let if_not_exists = if_not_exists(c);
    let name = if c.is_kw("on") { None } else { Some(c.ident()?) };
    c.expect_kw("on")?;
    c.eat_kw("only");
    let table = c.name()?;
    if c.eat_kw("using") {
        let method = c.ident()?;
        if !matches!(method.as_str(), "btree" | "hash") {
            return Err(SqlError::unsupported(format!("index access method \"{method}\"")));
        }
    }
    c.expect(b'(')?;
    let mut keys = Vec::new();
    loop {
        keys.push(index_key(c)?);
        if !c.eat(b',') {
            break;
        }
    }
    c.expect(b')')?;
    if c.eat_kw("include") {
        return Err(SqlError::unsupported("INCLUDE columns of an index"));
    }
    if c.eat_kw("nulls") {
        if c.eat_kw("not") {
            return Err(SqlError::unsupported("UNIQUE NULLS NOT DISTINCT"));
        }
        c.expect_kw("distinct")?;
    }
    if c.eat_kw("with") {
        c.bracketed()?;
    }
    if c.eat_kw("tablespace") {
        c.ident()?;
    }
    let predicate = if c.eat_kw("where") { Some(c.rest()?.to_owned()) } else { None };
    Ok(Ddl::CreateIndex(CreateIndex { name, table, unique, if_not_exists, concurrently, keys, predicate }))
}

pub(super) fn index_key(c: &mut Cursor<'_>) -> Result<IndexKeySpec> {
    let mut key = IndexKeySpec { column: None, expression: None, descending: false, nulls_first: false };
    if c.is_punct(b'(') {
        key.expression = Some(c.bracketed()?);
    } else {
        let mark = c.mark();
        let name = c.ident()?;
        if c.is_punct(b'(') || c.is_punct(b'.') {
            // A function call may stand without brackets around it.
            c.rewind(mark);
            while !c.is_punct(b'(') {
                c.advance();
                if c.at_end() {
                    return Err(c.error());
                }
            }
            c.bracketed()?;
            key.expression = Some(c.text_since(mark).to_owned());
        } else {
            key.column = Some(name);
        }
    }
    if c.eat_kw("collate") {
        collation(c)?;
    }
    // An operator class: all of a type's order by bytes here, text_pattern_ops too.
    if c.kind() == Some(Kind::Word) && !c.is_any_kw(&["asc", "desc", "nulls"]) {
        c.name()?;
    }
    if c.eat_kw("desc") {
        key.descending = true;
    } else {
        c.eat_kw("asc");
    }
    key.nulls_first = key.descending;
    if c.eat_kw("nulls") {
        key.nulls_first = if c.eat_kw("first") {
            true
        } else {
            c.expect_kw("last")?;
            false
        };
    }
    Ok(key)
}

/// `SELECT … INTO table FROM …` is CREATE TABLE AS of the same without INTO; none where there is no INTO at the top.
pub(crate) fn select_into(text: &str, tokens: &[Lexeme]) -> Result<Option<Utility>> {
    let mut depth = 0_i32;
    let mut found = None;
    for (i, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Punct(b'(') => depth += 1,
            Kind::Punct(b')') => depth -= 1,
            Kind::Word if depth == 0 => {
                let word = text.get(token.start..token.end).unwrap_or_default();
                // An alias or a column cannot be called INTO, it is reserved.
                if word.eq_ignore_ascii_case("into") {
                    found = Some(i);
                    break;
                }
                if ["from", "where", "union", "order", "limit"].iter().any(|w| word.eq_ignore_ascii_case(w)) {
                    break;
                }
            }
            _ => {}
        }
    }
    let Some(at) = found else { return Ok(None) };
    let mut c = Cursor::new(text, tokens);
    c.rewind(at + 1);
    for word in ["temp", "temporary"] {
        if c.is_kw(word) {
            return Err(SqlError::unsupported("a temporary relation"));
        }
    }
    c.eat_kw("unlogged");
    c.eat_kw("table");
    let name = c.name()?;
    let before = tokens.get(at).and_then(|t| text.get(..t.start)).unwrap_or_default();
    let after = if c.at_end() { "" } else { c.rest()? };
    let query = format!("{before}{after}");
    Ok(Some(Utility::Ddl(Box::new(Ddl::CreateTableAs {
        name,
        if_not_exists: false,
        columns: None,
        query,
        with_data: true,
    }))))
}
