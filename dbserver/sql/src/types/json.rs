//! JSON as text: `json` is checked and kept as it came, `jsonb` is written anew: keys sorted (by length, then
//! bytes) and once each (the last wins), numbers as numerics, one space after `:` and `,`.

use super::Numeric;
use crate::error::{Result, SqlError, sqlstate};
use std::fmt::Write;

/// Deepest nesting.
const DEPTH_MAX: u32 = 1000;

/// A JSON value with numbers kept exactly.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// Any number.
    Number(Numeric),
    /// A string, unescaped.
    String(String),
    /// An array.
    Array(Vec<Json>),
    /// An object, in `jsonb`'s order of keys.
    Object(Vec<(String, Json)>),
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    /// For `jsonb`, which cannot hold NUL.
    binary: bool,
}

impl<'a> Parser<'a> {
    fn error(&self, detail: impl Into<String>) -> SqlError {
        // PostgreSQL names `json` for both types.
        SqlError::new(sqlstate::INVALID_TEXT_REPRESENTATION, "invalid input syntax for type json")
            .with_detail(detail)
    }
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at = self.at.saturating_add(1);
        }
    }
    fn unexpected(&self, expected: &str) -> SqlError {
        let rest = self.rest();
        if rest.is_empty() {
            return self.error("The input string ended unexpectedly.");
        }
        let word = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-' || c == '.'));
        let length = match word {
            Some(0) => rest.chars().next().map_or(0, char::len_utf8),
            Some(n) => n,
            None => rest.len(),
        };
        let token = rest.get(..length).unwrap_or_default();
        let known = matches!(token, "true" | "false" | "null" | "{" | "}" | "[" | "]" | "," | ":" | "\"")
            || token.parse::<f64>().is_ok();
        if known {
            self.error(format!("Expected {expected}, but found \"{token}\"."))
        } else {
            self.error(format!("Token \"{token}\" is invalid."))
        }
    }
    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.at = self.at.saturating_add(1);
        }
        found
    }
    fn value(&mut self, depth: u32) -> Result<Json> {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(SqlError::new(sqlstate::STATEMENT_TOO_COMPLEX, "stack depth limit exceeded"));
        };
        self.space();
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => Ok(Json::String(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => {
                for (word, value) in
                    [("true", Json::Bool(true)), ("false", Json::Bool(false)), ("null", Json::Null)]
                {
                    let Some(rest) = self.rest().strip_prefix(word) else { continue };
                    if !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_') {
                        self.at = self.at.saturating_add(word.len());
                        return Ok(value);
                    }
                }
                Err(self.unexpected("JSON value"))
            }
        }
    }
    fn array(&mut self, depth: u32) -> Result<Json> {
        self.eat(b'[');
        let mut items = Vec::new();
        self.space();
        if self.eat(b']') {
            return Ok(Json::Array(items));
        }
        loop {
            items.push(self.value(depth)?);
            self.space();
            if self.eat(b']') {
                return Ok(Json::Array(items));
            }
            if !self.eat(b',') {
                return Err(self.unexpected("\",\" or \"]\""));
            }
        }
    }
    fn object(&mut self, depth: u32) -> Result<Json> {
        self.eat(b'{');
        let mut fields = Vec::new();
        self.space();
        if self.eat(b'}') {
            return Ok(Json::Object(fields));
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(self.unexpected(if fields.is_empty() { "string or \"}\"" } else { "string" }));
            }
            let key = self.string()?;
            self.space();
            if !self.eat(b':') {
                return Err(self.unexpected("\":\""));
            }
            fields.push((key, self.value(depth)?));
            self.space();
            if self.eat(b'}') {
                return Ok(Json::object(fields));
            }
            if !self.eat(b',') {
                return Err(self.unexpected("\",\" or \"}\""));
            }
        }
    }
    fn number(&mut self) -> Result<Json> {
        let rest = self.rest();
        let end = rest
            .find(|c: char| !(c.is_alphanumeric() || matches!(c, '+' | '-' | '.' | '_')))
            .unwrap_or(rest.len());
        let token = rest.get(..end).unwrap_or_default();
        let (mantissa, exponent) = token.split_once(['e', 'E']).map_or((token, None), |(m, e)| (m, Some(e)));
        let unsigned = mantissa.strip_prefix('-').unwrap_or(mantissa);
        let (integer, fraction) = unsigned.split_once('.').map_or((unsigned, None), |(i, f)| (i, Some(f)));
        let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        let ok = digits(integer)
            && (integer.len() == 1 || !integer.starts_with('0'))
            && fraction.is_none_or(digits)
            && exponent.is_none_or(|e| digits(e.strip_prefix(['+', '-']).unwrap_or(e)));
        if !ok {
            return Err(self.error(format!("Token \"{token}\" is invalid.")));
        }
        self.at = self.at.saturating_add(end);
        Numeric::input(token).map(Json::Number)
    }
    fn hex4(&mut self) -> Result<u32> {
        let digits = self.rest().get(..4).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        let value = digits.and_then(|d| u32::from_str_radix(d, 16).ok());
        self.at = self.at.saturating_add(4);
        value.ok_or_else(|| self.error("\"\\u\" must be followed by four hexadecimal digits."))
    }
    fn string(&mut self) -> Result<String> {
        self.eat(b'"');
        let mut out = String::new();
        loop {
            let rest = self.rest();
            let Some(end) = rest.bytes().position(|b| b == b'"' || b == b'\\' || b < 0x20) else {
                return Err(self.error(format!("Token \"\"{rest}\" is invalid.")));
            };
            out.push_str(rest.get(..end).unwrap_or_default());
            self.at = self.at.saturating_add(end);
            match self.peek() {
                Some(b'"') => {
                    self.at = self.at.saturating_add(1);
                    return Ok(out);
                }
                Some(b'\\') => {
                    self.at = self.at.saturating_add(1);
                    self.escape(&mut out)?;
                }
                Some(byte) => {
                    return Err(self.error(format!("Character with value 0x{byte:02x} must be escaped.")));
                }
                None => return Err(self.error("The input string ended unexpectedly.")),
            }
        }
    }
    fn escape(&mut self, out: &mut String) -> Result<()> {
        let Some(c) = self.rest().chars().next() else {
            return Err(self.error("The input string ended unexpectedly."));
        };
        self.at = self.at.saturating_add(c.len_utf8());
        out.push(match c {
            '"' | '\\' | '/' => c,
            'b' => '\x08',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let first = self.hex4()?;
                let code = if (0xd800..0xdc00).contains(&first) {
                    if !(self.eat(b'\\') && self.eat(b'u')) {
                        return Err(self.error("Unicode low surrogate must follow a high surrogate."));
                    }
                    let second = self.hex4()?;
                    if !(0xdc00..0xe000).contains(&second) {
                        return Err(self.error("Unicode low surrogate must follow a high surrogate."));
                    }
                    0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
                } else {
                    first
                };
                if code == 0 && self.binary {
                    return Err(SqlError::new(
                        sqlstate::UNTRANSLATABLE_CHARACTER,
                        "unsupported Unicode escape sequence",
                    )
                    .with_detail("\\u0000 cannot be converted to text."));
                }
                char::from_u32(code)
                    .ok_or_else(|| self.error("Unicode low surrogate must follow a high surrogate."))?
            }
            other => return Err(self.error(format!("Escape sequence \"\\{other}\" is invalid."))),
        });
        Ok(())
    }
}

