//! Arrays, `int2vector`, `oidvector` and records: their text forms.

use super::{Array, Datum, Record, Type, io};
use crate::error::{Result, SqlError, sqlstate};
use crate::session::EvalSettings;
use std::sync::Arc;

/// PostgreSQL's MAXDIM.
pub const DIMENSIONS_MAX: usize = 6;

fn malformed(text: &str, detail: &str) -> SqlError {
    SqlError::new(sqlstate::INVALID_TEXT_REPRESENTATION, format!("malformed array literal: \"{text}\""))
        .with_detail(detail)
}

const MISMATCH: &str = "Multidimensional arrays must have sub-arrays with matching dimensions.";

impl Array {
    /// A one-dimensional array from 1 on; an empty one has no dimension.
    pub fn from_values(element: Type, values: Vec<Datum>) -> Self {
        let dims = if values.is_empty() { Vec::new() } else { vec![(values.len() as i32, 1)] };
        Self { element, dims, values }
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    element: Type,
    typmod: i32,
    settings: &'a EvalSettings,
    /// Length of each dimension, once known.
    lengths: Vec<Option<i32>>,
    values: Vec<Datum>,
}

impl Parser<'_> {
    fn fail<T>(&self, detail: &str) -> Result<T> {
        Err(malformed(self.text, detail))
    }
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
    fn advance(&mut self) {
        self.at = self.at.saturating_add(1);
    }
    fn space(&mut self) {
        while self.peek().is_some_and(|b| b.is_ascii_whitespace() || b == b'\x0b') {
            self.advance();
        }
    }
    /// Explicit dimensions: `[1:2][0:3]=`, as (length, lower bound).
    fn dimensions(&mut self) -> Result<Vec<(i32, i32)>> {
        let mut dims = Vec::new();
        loop {
            self.space();
            if self.peek() != Some(b'[') {
                break;
            }
            self.advance();
            let rest = self.text.get(self.at..).unwrap_or_default();
            let Some((inside, _)) = rest.split_once(']') else {
                return self.fail("Missing \"]\" in array dimensions.");
            };
            self.at = self.at.saturating_add(inside.len()).saturating_add(1);
            let (lower, upper) = inside.split_once(':').unwrap_or(("1", inside));
            let (Ok(lower), Ok(upper)) = (lower.trim().parse::<i32>(), upper.trim().parse::<i32>()) else {
                return self.fail("Missing array dimension value.");
            };
            let length = i64::from(upper) - i64::from(lower) + 1;
            if length < 1 {
                return Err(SqlError::new(
                    sqlstate::ARRAY_SUBSCRIPT_ERROR,
                    "upper bound cannot be less than lower bound",
                ));
            }
            let Ok(length) = i32::try_from(length) else {
                return Err(SqlError::new(
                    sqlstate::PROGRAM_LIMIT_EXCEEDED,
                    "array size exceeds the maximum allowed (134217727)",
                ));
            };
            dims.push((length, lower));
        }
        if !dims.is_empty() {
            if self.peek() != Some(b'=') {
                return self.fail("Missing \"=\" after array dimensions.");
            }
            self.advance();
            self.space();
        }
        Ok(dims)
    }
    /// `{…}`; `depth` is the dimension of its items.
    fn braces(&mut self, depth: usize) -> Result<()> {
        if depth >= DIMENSIONS_MAX {
            return Err(SqlError::new(
                sqlstate::PROGRAM_LIMIT_EXCEEDED,
                format!(
                    "number of array dimensions ({}) exceeds the maximum allowed ({DIMENSIONS_MAX})",
                    depth.saturating_add(1)
                ),
            ));
        }
        self.advance();
        if self.lengths.len() <= depth {
            if !self.values.is_empty() {
                return self.fail(MISMATCH);
            }
            self.lengths.push(None);
        }
        let mut count = 0i32;
        let mut nested = None;
        self.space();
        if self.peek() == Some(b'}') {
            if depth > 0 {
                return self.fail("Unexpected \"}\" character.");
            }
            self.advance();
        } else {
            loop {
                self.space();
                let is_nested = self.peek() == Some(b'{');
                if *nested.get_or_insert(is_nested) != is_nested {
                    return self.fail(if is_nested { "Unexpected \"{\" character." } else { MISMATCH });
                }
                if is_nested {
                    self.braces(depth.saturating_add(1))?;
                } else {
                    if self.lengths.len() > depth.saturating_add(1) {
                        return self.fail(MISMATCH);
                    }
                    self.item()?;
                }
                count = count.saturating_add(1);
                self.space();
                match self.peek() {
                    Some(b',') => self.advance(),
                    Some(b'}') => {
                        self.advance();
                        break;
                    }
                    None => return self.fail("Unexpected end of input."),
                    Some(_) => return self.fail("Unexpected array element."),
                }
            }
        }
        match self.lengths.get_mut(depth) {
            Some(Some(known)) if *known != count => self.fail(MISMATCH),
            Some(place) => {
                *place = Some(count);
                Ok(())
            }
            None => self.fail(MISMATCH),
        }
    }
    fn item(&mut self) -> Result<()> {
        let mut raw = Vec::new();
        // How much of `raw` trailing blanks must not be cut from.
        let mut keep = 0;
        let mut quoted = false;
        match self.peek() {
            Some(b'"') => {
                quoted = true;
                self.advance();
                loop {
                    match self.peek() {
                        None => return self.fail("Unexpected end of input."),
                        Some(b'"') => {
                            self.advance();
                            break;
                        }
                        Some(b'\\') => {
                            self.advance();
                            match self.peek() {
                                Some(b) => raw.push(b),
                                None => return self.fail("Unexpected end of input."),
                            }
                            self.advance();
                        }
                        Some(b) => {
                            raw.push(b);
                            self.advance();
                        }
                    }
                }
            }
            Some(b'}' | b',') => {
                let found = if self.peek() == Some(b',') { "," } else { "}" };
                return self.fail(&format!("Unexpected \"{found}\" character."));
            }
            _ => loop {
                match self.peek() {
                    None => return self.fail("Unexpected end of input."),
                    Some(b',' | b'}') => break,
                    Some(b'{') => return self.fail("Unexpected \"{\" character."),
                    Some(b'"') => return self.fail("Unexpected array element."),
                    Some(b'\\') => {
                        self.advance();
                        match self.peek() {
                            Some(b) => raw.push(b),
                            None => return self.fail("Unexpected end of input."),
                        }
                        keep = raw.len();
                        quoted = true;
                    }
                    Some(b) => raw.push(b),
                }
                self.advance();
            },
        }
        let mut text = String::from_utf8(raw).map_err(|_| malformed(self.text, "Invalid text."))?;
        if !quoted || keep > 0 {
            while text.len() > keep && text.ends_with(|c: char| c.is_ascii_whitespace()) {
                text.pop();
            }
        }
        self.values.push(if !quoted && text.eq_ignore_ascii_case("null") {
            Datum::Null
        } else {
            io::input(self.element, self.typmod, &text, self.settings)?
        });
        Ok(())
    }
}

