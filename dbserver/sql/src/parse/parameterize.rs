//! Turns literals of one DML statement into parameters without parsing it, so that statements which differ only in values share a
//! plan. Whatever is doubtful stays a literal, or makes the whole statement stay as it is.
//!
//! Only literals behind WHERE, SET and VALUES are taken, next to operators, commas and plain parentheses: never those in a select
//! list, ORDER BY, LIMIT, function arguments, type modifiers, subscripts or typed literals, and nothing at all where there is a
//! subquery.

use super::lexer::{Kind, Lexeme, Lexer};
use crate::types::Type;
use std::borrow::Cow;

/// The most literals taken; statements with more are loads, whose plans are not worth sharing.
const LITERALS_MAX: usize = 32;
/// The longest statement looked at, in bytes.
const TEXT_BYTES_MAX: usize = 8192;

/// A literal that became a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Literal<'a> {
    /// `int4`, `int8` or `numeric` by its size, or `unknown` for a string, whose type the statement gives.
    pub ty: Type,
    /// Its value in text form.
    pub text: Cow<'a, str>,
}

/// A statement with parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameterized<'a> {
    /// Its text with `$1`, `$2`, … for the literals.
    pub text: String,
    /// The values, in order.
    pub literals: Vec<Literal<'a>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    /// Opens a region where literals may be taken, and may stand before a literal.
    Open,
    /// May stand before a literal.
    Before,
    /// Ends such a region.
    Close,
    /// Makes everything stay as it is.
    Refuse,
    /// Stands before a parenthesis without making it a call: IN, NOT.
    Plain,
    Other,
}

fn classify(word: &str) -> Word {
    let is = |keyword: &str| word.eq_ignore_ascii_case(keyword);
    match word.len() {
        2 if is("or") => Word::Before,
        2 if is("in") => Word::Plain,
        2 if is("on") => Word::Close,
        3 if is("set") => Word::Open,
        3 if is("and") => Word::Before,
        3 if is("not") => Word::Plain,
        3 if is("for") => Word::Close,
        4 if is("from") => Word::Close,
        4 if is("with") => Word::Refuse,
        5 if is("where") => Word::Open,
        5 if is("group") || is("order") || is("limit") || is("fetch") => Word::Close,
        5 if is("union") => Word::Refuse,
        6 if is("values") => Word::Open,
        6 if is("having") || is("offset") || is("window") => Word::Close,
        6 if is("select") || is("except") => Word::Refuse,
        7 if is("between") => Word::Before,
        9 if is("returning") => Word::Close,
        9 if is("intersect") => Word::Refuse,
        _ => Word::Other,
    }
}

