//! A cursor over the tokens of one statement: what the recursive-descent parsers of utility and DDL statements stand on.

use crate::error::{Result, SqlError};
use crate::parse::lexer::{Kind, Lexeme, char_position};

/// Longest identifier in bytes (`NAMEDATALEN - 1`).
const NAME_BYTES_MAX: usize = 63;

/// PostgreSQL's reserved key words (manual, appendix C): no bare column or table can have such a name.
const RESERVED: &[&str] = &[
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "both",
    "case",
    "cast",
    "check",
    "collate",
    "column",
    "constraint",
    "create",
    "current_catalog",
    "current_date",
    "current_role",
    "current_time",
    "current_timestamp",
    "current_user",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "false",
    "fetch",
    "for",
    "foreign",
    "from",
    "grant",
    "group",
    "having",
    "in",
    "initially",
    "intersect",
    "into",
    "lateral",
    "leading",
    "limit",
    "localtime",
    "localtimestamp",
    "not",
    "null",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "placing",
    "primary",
    "references",
    "returning",
    "select",
    "session_user",
    "some",
    "symmetric",
    "table",
    "then",
    "to",
    "trailing",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "variadic",
    "when",
    "where",
    "window",
    "with",
];

/// Whether a bare identifier may not be this word (given in lower case).
pub(crate) fn is_reserved_word(word: &str) -> bool {
    RESERVED.contains(&word)
}

