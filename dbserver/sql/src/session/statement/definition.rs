//! Reading data definition statements: which one it is; DROP, TRUNCATE, COMMENT, ALTER.

use super::create::{
    bracketed_sequence_options, collation, column_name, column_spec, create, is_table_constraint,
    sequence_options, table_constraint,
};
use super::cursor::Cursor;
use super::ddl::*;
use super::type_name::type_name;
use crate::error::{Result, SqlError};
use crate::parse::lexer::Kind;

/// Parses a DDL statement; none where the verb is not one of DDL.
pub(crate) fn parse(c: &mut Cursor<'_>, verb: &str) -> Result<Option<Ddl>> {
    match verb {
        "create" => {
            c.advance();
            create(c).map(Some)
        }
        "drop" => {
            c.advance();
            drop(c).map(Some)
        }
        "alter" => {
            c.advance();
            alter(c).map(Some)
        }
        "truncate" => {
            c.advance();
            truncate(c).map(Some)
        }
        "comment" => {
            c.advance();
            comment(c).map(Some)
        }
        _ => Ok(None),
    }
}

pub(super) fn if_not_exists(c: &mut Cursor<'_>) -> bool {
    c.eat_kws(&["if", "not", "exists"])
}

pub(super) fn if_exists(c: &mut Cursor<'_>) -> bool {
    c.eat_kws(&["if", "exists"])
}

fn object_kind(c: &mut Cursor<'_>) -> Option<DropKind> {
    for (word, kind) in [
        ("table", DropKind::Table),
        ("index", DropKind::Index),
        ("sequence", DropKind::Sequence),
        ("view", DropKind::View),
        ("schema", DropKind::Schema),
    ] {
        if c.eat_kw(word) {
            return Some(kind);
        }
    }
    None
}

fn cascade(c: &mut Cursor<'_>) -> bool {
    let cascade = c.eat_kw("cascade");
    if !cascade {
        c.eat_kw("restrict");
    }
    cascade
}

fn other_object(c: &Cursor<'_>, verb: &str) -> SqlError {
    match c.kind() {
        Some(Kind::Word) => SqlError::unsupported(format!("{verb} {}", c.peek_text().to_ascii_uppercase())),
        _ => c.error(),
    }
}

fn drop(c: &mut Cursor<'_>) -> Result<Ddl> {
    let Some(kind) = object_kind(c) else {
        return Err(other_object(c, "DROP"));
    };
    if kind == DropKind::Index {
        c.eat_kw("concurrently");
    }
    let if_exists = if_exists(c);
    let names = c.name_list()?;
    Ok(Ddl::Drop { kind, names, if_exists, cascade: cascade(c) })
}

fn truncate(c: &mut Cursor<'_>) -> Result<Ddl> {
    c.eat_kw("table");
    c.eat_kw("only");
    let mut tables = vec![c.name()?];
    c.eat_operator("*");
    while c.eat(b',') {
        c.eat_kw("only");
        tables.push(c.name()?);
        c.eat_operator("*");
    }
    let restart = c.eat_kws(&["restart", "identity"]);
    c.eat_kws(&["continue", "identity"]);
    Ok(Ddl::Truncate { tables, restart, cascade: cascade(c) })
}

fn comment(c: &mut Cursor<'_>) -> Result<Ddl> {
    c.expect_kw("on")?;
    let on = if c.eat_kw("column") {
        let (table, column) = column_name(c)?;
        CommentOn::Column(table, column)
    } else if c.is_kw("schema") {
        c.advance();
        c.ident()?;
        CommentOn::Other
    } else if let Some(kind) = object_kind(c) {
        CommentOn::Relation(kind, c.name()?)
    } else if c.eat_kw("database") || c.eat_kw("extension") {
        c.ident()?;
        CommentOn::Other
    } else if c.eat_kw("constraint") {
        c.ident()?;
        c.expect_kw("on")?;
        c.name()?;
        CommentOn::Other
    } else {
        return Err(other_object(c, "COMMENT ON"));
    };
    c.expect_kw("is")?;
    let text = if c.eat_kw("null") { None } else { Some(c.string()?) };
    Ok(Ddl::Comment { on, text })
}

fn alter(c: &mut Cursor<'_>) -> Result<Ddl> {
    let Some(kind) = object_kind(c) else { return Err(other_object(c, "ALTER")) };
    let if_exists = if_exists(c);
    if kind == DropKind::Table {
        c.eat_kw("only");
    }
    let name = c.name()?;
    c.eat_operator("*");
    if c.eat_kw("rename") {
        let action = rename(c, kind)?;
        return Ok(Ddl::Alter { kind, name, if_exists, actions: vec![action] });
    }
    if kind == DropKind::Sequence && !c.is_kw("owner") && !c.is_kw("set") {
        return Ok(Ddl::AlterSequence { name, if_exists, options: sequence_options(c)? });
    }
    let mut actions = Vec::new();
    loop {
        actions.push(alter_action(c)?);
        if !c.eat(b',') {
            break;
        }
    }
    Ok(Ddl::Alter { kind, name, if_exists, actions })
}

fn rename(c: &mut Cursor<'_>, kind: DropKind) -> Result<AlterAction> {
    if c.eat_kw("to") {
        return Ok(AlterAction::RenameTo(c.ident()?));
    }
    if kind == DropKind::Table && c.eat_kw("constraint") {
        let from = c.ident()?;
        c.expect_kw("to")?;
        return Ok(AlterAction::RenameConstraint { from, to: c.ident()? });
    }
    c.eat_kw("column");
    let from = c.ident()?;
    c.expect_kw("to")?;
    Ok(AlterAction::RenameColumn { from, to: c.ident()? })
}