/// Reads an array: `{1,2,{…}}`, `[0:1]={…}`.
pub fn parse(ty: Type, typmod: i32, text: &str, s: &EvalSettings) -> Result<Datum> {
    let element = ty.element().ok_or_else(|| io::invalid_syntax(ty, text))?;
    let mut parser =
        Parser { text, at: 0, element, typmod, settings: s, lengths: Vec::new(), values: Vec::new() };
    let explicit = parser.dimensions()?;
    parser.space();
    if parser.peek() != Some(b'{') {
        return parser.fail(if explicit.is_empty() {
            "Array value must start with \"{\" or dimension information."
        } else {
            "Array contents must start with \"{\"."
        });
    }
    parser.braces(0)?;
    parser.space();
    if parser.peek().is_some() {
        return parser.fail("Junk after closing right brace.");
    }
    let mut dims: Vec<(i32, i32)> = parser.lengths.iter().map(|l| (l.unwrap_or(0), 1)).collect();
    if !explicit.is_empty() {
        if explicit.len() != dims.len() || explicit.iter().zip(&dims).any(|(e, d)| e.0 != d.0) {
            return parser.fail("Specified array dimensions do not match array contents.");
        }
        dims = explicit;
    }
    if parser.values.is_empty() {
        dims.clear();
    }
    Ok(Datum::Array(Arc::new(Array { element, dims, values: parser.values })))
}