/// A name with an optional schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    pub schema: Option<String>,
    pub name: String,
    /// 1-based character position in the text, for errors.
    pub position: u32,
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// Tokens of one statement and where we are.
pub(crate) struct Cursor<'a> {
    pub sql: &'a str,
    tokens: &'a [Lexeme],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(sql: &'a str, tokens: &'a [Lexeme]) -> Self {
        Self { sql, tokens, at: 0 }
    }
    /// Where we are, for [`Cursor::rewind`] and [`Cursor::text_since`].
    pub(crate) fn mark(&self) -> usize {
        self.at
    }
    pub(crate) fn rewind(&mut self, mark: usize) {
        self.at = mark;
    }
    fn lexeme(&self, ahead: usize) -> Option<Lexeme> {
        self.tokens.get(self.at + ahead).copied()
    }
    pub(crate) fn text_of(&self, lexeme: Lexeme) -> &'a str {
        self.sql.get(lexeme.start..lexeme.end).unwrap_or_default()
    }
    pub(crate) fn at_end(&self) -> bool {
        self.at >= self.tokens.len()
    }
    pub(crate) fn kind(&self) -> Option<Kind> {
        self.lexeme(0).map(|l| l.kind)
    }
    /// The current token's text, empty at the end.
    pub(crate) fn peek_text(&self) -> &'a str {
        self.lexeme(0).map_or("", |l| self.text_of(l))
    }
    pub(crate) fn advance(&mut self) {
        self.at += 1;
    }
    /// Whether the token `ahead` is this key word (given in lower case).
    pub(crate) fn is_kw_at(&self, ahead: usize, word: &str) -> bool {
        self.lexeme(ahead).is_some_and(|l| l.kind == Kind::Word && self.text_of(l).eq_ignore_ascii_case(word))
    }
    pub(crate) fn is_kw(&self, word: &str) -> bool {
        self.is_kw_at(0, word)
    }
    pub(crate) fn is_any_kw(&self, words: &[&str]) -> bool {
        words.iter().any(|w| self.is_kw(w))
    }
    pub(crate) fn eat_kw(&mut self, word: &str) -> bool {
        let found = self.is_kw(word);
        self.at += usize::from(found);
        found
    }
    /// All of several key words in a row, or none.
    pub(crate) fn eat_kws(&mut self, words: &[&str]) -> bool {
        let found = words.iter().enumerate().all(|(i, w)| self.is_kw_at(i, w));
        if found {
            self.at += words.len();
        }
        found
    }
    pub(crate) fn expect_kw(&mut self, word: &str) -> Result<()> {
        if self.eat_kw(word) { Ok(()) } else { Err(self.error()) }
    }
    pub(crate) fn is_punct(&self, byte: u8) -> bool {
        self.kind() == Some(Kind::Punct(byte))
    }
    pub(crate) fn is_punct_at(&self, ahead: usize, byte: u8) -> bool {
        self.lexeme(ahead).is_some_and(|l| l.kind == Kind::Punct(byte))
    }
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        let found = self.is_punct(byte);
        self.at += usize::from(found);
        found
    }
    pub(crate) fn expect(&mut self, byte: u8) -> Result<()> {
        if self.eat(byte) { Ok(()) } else { Err(self.error()) }
    }
    pub(crate) fn eat_operator(&mut self, operator: &str) -> bool {
        let found = self.kind() == Some(Kind::Operator) && self.peek_text() == operator;
        self.at += usize::from(found);
        found
    }
    /// 1-based character position of the current token.
    pub(crate) fn position(&self) -> u32 {
        let byte = self.lexeme(0).map_or(self.sql.len(), |l| l.start);
        char_position(self.sql, byte)
    }
    /// 42601 at the current token.
    pub(crate) fn error(&self) -> SqlError {
        let message = match self.lexeme(0) {
            Some(l) => format!("syntax error at or near \"{}\"", self.text_of(l)),
            None => "syntax error at end of input".to_owned(),
        };
        SqlError::syntax(message).with_position(self.position())
    }
    /// The statement must end here.
    pub(crate) fn finish(&self) -> Result<()> {
        if self.at_end() { Ok(()) } else { Err(self.error()) }
    }
    fn quoted_identifier(&self, text: &str) -> Result<String> {
        let body = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text);
        if body.is_empty() {
            return Err(SqlError::syntax("zero-length delimited identifier at or near \"\"\"\"")
                .with_position(self.position()));
        }
        Ok(truncate(body.replace("\"\"", "\"")))
    }
    /// Any word or quoted identifier, reserved or not (after AS, in options).
    pub(crate) fn label(&mut self) -> Result<String> {
        let Some(l) = self.lexeme(0) else { return Err(self.error()) };
        let text = self.text_of(l);
        let name = match l.kind {
            Kind::Word => truncate(text.to_ascii_lowercase()),
            Kind::QuotedIdentifier if text.starts_with('"') => self.quoted_identifier(text)?,
            _ => return Err(self.error()),
        };
        self.at += 1;
        Ok(name)
    }
    /// An identifier that is not a reserved word.
    pub(crate) fn ident(&mut self) -> Result<String> {
        if self.kind() == Some(Kind::Word) && self.is_any_kw(RESERVED) {
            return Err(self.error());
        }
        self.label()
    }
    /// `[schema .] name`; a database name before it must be left out or is ignored as PostgreSQL does for the current one.
    pub(crate) fn name(&mut self) -> Result<Name> {
        let position = self.position();
        let mut parts = vec![self.ident()?];
        while self.eat(b'.') {
            parts.push(self.label()?);
        }
        if parts.len() > 3 {
            return Err(SqlError::syntax(format!(
                "improper qualified name (too many dotted names): {}",
                parts.join(".")
            )));
        }
        let name = parts.pop().unwrap_or_default();
        Ok(Name { schema: parts.pop(), name, position })
    }
    pub(crate) fn name_list(&mut self) -> Result<Vec<Name>> {
        let mut names = vec![self.name()?];
        while self.eat(b',') {
            names.push(self.name()?);
        }
        Ok(names)
    }
    /// `( ident, … )`
    pub(crate) fn ident_list(&mut self) -> Result<Vec<String>> {
        self.expect(b'(')?;
        let mut names = vec![self.ident()?];
        while self.eat(b',') {
            names.push(self.ident()?);
        }
        self.expect(b')')?;
        Ok(names)
    }
    /// A string literal's value; none where the token is not one.
    pub(crate) fn eat_string(&mut self) -> Result<Option<String>> {
        let Some(l) = self.lexeme(0) else { return Ok(None) };
        let Some(value) = string_value(self.text_of(l), l.kind) else { return Ok(None) };
        self.at += 1;
        Ok(Some(value))
    }
    pub(crate) fn string(&mut self) -> Result<String> {
        match self.eat_string()? {
            Some(s) => Ok(s),
            None => Err(self.error()),
        }
    }
    /// An optionally signed number as text.
    pub(crate) fn eat_number(&mut self) -> Option<String> {
        let mark = self.at;
        let sign = if self.eat_operator("-") {
            "-"
        } else {
            self.eat_operator("+");
            ""
        };
        let Some(l) = self.lexeme(0).filter(|l| l.kind == Kind::Number) else {
            self.at = mark;
            return None;
        };
        self.at += 1;
        Some(format!("{sign}{}", self.text_of(l)))
    }
    /// An optionally signed bigint.
    pub(crate) fn integer(&mut self) -> Result<i64> {
        let error = self.error();
        let text = self.eat_number().ok_or_else(|| error.clone())?;
        text.parse().map_err(|_| error)
    }
    /// The source text from a mark to here, without blanks around.
    pub(crate) fn text_since(&self, mark: usize) -> &'a str {
        let start = self.tokens.get(mark).map_or(self.sql.len(), |l| l.start);
        let end = self.at.checked_sub(1).and_then(|i| self.tokens.get(i)).map_or(start, |l| l.end);
        self.sql.get(start..end.max(start)).unwrap_or_default()
    }
    /// The rest of the statement as text.
    pub(crate) fn rest(&mut self) -> Result<&'a str> {
        if self.at_end() {
            return Err(self.error());
        }
        let mark = self.at;
        self.at = self.tokens.len();
        Ok(self.text_since(mark))
    }
    /// Skips an expression: at least one token, up to one of the key words, a comma or a closing bracket outside of brackets. Gives its text.
    pub(crate) fn expression(&mut self, stop: &[&str]) -> Result<String> {
        let mark = self.at;
        let mut depth = 0_usize;
        while let Some(l) = self.lexeme(0) {
            match l.kind {
                Kind::Punct(b'(' | b'[') => depth += 1,
                Kind::Punct(b')' | b']') if depth == 0 => break,
                Kind::Punct(b')' | b']') => depth -= 1,
                Kind::Punct(b',') if depth == 0 => break,
                Kind::Word if depth == 0 && self.at > mark && self.is_any_kw(stop) => break,
                _ => {}
            }
            self.at += 1;
        }
        if self.at == mark || depth > 0 {
            return Err(self.error());
        }
        Ok(self.text_since(mark).to_owned())
    }
    /// `( expression )`: its text without the brackets.
    pub(crate) fn bracketed(&mut self) -> Result<String> {
        self.expect(b'(')?;
        let mark = self.at;
        let mut depth = 0_usize;
        loop {
            match self.kind() {
                Some(Kind::Punct(b'(')) => depth += 1,
                Some(Kind::Punct(b')')) if depth == 0 => break,
                Some(Kind::Punct(b')')) => depth -= 1,
                Some(_) => {}
                None => return Err(self.error()),
            }
            self.at += 1;
        }
        if self.at == mark {
            return Err(self.error());
        }
        let text = self.text_since(mark).to_owned();
        self.at += 1;
        Ok(text)
    }
}

