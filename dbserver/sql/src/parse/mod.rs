//! From text to syntax trees.
//!
//! A query string is cut into statements by our own [`lexer`], which also bounds how deep a statement may nest. Queries
//! go to `sqlparser`, after [`rewrite`] has put into its words what it does not know. Errors have PostgreSQL's texts and
//! positions. Definitions and utility statements are read by the session from the same tokens.

pub(crate) mod lexer;
mod parameterize;
mod rewrite;
mod statement;

pub(crate) use lexer::char_position;
pub use parameterize::{Literal, Parameterized, parameterize};
pub(crate) use rewrite::ROWS_FROM;
pub use statement::{ParsedStatement, Statement};

use crate::error::{Result, SqlError, sqlstate};
use lexer::{Kind, Lexeme, Lexer};
use sqlparser::ast;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

/// How deep a statement may nest: parentheses, brackets, CASE, and operators that lean on one another.
const DEPTH_MAX: usize = 500;
/// How many ANDs, ORs or set operations may follow one another. They are flattened when bound, but the parser's tree leans to the left.
const CHAIN_MAX: usize = 4000;
/// The message for a text that ends too early.
const AT_END: &str = "syntax error at end of input";
/// The longest query string, in bytes.
const TEXT_BYTES_MAX: usize = 256 << 20;

/// The error of a statement that nests too deep.
pub(crate) fn too_deep() -> SqlError {
    SqlError::new(sqlstate::STATEMENT_TOO_COMPLEX, "stack depth limit exceeded")
        .with_hint("Write the query with fewer nested expressions or shorter chains of operators.")
}

/// Parses a query string. No statements for an empty one (or one of comments and semicolons).
///
/// # Errors
/// 42601 with position for a syntax error anywhere, 54001 for a statement that nests too deep.
pub fn parse(sql: &str) -> Result<Vec<ParsedStatement>> {
    if sql.len() > TEXT_BYTES_MAX {
        return Err(SqlError::new(sqlstate::PROGRAM_LIMIT_EXCEEDED, "query string is too long"));
    }
    let mut statements = Vec::new();
    let mut lexer = Lexer::new(sql);
    let mut tokens: Vec<Lexeme> = Vec::new();
    loop {
        let token = lexer.next()?;
        match token {
            Some(token) if token.kind != Kind::Punct(b';') => tokens.push(token),
            end => {
                if !tokens.is_empty() {
                    let statement = parse_tokens(sql, &tokens).map_err(|e| match end {
                        // A statement that ends too early ends at its semicolon.
                        Some(semicolon) if e.fields().message == AT_END => {
                            SqlError::syntax("syntax error at or near \";\"")
                                .with_position(char_position(sql, semicolon.start))
                        }
                        _ => e,
                    })?;
                    statements.push(statement);
                    tokens.clear();
                }
                if end.is_none() {
                    return Ok(statements);
                }
            }
        }
    }
}

/// Parses an expression that stands alone: a default, a check, an index key.
///
/// # Errors
/// 42601, 54001.
pub fn parse_expression(sql: &str) -> Result<ast::Expr> {
    let tokens = lex(sql)?;
    check_depth(sql, &tokens)?;
    let text = rewrite::rewrite(sql, &tokens);
    let mut parser = parser(&text, sql, 0)?;
    let expr = parser.parse_expr().map_err(|e| syntax_error(&e, sql, 0))?;
    expect_end(&mut parser, sql, 0)?;
    Ok(expr)
}

/// Parses a type name such as `numeric(10,2)` or `int4[]`.
///
/// # Errors
/// 42601.
pub fn parse_type(sql: &str) -> Result<ast::DataType> {
    check_depth(sql, &lex(sql)?)?;
    let mut parser = parser(sql, sql, 0)?;
    let ty = parser.parse_data_type().map_err(|e| syntax_error(&e, sql, 0))?;
    expect_end(&mut parser, sql, 0)?;
    Ok(ty)
}

fn lex(sql: &str) -> Result<Vec<Lexeme>> {
    let mut lexer = Lexer::new(sql);
    let mut tokens = Vec::new();
    while let Some(token) = lexer.next()? {
        tokens.push(token);
    }
    Ok(tokens)
}

/// Parses the statement of `tokens`, which are a range of `sql`'s.
fn parse_tokens(sql: &str, tokens: &[Lexeme]) -> Result<ParsedStatement> {
    let (Some(first), Some(last)) = (tokens.first(), tokens.last()) else {
        return Err(SqlError::internal("a statement of no tokens"));
    };
    let text = sql.get(first.start..last.end).unwrap_or_default();
    let offset = char_position(sql, first.start).saturating_sub(1);
    check_depth(sql, tokens)?;
    // Token offsets of this statement alone, so that a rewrite and the parser see only its text.
    let local: Vec<Lexeme> = tokens
        .iter()
        .map(|t| Lexeme { kind: t.kind, start: t.start - first.start, end: t.end - first.start })
        .collect();
    let rewritten = rewrite::rewrite(text, &local);
    let mut parser = parser(&rewritten, text, offset)?;
    let statement = parser.parse_statement().map_err(|e| syntax_error(&e, text, offset))?;
    expect_end(&mut parser, text, offset)?;
    let statement = match statement {
        ast::Statement::Query(_)
        | ast::Statement::Insert(_)
        | ast::Statement::Update(_)
        | ast::Statement::Delete(_) => Statement::Query(Box::new(statement)),
        other => Statement::Other(Box::new(other)),
    };
    Ok(ParsedStatement { statement, text: text.to_owned(), offset })
}