fn alter_action(c: &mut Cursor<'_>) -> Result<AlterAction> {
    if c.eat_kw("add") {
        if is_table_constraint(c) {
            let constraint = table_constraint(c)?;
            let not_valid = c.eat_kws(&["not", "valid"]);
            return Ok(AlterAction::AddConstraint { constraint, not_valid });
        }
        c.eat_kw("column");
        let if_not_exists = if_not_exists(c);
        return Ok(AlterAction::AddColumn { column: Box::new(column_spec(c)?), if_not_exists });
    }
    if c.eat_kw("drop") {
        if c.eat_kw("constraint") {
            let if_exists = if_exists(c);
            let name = c.ident()?;
            return Ok(AlterAction::DropConstraint { name, if_exists, cascade: cascade(c) });
        }
        c.eat_kw("column");
        let if_exists = if_exists(c);
        let name = c.ident()?;
        return Ok(AlterAction::DropColumn { name, if_exists, cascade: cascade(c) });
    }
    if c.eat_kw("alter") {
        c.eat_kw("column");
        return alter_column(c);
    }
    if c.eat_kws(&["validate", "constraint"]) {
        return Ok(AlterAction::ValidateConstraint(c.ident()?));
    }
    if c.eat_kws(&["owner", "to"]) {
        c.label()?;
        return Ok(AlterAction::Nothing);
    }
    if c.eat_kw("set") {
        if c.eat_kw("schema") {
            return Ok(AlterAction::SetSchema(c.ident()?));
        }
        if c.is_punct(b'(') {
            c.bracketed()?;
            return Ok(AlterAction::Nothing);
        }
        for words in [&["logged"][..], &["unlogged"], &["without", "cluster"], &["without", "oids"]] {
            if c.eat_kws(words) {
                return Ok(AlterAction::Nothing);
            }
        }
        if c.eat_kw("tablespace") || c.eat_kws(&["access", "method"]) {
            c.ident()?;
            return Ok(AlterAction::Nothing);
        }
        return Err(c.error());
    }
    if c.eat_kw("reset") {
        c.bracketed()?;
        return Ok(AlterAction::Nothing);
    }
    if c.eat_kws(&["cluster", "on"]) {
        c.ident()?;
        return Ok(AlterAction::Nothing);
    }
    if c.eat_kws(&["replica", "identity"]) {
        while !c.at_end() && !c.is_punct(b',') {
            c.advance();
        }
        return Ok(AlterAction::Nothing);
    }
    for (words, what) in [
        (&["enable"][..], "ALTER TABLE ENABLE"),
        (&["disable"], "ALTER TABLE DISABLE"),
        (&["force"], "row-level security"),
        (&["no", "force"], "row-level security"),
        (&["inherit"], "table inheritance"),
        (&["no", "inherit"], "table inheritance"),
        (&["attach"], "a partitioned table"),
        (&["detach"], "a partitioned table"),
    ] {
        if c.eat_kws(words) {
            return Err(SqlError::unsupported(what));
        }
    }
    Err(c.error())
}

fn alter_column(c: &mut Cursor<'_>) -> Result<AlterAction> {
    let column = c.ident()?;
    if c.eat_kw("type") || c.eat_kws(&["set", "data", "type"]) {
        let ty = type_name(c)?;
        if c.eat_kw("collate") {
            collation(c)?;
        }
        let using = if c.eat_kw("using") { Some(c.expression(&[])?) } else { None };
        return Ok(AlterAction::SetType { column, ty, using });
    }
    if c.eat_kws(&["set", "default"]) {
        return Ok(AlterAction::SetDefault { column, default: Some(c.expression(&[])?) });
    }
    if c.eat_kws(&["drop", "default"]) {
        return Ok(AlterAction::SetDefault { column, default: None });
    }
    if c.eat_kws(&["set", "not", "null"]) {
        return Ok(AlterAction::SetNotNull { column, not_null: true });
    }
    if c.eat_kws(&["drop", "not", "null"]) {
        return Ok(AlterAction::SetNotNull { column, not_null: false });
    }
    if c.eat_kws(&["drop", "identity"]) {
        return Ok(AlterAction::DropIdentity { column, if_exists: if_exists(c) });
    }
    if c.eat_kws(&["drop", "expression"]) {
        return Err(SqlError::unsupported("a generated column"));
    }
    if c.eat_kws(&["add", "generated"]) {
        let kind = identity_kind(c)?;
        c.expect_kw("as")?;
        c.expect_kw("identity")?;
        return Ok(AlterAction::AddIdentity { column, kind, options: bracketed_sequence_options(c)? });
    }
    if c.eat_kws(&["set", "generated"]) {
        let kind = Some(identity_kind(c)?);
        return Ok(AlterAction::SetIdentity { column, kind, options: SequenceOptions::default() });
    }
    if c.is_kw("restart") || (c.is_kw("set") && c.is_kw_at(1, "increment")) {
        c.eat_kw("set");
        return Ok(AlterAction::SetIdentity { column, kind: None, options: sequence_options(c)? });
    }
    if c.eat_kws(&["set", "statistics"]) {
        c.integer()?;
        return Ok(AlterAction::Nothing);
    }
    if c.eat_kws(&["set", "storage"]) || c.eat_kws(&["set", "compression"]) {
        c.label()?;
        return Ok(AlterAction::Nothing);
    }
    if c.is_kw("set") || c.is_kw("reset") {
        c.advance();
        if c.is_punct(b'(') {
            c.bracketed()?;
            return Ok(AlterAction::Nothing);
        }
    }
    Err(c.error())
}

fn identity_kind(c: &mut Cursor<'_>) -> Result<char> {
    if c.eat_kw("always") {
        return Ok('a');
    }
    c.expect_kw("by")?;
    c.expect_kw("default")?;
    Ok('d')
}