fn truncate(mut name: String) -> String {
    if name.len() > NAME_BYTES_MAX {
        let end = (0..=NAME_BYTES_MAX).rev().find(|i| name.is_char_boundary(*i)).unwrap_or(0);
        name.truncate(end);
    }
    name
}

/// The value of a string token; none for other tokens.
fn string_value(text: &str, kind: Kind) -> Option<String> {
    match kind {
        Kind::Str => Some(text.strip_prefix('\'')?.strip_suffix('\'')?.replace("''", "'")),
        Kind::DollarStr => {
            let tag = text.find('$').and_then(|a| text.get(a + 1..)?.find('$').map(|b| a + b + 2))?;
            text.get(tag..text.len().checked_sub(tag)?).map(str::to_owned)
        }
        Kind::PrefixedStr => {
            let body = text.get(1..)?.strip_prefix('\'')?.strip_suffix('\'')?;
            match text.chars().next()?.to_ascii_lowercase() {
                'e' => Some(unescape(&body.replace("''", "'"))),
                'n' => Some(body.replace("''", "'")),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Up to `most` digits as a character code.
fn code(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, radix: u32, most: usize) -> Option<char> {
    let mut value = 0_u32;
    for _ in 0..most {
        let Some(digit) = chars.peek().and_then(|c| c.to_digit(radix)) else { break };
        value = value.wrapping_mul(radix).wrapping_add(digit);
        chars.next();
    }
    char::from_u32(value)
}

/// Backslash escapes of `E'…'`.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.peek().copied() {
            Some('0'..='7') => out.extend(code(&mut chars, 8, 3)),
            Some(escape) => {
                chars.next();
                match escape {
                    'x' => out.extend(code(&mut chars, 16, 2)),
                    'u' => out.extend(code(&mut chars, 16, 4)),
                    'U' => out.extend(code(&mut chars, 16, 8)),
                    'b' => out.push('\u{8}'),
                    'f' => out.push('\u{c}'),
                    'n' => out.push('\n'),
                    'r' => out.push('\r'),
                    't' => out.push('\t'),
                    other => out.push(other),
                }
            }
            None => {}
        }
    }
    out
}
