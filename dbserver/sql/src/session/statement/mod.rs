//! Statements as the session tells them apart: queries, which the binder and planner take, and everything else, which is
//! parsed here by recursive descent. Expressions and queries inside of utility and DDL statements stay text: that is
//! what the catalog stores and the binder takes.

mod copy;
mod create;
pub(crate) mod cursor;
mod ddl;
mod definition;
mod type_name;
mod utility;

pub(crate) use copy::{ColumnSet, CopyFormat, CopyOptions, CopySource, CopyStatement, Header};
pub(crate) use cursor::Name;
pub(crate) use ddl::*;
pub(crate) use utility::*;

use crate::error::{Result, SqlError};
use crate::parse::lexer::{Kind, Lexeme, Lexer, char_position};
use crate::session::client::{StatementInfo, StatementKind};
use cursor::Cursor;
use std::sync::Arc;

/// One statement of a text.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    /// Its own text, without the semicolon.
    pub text: Arc<str>,
    /// Characters before it in the whole text, to place errors.
    pub offset: u32,
    /// A semicolon follows.
    pub terminated: bool,
    /// What it is.
    pub body: Body,
}

/// What a statement is.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    /// SELECT, INSERT, UPDATE, DELETE, VALUES, TABLE, WITH: for the binder.
    Query(StatementKind),
    /// Everything else.
    Utility(Arc<Utility>),
}

impl Statement {
    /// Kind and limits.
    pub(crate) fn info(&self) -> StatementInfo {
        match &self.body {
            Body::Query(kind) => StatementInfo { kind: *kind, bulk: false, counts_rows: true },
            Body::Utility(utility) => utility.info(),
        }
    }
    /// Moves an error's position from this statement to the whole text.
    pub(crate) fn place(&self, error: SqlError) -> SqlError {
        let error = match error.fields() {
            fields if self.terminated && fields.message == "syntax error at end of input" => {
                let end = u32::try_from(self.text.chars().count()).unwrap_or(u32::MAX);
                SqlError::syntax("syntax error at or near \";\"").with_position(end.saturating_add(1))
            }
            _ => error,
        };
        match error.fields().position {
            0 => error,
            position => error.with_position(position + self.offset),
        }
    }
}

/// Splits a text at its top-level semicolons and parses each statement that is not a query. Empty statements are left out.
pub(crate) fn split(sql: &str) -> Result<Vec<Statement>> {
    let mut lexer = Lexer::new(sql);
    let mut statements = Vec::new();
    let mut tokens: Vec<Lexeme> = Vec::new();
    loop {
        let next = lexer.next()?;
        match next {
            Some(l) if l.kind != Kind::Punct(b';') => tokens.push(l),
            _ => {
                if let (Some(first), Some(last)) = (tokens.first(), tokens.last()) {
                    let start = first.start;
                    let text = sql.get(start..last.end).unwrap_or_default();
                    for t in &mut tokens {
                        t.start -= start;
                        t.end -= start;
                    }
                    let offset = char_position(sql, start) - 1;
                    let body_of = Body::Query(StatementKind::Select);
                    let mut statement =
                        Statement { text: text.into(), offset, terminated: next.is_some(), body: body_of };
                    statement.body = body(text, &tokens).map_err(|e| statement.place(e))?;
                    statements.push(statement);
                    tokens.clear();
                }
                if next.is_none() {
                    return Ok(statements);
                }
            }
        }
    }
}

fn body(text: &str, tokens: &[Lexeme]) -> Result<Body> {
    let mut cursor = Cursor::new(text, tokens);
    let query = |kind| Ok(Body::Query(kind));
    if cursor.is_punct(b'(') || cursor.is_any_kw(&["values", "table"]) {
        return query(StatementKind::Select);
    }
    if cursor.is_kw("select") {
        return match create::select_into(text, tokens)? {
            Some(utility) => Ok(Body::Utility(Arc::new(utility))),
            None => query(StatementKind::Select),
        };
    }
    if cursor.is_kw("with") {
        return query(with_kind(tokens, &cursor));
    }
    for (word, kind) in [
        ("insert", StatementKind::Insert),
        ("update", StatementKind::Update),
        ("delete", StatementKind::Delete),
    ] {
        if cursor.is_kw(word) {
            return query(kind);
        }
    }
    Ok(Body::Utility(Arc::new(utility::parse(&mut cursor)?)))
}

/// The kind of a WITH statement: its first top-level verb.
fn with_kind(tokens: &[Lexeme], cursor: &Cursor<'_>) -> StatementKind {
    let mut depth = 0_i32;
    for token in tokens {
        match token.kind {
            Kind::Punct(b'(') => depth += 1,
            Kind::Punct(b')') => depth -= 1,
            Kind::Word if depth == 0 => {
                let word = cursor.text_of(*token);
                for (verb, kind) in [
                    ("select", StatementKind::Select),
                    ("insert", StatementKind::Insert),
                    ("update", StatementKind::Update),
                    ("delete", StatementKind::Delete),
                ] {
                    if word.eq_ignore_ascii_case(verb) {
                        return kind;
                    }
                }
            }
            _ => {}
        }
    }
    StatementKind::Select
}
