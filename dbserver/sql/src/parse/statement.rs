//! What a statement is once parsed.

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
    /// Anything else.
    Other(Box<ast::Statement>),
}