/// The statement with its literals as parameters; none where there is nothing that can safely be taken.
pub fn parameterize(sql: &str) -> Option<Parameterized<'_>> {
    if sql.len() > TEXT_BYTES_MAX {
        return None;
    }
    let mut lexer = Lexer::new(sql);
    let first = lexer.next().ok()??;
    let verb = sql.get(first.start..first.end)?;
    if !["select", "insert", "update", "delete"].iter().any(|v| verb.eq_ignore_ascii_case(v)) {
        return None;
    }
    let mut out = String::with_capacity(sql.len());
    let mut copied = 0;
    let mut literals: Vec<Literal<'_>> = Vec::new();
    // Bit i says that the i-th open parenthesis is a plain one.
    let (mut open, mut depth) = (0_u64, 0_u32);
    let mut calls = 0_u32;
    let mut region = false;
    let mut may_follow = false; // the token before may stand before a literal
    let mut plain_next = false; // a parenthesis now would be plain
    let mut sign: Option<Lexeme> = None;
    let mut next = lexer.next().ok()?;
    while let Some(token) = next {
        let following = lexer.next().ok()?;
        next = following;
        let text = sql.get(token.start..token.end)?;
        let sign_before = sign.take();
        match token.kind {
            Kind::Word => {
                let word = classify(text);
                match word {
                    Word::Open if depth == 0 => region = true,
                    Word::Close if depth == 0 => region = false,
                    Word::Refuse => return None,
                    _ => {}
                }
                may_follow = matches!(word, Word::Open | Word::Before);
                plain_next = may_follow || word == Word::Plain;
                continue;
            }
            Kind::Punct(b'(') => {
                if depth >= 63 {
                    return None;
                }
                open = (open << 1) | u64::from(plain_next);
                depth += 1;
                calls += u32::from(!plain_next);
                may_follow = true;
                plain_next = true;
                continue;
            }
            Kind::Punct(b'[') => return None,
            Kind::Punct(b')') => {
                calls -= u32::from(depth > 0 && open & 1 == 0);
                open >>= 1;
                depth = depth.checked_sub(1)?;
                may_follow = false;
            }
            Kind::Punct(b',') => {
                may_follow = true;
                plain_next = true;
                continue;
            }
            Kind::Punct(b';') if following.is_some() => return None,
            Kind::Operator => {
                // A minus behind an operator, comma or parenthesis is the literal's sign.
                if text == "-" && may_follow {
                    sign = Some(token);
                } else if text.len() > 1 && !matches!(text, "<>" | "<=" | ">=" | "!=" | "||") {
                    may_follow = false;
                    plain_next = false;
                    continue;
                }
                may_follow = true;
                plain_next = true;
                continue;
            }
            Kind::Param | Kind::Other => return None,
            Kind::Number | Kind::Str if region && calls == 0 && may_follow && may_precede(sql, following) => {
                let literal = match token.kind {
                    Kind::Str if sign_before.is_some() => return None,
                    Kind::Str => string_literal(text),
                    _ => number_literal(sql, text, sign_before, token)?,
                };
                let start = sign_before.map_or(token.start, |s| s.start);
                literals.push(literal);
                if literals.len() > LITERALS_MAX {
                    return None;
                }
                out.push_str(sql.get(copied..start)?);
                out.push('$');
                let number = literals.len();
                if number >= 10 {
                    out.push(char::from_digit(u32::try_from(number / 10).ok()?, 10)?);
                }
                out.push(char::from_digit(u32::try_from(number % 10).ok()?, 10)?);
                copied = token.end;
                may_follow = false;
            }
            // Strings side by side are one string.
            Kind::Str if following.is_some_and(|f| f.kind == Kind::Str) => return None,
            _ => may_follow = false,
        }
        plain_next = false;
    }
    if literals.is_empty() || depth != 0 {
        return None;
    }
    out.push_str(sql.get(copied..)?);
    Some(Parameterized { text: out, literals })
}

/// Whether a literal may stand before this token.
fn may_precede(sql: &str, next: Option<Lexeme>) -> bool {
    let Some(next) = next else { return true };
    let text = sql.get(next.start..next.end).unwrap_or_default();
    match next.kind {
        Kind::Punct(b')' | b',' | b';') => true,
        Kind::Operator => {
            matches!(text, "=" | "<" | ">" | "<>" | "<=" | ">=" | "!=" | "+" | "-" | "*" | "/" | "%" | "||")
        }
        Kind::Word => matches!(classify(text), Word::Open | Word::Before | Word::Close | Word::Plain),
        _ => false,
    }
}

fn string_literal(text: &str) -> Literal<'_> {
    let inner = text.get(1..text.len().saturating_sub(1)).unwrap_or_default();
    let text = if inner.contains('\'') { Cow::Owned(inner.replace("''", "'")) } else { Cow::Borrowed(inner) };
    Literal { ty: Type::UNKNOWN, text }
}

fn number_literal<'a>(
    sql: &'a str,
    text: &'a str,
    sign: Option<Lexeme>,
    token: Lexeme,
) -> Option<Literal<'a>> {
    let text = match sign {
        Some(sign) if sign.end == token.start => Cow::Borrowed(sql.get(sign.start..token.end)?),
        Some(_) => Cow::Owned(format!("-{text}")),
        None => Cow::Borrowed(text),
    };
    let ty = if text.bytes().all(|b| b.is_ascii_digit() || b == b'-') {
        match text.parse::<i64>() {
            Ok(n) if i32::try_from(n).is_ok() => Type::INT4,
            Ok(_) => Type::INT8,
            Err(_) => Type::NUMERIC,
        }
    } else {
        Type::NUMERIC
    };
    Some(Literal { ty, text })
}
