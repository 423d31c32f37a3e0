//! PostgreSQL's lexical rules (manual, section 4.1), without building anything: kinds and byte ranges.
//!
//! It finds where statements end, how deep they nest, which literals may become parameters, and reads utility statements.
//! It goes over each byte once.

use crate::error::{Result, SqlError};

/// What a token is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// A word: keyword or plain identifier.
    Word,
    /// `"…"` or `U&"…"`.
    QuotedIdentifier,
    /// An integer or decimal number.
    Number,
    /// `'…'`
    Str,
    /// `E'…'`, `B'…'`, `X'…'`, `N'…'`, `U&'…'`
    PrefixedStr,
    /// `$tag$…$tag$`
    DollarStr,
    /// `$1`
    Param,
    /// One or more operator characters, `::`, `:=`.
    Operator,
    /// One of `( ) [ ] , ; . :`
    Punct(u8),
    /// A byte that starts nothing.
    Other,
}

/// A token: its kind and where it is, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lexeme {
    pub kind: Kind,
    pub start: usize,
    pub end: usize,
}

/// Iterates over the tokens of a text; comments and blanks are skipped.
pub(crate) struct Lexer<'a> {
    sql: &'a str,
    at: usize,
}

fn is_operator(byte: u8) -> bool {
    matches!(
        byte,
        b'+' | b'-'
            | b'*'
            | b'/'
            | b'<'
            | b'>'
            | b'='
            | b'~'
            | b'!'
            | b'@'
            | b'#'
            | b'%'
            | b'^'
            | b'&'
            | b'|'
            | b'`'
            | b'?'
    )
}