fn parse(text: &str, binary: bool) -> Result<Json> {
    let mut parser = Parser { text, at: 0, binary };
    let value = parser.value(DEPTH_MAX)?;
    parser.space();
    if parser.at < text.len() { Err(parser.unexpected("end of input")) } else { Ok(value) }
}

/// Checks a `json` text: 22P02.
pub fn check(text: &str) -> Result<()> {
    parse(text, false).map(drop)
}

/// The `jsonb` form of a text: 22P02.
pub fn normalize(text: &str) -> Result<String> {
    Ok(parse(text, true)?.to_string())
}

/// Writes a JSON string with its quotes.
pub fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if (c as u32) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

impl Json {
    /// Reads JSON or `jsonb` text: 22P02.
    pub fn parse(text: &str) -> Result<Self> {
        parse(text, false)
    }
    /// An object with `jsonb`'s order of keys; of equal keys the last is kept.
    pub fn object(mut fields: Vec<(String, Json)>) -> Self {
        // Stable, so that of equal keys the last comes last.
        fields.sort_by(|a, b| a.0.len().cmp(&b.0.len()).then_with(|| a.0.cmp(&b.0)));
        let mut kept: Vec<(String, Json)> = Vec::with_capacity(fields.len());
        for field in fields {
            match kept.last_mut() {
                Some(last) if last.0 == field.0 => *last = field,
                _ => kept.push(field),
            }
        }
        Json::Object(kept)
    }
    fn write(&self, out: &mut String) {
        match self {
            Json::Null => out.push_str("null"),
            Json::Bool(true) => out.push_str("true"),
            Json::Bool(false) => out.push_str("false"),
            Json::Number(n) => {
                let _ = write!(out, "{n}");
            }
            Json::String(s) => write_string(s, out),
            Json::Array(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.push_str(", ");
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Json::Object(fields) => {
                out.push('{');
                for (i, (key, value)) in fields.iter().enumerate() {
                    if i > 0 {
                        out.push_str(", ");
                    }
                    write_string(key, out);
                    out.push_str(": ");
                    value.write(out);
                }
                out.push('}');
            }
        }
    }
}

impl std::fmt::Display for Json {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = String::new();
        self.write(&mut out);
        f.write_str(&out)
    }
}