/// Reads an `int2vector` or `oidvector`: numbers with blanks between. Its lower bound is 0.
pub fn parse_vector(ty: Type, text: &str) -> Result<Datum> {
    let values = text.split_ascii_whitespace().map(|word| {
        if ty == Type::INT2VECTOR {
            io::parse_int(word, Type::INT2).map(Datum::Int2)
        } else {
            io::parse_int::<u32>(word, Type::OID).map(Datum::Oid)
        }
    });
    let values = values.collect::<Result<Vec<_>>>()?;
    let dims = vec![(values.len() as i32, 0)];
    let element = if ty == Type::INT2VECTOR { Type::INT2 } else { Type::OID };
    Ok(Datum::Array(Arc::new(Array { element, dims, values })))
}

/// Appends an `int2vector` or `oidvector`.
pub fn write_vector(array: &Array, s: &EvalSettings, out: &mut Vec<u8>) {
    for (i, value) in array.values.iter().enumerate() {
        if i > 0 {
            out.push(b' ');
        }
        io::output(value, array.element, -1, s, out);
    }
}

fn write_quoted(text: &[u8], double: bool, out: &mut Vec<u8>) {
    out.push(b'"');
    for b in text {
        if matches!(b, b'"' | b'\\') {
            out.push(if double { *b } else { b'\\' });
        }
        out.push(*b);
    }
    out.push(b'"');
}

fn is_space(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// Appends an array.
pub fn write(array: &Array, typmod: i32, s: &EvalSettings, out: &mut Vec<u8>) {
    if array.values.is_empty() {
        out.extend_from_slice(b"{}");
        return;
    }
    if array.dims.iter().any(|d| d.1 != 1) {
        for (length, lower) in &array.dims {
            let upper = i64::from(*lower) + i64::from(*length) - 1;
            out.extend_from_slice(format!("[{lower}:{upper}]").as_bytes());
        }
        out.push(b'=');
    }
    let lengths: Vec<usize> = array.dims.iter().map(|d| d.0.max(0) as usize).collect();
    let mut text = Vec::new();
    for (i, value) in array.values.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        // A brace opens for each dimension whose items are at their first.
        let mut block = 1usize;
        let mut braces = 0usize;
        for length in lengths.iter().rev() {
            block = block.saturating_mul(*length);
            braces = braces.saturating_add(usize::from(block > 0 && i % block == 0));
        }
        out.resize(out.len().saturating_add(braces), b'{');
        if value.is_null() {
            out.extend_from_slice(b"NULL");
        } else {
            text.clear();
            io::output(value, array.element, typmod, s, &mut text);
            let special = |b: &u8| matches!(b, b'"' | b'\\' | b'{' | b'}' | b',') || is_space(*b);
            if text.is_empty() || text.eq_ignore_ascii_case(b"null") || text.iter().any(special) {
                write_quoted(&text, false, out);
            } else {
                out.extend_from_slice(&text);
            }
        }
        let (mut block, mut braces) = (1usize, 0usize);
        for length in lengths.iter().rev() {
            block = block.saturating_mul(*length);
            braces = braces.saturating_add(usize::from(block > 0 && i.saturating_add(1) % block == 0));
        }
        out.resize(out.len().saturating_add(braces), b'}');
    }
}

/// Appends a record: `(1,"a b",)`.
pub fn write_record(record: &Record, s: &EvalSettings, out: &mut Vec<u8>) {
    out.push(b'(');
    let mut text = Vec::new();
    for (i, ((_, ty), value)) in record.fields.iter().zip(&record.values).enumerate() {
        if i > 0 {
            out.push(b',');
        }
        if value.is_null() {
            continue;
        }
        text.clear();
        io::output(value, *ty, -1, s, &mut text);
        let special = |b: &u8| matches!(b, b'"' | b'\\' | b'(' | b')' | b',') || is_space(*b);
        if text.is_empty() || text.iter().any(special) {
            write_quoted(&text, true, out);
        } else {
            out.extend_from_slice(&text);
        }
    }
    out.push(b')');
}