pub(crate) fn is_word_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn is_word_part(byte: u8) -> bool {
    is_word_start(byte) || byte.is_ascii_digit() || byte == b'$'
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(sql: &'a str) -> Self {
        Self { sql, at: 0 }
    }
    fn peek(&self, ahead: usize) -> u8 {
        self.sql.as_bytes().get(self.at + ahead).copied().unwrap_or(0)
    }
    fn take_while(&mut self, test: impl Fn(u8) -> bool) {
        let rest = self.sql.as_bytes().get(self.at..).unwrap_or_default();
        self.at += rest.iter().position(|b| !test(*b)).unwrap_or(rest.len());
    }
    fn error(&self, what: &str, start: usize) -> SqlError {
        let near = self.sql.get(start..).unwrap_or_default();
        SqlError::syntax(format!("{what} at or near \"{near}\""))
            .with_position(char_position(self.sql, start))
    }
    fn skip_blanks(&mut self) -> Result<()> {
        loop {
            self.take_while(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c));
            match (self.peek(0), self.peek(1)) {
                (b'-', b'-') => self.take_while(|b| b != b'\n' && b != b'\r'),
                (b'/', b'*') => {
                    let start = self.at;
                    self.at += 2;
                    let mut depth = 1_usize;
                    while depth > 0 {
                        match (self.peek(0), self.peek(1)) {
                            (b'/', b'*') => {
                                depth += 1;
                                self.at += 2;
                            }
                            (b'*', b'/') => {
                                depth -= 1;
                                self.at += 2;
                            }
                            _ if self.at >= self.sql.len() => {
                                return Err(self.error("unterminated /* comment", start));
                            }
                            _ => self.at += 1,
                        }
                    }
                }
                _ => return Ok(()),
            }
        }
    }
    /// Reads to the closing `quote` (doubled ones are part of it).
    fn quoted(&mut self, start: usize, quote: u8, backslash: bool, what: &str) -> Result<()> {
        self.at += 1;
        loop {
            self.take_while(|b| b != quote && !(backslash && b == b'\\'));
            if self.at >= self.sql.len() {
                return Err(self.error(what, start));
            }
            if self.peek(0) == b'\\' && backslash {
                self.at = (self.at + 2).min(self.sql.len());
            } else if self.peek(1) == quote {
                self.at += 2;
            } else {
                self.at += 1;
                return Ok(());
            }
        }
    }
    fn word_or_prefixed(&mut self, start: usize) -> Result<Kind> {
        let (first, second, third) = (self.peek(0).to_ascii_lowercase(), self.peek(1), self.peek(2));
        match (first, second, third) {
            (b'e' | b'b' | b'x' | b'n', b'\'', _) => {
                self.at += 1;
                self.quoted(start, b'\'', first == b'e', "unterminated quoted string")?;
                return Ok(Kind::PrefixedStr);
            }
            (b'u', b'&', b'\'') => {
                self.at += 2;
                self.quoted(start, b'\'', false, "unterminated quoted string")?;
                return Ok(Kind::PrefixedStr);
            }
            (b'u', b'&', b'"') => {
                self.at += 2;
                self.quoted(start, b'"', false, "unterminated quoted identifier")?;
                return Ok(Kind::QuotedIdentifier);
            }
            _ => {}
        }
        self.take_while(is_word_part);
        Ok(Kind::Word)
    }
    fn number(&mut self) {
        self.take_while(|b| b.is_ascii_digit());
        // `1..2` is a range of something else; a single dot is a decimal point.
        if self.peek(0) == b'.' && self.peek(1) != b'.' {
            self.at += 1;
            self.take_while(|b| b.is_ascii_digit());
        }
        if matches!(self.peek(0), b'e' | b'E')
            && (self.peek(1).is_ascii_digit()
                || (matches!(self.peek(1), b'+' | b'-') && self.peek(2).is_ascii_digit()))
        {
            self.at += 2;
            self.take_while(|b| b.is_ascii_digit());
        }
    }
    fn dollar(&mut self, start: usize) -> Result<Kind> {
        if self.peek(1).is_ascii_digit() {
            self.at += 1;
            self.take_while(|b| b.is_ascii_digit());
            return Ok(Kind::Param);
        }
        self.at += 1;
        self.take_while(|b| is_word_start(b) || b.is_ascii_digit());
        if self.peek(0) != b'$' {
            self.at = start + 1;
            return Ok(Kind::Other);
        }
        self.at += 1;
        let tag = self.sql.get(start..self.at).unwrap_or_default();
        match self.sql.get(self.at..).and_then(|rest| rest.find(tag)) {
            Some(found) => {
                self.at += found + tag.len();
                Ok(Kind::DollarStr)
            }
            None => Err(self.error("unterminated dollar-quoted string", start)),
        }
    }
    fn operator(&mut self) {
        loop {
            // A comment ends an operator.
            match (self.peek(0), self.peek(1)) {
                (b'-', b'-') | (b'/', b'*') => return,
                (b, _) if is_operator(b) => self.at += 1,
                _ => return,
            }
        }
    }
    /// The next token; none at the end. 42601 for an unterminated string or comment.
    pub(crate) fn next(&mut self) -> Result<Option<Lexeme>> {
        self.skip_blanks()?;
        let start = self.at;
        if start >= self.sql.len() {
            return Ok(None);
        }
        let first = self.peek(0);
        let kind = match first {
            b'\'' => {
                self.quoted(start, b'\'', false, "unterminated quoted string")?;
                Kind::Str
            }
            b'"' => {
                self.quoted(start, b'"', false, "unterminated quoted identifier")?;
                Kind::QuotedIdentifier
            }
            b'$' => self.dollar(start)?,
            b'0'..=b'9' => {
                self.number();
                Kind::Number
            }
            b'.' if self.peek(1).is_ascii_digit() => {
                self.number();
                Kind::Number
            }
            b':' if matches!(self.peek(1), b':' | b'=') => {
                self.at += 2;
                Kind::Operator
            }
            b'(' | b')' | b'[' | b']' | b',' | b';' | b'.' | b':' => {
                self.at += 1;
                Kind::Punct(first)
            }
            _ if is_word_start(first) => self.word_or_prefixed(start)?,
            _ if is_operator(first) => {
                self.operator();
                Kind::Operator
            }
            _ => {
                self.at += 1;
                Kind::Other
            }
        };
        Ok(Some(Lexeme { kind, start, end: self.at }))
    }
}

/// 1-based character position of a byte offset.
pub(crate) fn char_position(sql: &str, byte: usize) -> u32 {
    let before = sql.as_bytes().get(..byte).unwrap_or_default();
    // Count what starts a character.
    let chars = before.iter().filter(|b| (**b as i8) >= -0x40).count();
    u32::try_from(chars + 1).unwrap_or(u32::MAX)
}