fn parser(text: &str, original: &str, offset: u32) -> Result<Parser<'static>> {
    static DIALECT: PostgreSqlDialect = PostgreSqlDialect {};
    Parser::new(&DIALECT)
        .with_recursion_limit(DEPTH_MAX * 4)
        .try_with_sql(text)
        .map_err(|e| syntax_error(&e, original, offset))
}

fn expect_end(parser: &mut Parser<'_>, text: &str, offset: u32) -> Result<()> {
    let next = parser.next_token();
    match next.token {
        Token::EOF => Ok(()),
        _ => Err(error_at(text, offset, next.span.start.line, next.span.start.column)),
    }
}

/// `syntax error at or near "x"` from the parser's message, which ends in ` at Line: L, Column: C`.
fn syntax_error(error: &ParserError, text: &str, offset: u32) -> SqlError {
    let message = match error {
        ParserError::RecursionLimitExceeded => return too_deep(),
        ParserError::ParserError(m) | ParserError::TokenizerError(m) => m,
    };
    let location = message.rsplit_once(" at Line: ").and_then(|(_, place)| {
        let (line, column) = place.split_once(", Column: ")?;
        Some((line.parse::<u64>().ok()?, column.parse::<u64>().ok()?))
    });
    match location {
        Some((line, column)) => error_at(text, offset, line, column),
        // Only messages about the end of the text have no place.
        None if message.contains("found: EOF") => {
            let end = u32::try_from(text.chars().count() + 1).unwrap_or(u32::MAX);
            SqlError::syntax(AT_END).with_position(offset.saturating_add(end))
        }
        None => SqlError::syntax(format!("syntax error: {message}")),
    }
}

/// The byte offset of a line and column (1-based, in characters).
fn byte_at(text: &str, line: u64, column: u64) -> usize {
    let mut start = 0;
    for _ in 1..line {
        match text.get(start..).and_then(|rest| rest.find('\n')) {
            Some(found) => start += found + 1,
            None => break,
        }
    }
    let rest = text.get(start..).unwrap_or_default();
    let skip = usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX);
    start + rest.char_indices().nth(skip).map_or(rest.len(), |(at, _)| at)
}

fn error_at(text: &str, offset: u32, line: u64, column: u64) -> SqlError {
    syntax_error_at_byte(text, offset, byte_at(text, line, column))
}

fn syntax_error_at_byte(text: &str, offset: u32, byte: usize) -> SqlError {
    let mut near = None;
    let mut lexer = Lexer::new(text);
    while let Ok(Some(token)) = lexer.next() {
        if token.end > byte {
            near = text.get(token.start..token.end).map(|t| (t, token.start));
            break;
        }
    }
    match near {
        Some((token, start)) => SqlError::syntax(format!("syntax error at or near \"{token}\""))
            .with_position(offset.saturating_add(char_position(text, start))),
        None => {
            SqlError::syntax(AT_END).with_position(offset.saturating_add(char_position(text, text.len())))
        }
    }
}

/// Refuses what would need a deep stack, before any recursion: for each open parenthesis (or bracket, or CASE), one level and the
/// operators that have followed one another in it.
fn check_depth(sql: &str, tokens: &[Lexeme]) -> Result<()> {
    struct Level {
        operators: usize,
        chain: usize,
        case: bool,
    }
    let mut levels = vec![Level { operators: 0, chain: 0, case: false }];
    let mut open = 0_usize;
    for token in tokens {
        let word = match token.kind {
            Kind::Word => sql.get(token.start..token.end).unwrap_or_default(),
            _ => "",
        };
        let is = |keyword: &str| word.eq_ignore_ascii_case(keyword);
        let Some(level) = levels.last_mut() else { break };
        match token.kind {
            Kind::Punct(b'(' | b'[') => {
                open += level.operators + 1;
                level.operators += 1;
                let operators = level.operators;
                levels.push(Level { operators: 0, chain: 0, case: false });
                if open > DEPTH_MAX || operators > DEPTH_MAX {
                    return Err(too_deep());
                }
            }
            Kind::Punct(b')' | b']') => {
                // A CASE without END is a syntax error that the parser will find.
                while levels.len() > 1 {
                    let closed = levels.pop().is_some_and(|l| l.case);
                    if let Some(outer) = levels.last() {
                        open = open.saturating_sub(outer.operators);
                    }
                    if !closed {
                        break;
                    }
                }
            }
            Kind::Punct(b',') => level.operators = 0,
            Kind::Operator => level.operators += 1,
            Kind::Word if is("and") || is("or") || is("union") || is("intersect") || is("except") => {
                level.chain += 1;
                level.operators = 0;
                if level.chain > CHAIN_MAX {
                    return Err(too_deep());
                }
            }
            Kind::Word if is("case") => {
                open += level.operators + 1;
                level.operators += 1;
                levels.push(Level { operators: 0, chain: 0, case: true });
            }
            Kind::Word if is("end") && level.case => {
                levels.pop();
                if let Some(outer) = levels.last() {
                    open = open.saturating_sub(outer.operators);
                }
            }
            Kind::Word
                if is("select")
                    || is("where")
                    || is("from")
                    || is("when")
                    || is("then")
                    || is("else")
                    || is("values") =>
            {
                level.operators = 0;
                level.chain = 0;
            }
            Kind::Word
                if is("not")
                    || is("is")
                    || is("join")
                    || is("like")
                    || is("between")
                    || is("at")
                    || is("collate")
                    || is("isnull")
                    || is("notnull") =>
            {
                level.operators += 1;
            }
            _ => {}
        }
        if open + levels.last().map_or(0, |l| l.operators) > DEPTH_MAX {
            return Err(too_deep());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
