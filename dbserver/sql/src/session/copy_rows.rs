//! Lines of COPY's text and CSV formats, cut into fields. (PostgreSQL manual, COPY, "File Formats".)

use crate::error::{Result, SqlError, sqlstate};
use crate::session::statement::CopyOptions;

/// The fields of one line: slices of the line where nothing had to be unescaped, else of a scratch buffer.
#[derive(Default)]
pub(crate) struct Fields {
    spans: Vec<Span>,
    scratch: Vec<u8>,
}

#[derive(Clone, Copy)]
struct Span {
    start: usize,
    end: usize,
    kind: SpanKind,
    quoted: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum SpanKind {
    Line,
    Scratch,
    Null,
}

impl Fields {
    pub(crate) fn len(&self) -> usize {
        self.spans.len()
    }
    /// A field's bytes; none for null.
    pub(crate) fn get<'a>(&'a self, index: usize, line: &'a [u8]) -> Option<&'a [u8]> {
        let span = self.spans.get(index)?;
        match span.kind {
            SpanKind::Line => line.get(span.start..span.end),
            SpanKind::Scratch => self.scratch.get(span.start..span.end),
            SpanKind::Null => None,
        }
    }
    /// Whether the field stood in quotes.
    pub(crate) fn quoted(&self, index: usize) -> bool {
        self.spans.get(index).is_some_and(|s| s.quoted)
    }
    fn clear(&mut self) {
        self.spans.clear();
        self.scratch.clear();
    }
    fn push(&mut self, start: usize, end: usize, kind: SpanKind, quoted: bool) {
        self.spans.push(Span { start, end, kind, quoted });
    }
}

/// Cuts a line of the text format. A field that reads as `null` before unescaping is null.
pub(crate) fn split_text(line: &[u8], delimiter: u8, null: &[u8], fields: &mut Fields) -> Result<()> {
    fields.clear();
    let mut start = 0;
    let mut at = 0;
    let mut escapes = false;
    loop {
        match line.get(at) {
            Some(b'\\') => {
                escapes = true;
                at = (at + 2).min(line.len());
            }
            Some(byte) if *byte != delimiter => at += 1,
            found => {
                let raw = line.get(start..at).unwrap_or_default();
                if raw == null {
                    fields.push(0, 0, SpanKind::Null, false);
                } else if escapes {
                    let from = fields.scratch.len();
                    unescape(raw, &mut fields.scratch);
                    let to = fields.scratch.len();
                    fields.push(from, to, SpanKind::Scratch, false);
                } else {
                    fields.push(start, at, SpanKind::Line, false);
                }
                if found.is_none() {
                    return Ok(());
                }
                at += 1;
                start = at;
                escapes = false;
            }
        }
    }
}

/// Backslash sequences of the text format.
fn unescape(raw: &[u8], out: &mut Vec<u8>) {
    let mut bytes = raw.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let Some(escape) = bytes.next() else {
            out.push(b'\\');
            return;
        };
        out.push(match escape {
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 11,
            b'0'..=b'7' => {
                let mut value = u32::from(escape - b'0');
                for _ in 0..2 {
                    let Some(digit) = bytes.peek().filter(|b| (b'0'..=b'7').contains(*b)) else { break };
                    value = value * 8 + u32::from(*digit - b'0');
                    bytes.next();
                }
                (value & 0xff) as u8
            }
            b'x' => {
                let mut value = None;
                for _ in 0..2 {
                    let Some(digit) = bytes.peek().and_then(|b| char::from(*b).to_digit(16)) else { break };
                    value = Some(value.unwrap_or(0) * 16 + digit);
                    bytes.next();
                }
                match value {
                    Some(value) => (value & 0xff) as u8,
                    None => b'x',
                }
            }
            other => other,
        });
    }
}

/// Where the first row of CSV data ends: the newline outside of quotes. None where it has not come yet.
pub(crate) fn csv_row_end(data: &[u8], quote: u8, escape: u8) -> Option<usize> {
    let mut quoted = false;
    let mut at = 0;
    loop {
        let byte = *data.get(at)?;
        if quoted && byte == escape && escape != quote {
            // An escape hides a quote or another escape.
            if data.get(at + 1).is_none_or(|next| *next == quote || *next == escape) {
                at += 2;
                continue;
            }
        }
        if byte == quote {
            quoted = !quoted;
        } else if byte == b'\n' && !quoted {
            return Some(at);
        }
        at += 1;
    }
}

/// Cuts a row of CSV. An unquoted field that reads as the null string is null.
pub(crate) fn split_csv(line: &[u8], options: &CopyOptions, fields: &mut Fields) -> Result<()> {
    fields.clear();
    let (delimiter, quote, escape) = (options.delimiter, options.quote, options.escape);
    let null = options.null.as_bytes();
    let mut at = 0;
    loop {
        let start = at;
        // Without a quote the field is a slice of the line.
        while line.get(at).is_some_and(|b| *b != delimiter && *b != quote) {
            at += 1;
        }
        if line.get(at) != Some(&quote) {
            let raw = line.get(start..at).unwrap_or_default();
            if raw == null {
                fields.push(0, 0, SpanKind::Null, false);
            } else {
                fields.push(start, at, SpanKind::Line, false);
            }
        } else {
            let from = fields.scratch.len();
            fields.scratch.extend_from_slice(line.get(start..at).unwrap_or_default());
            let mut quoted = false;
            while let Some(byte) = line.get(at).copied() {
                let next = line.get(at + 1).copied();
                if quoted {
                    if byte == escape && next.is_some_and(|n| n == quote || n == escape) {
                        fields.scratch.extend(next);
                        at += 2;
                        continue;
                    }
                    if byte == quote {
                        quoted = false;
                    } else {
                        fields.scratch.push(byte);
                    }
                } else if byte == quote {
                    quoted = true;
                } else if byte == delimiter {
                    break;
                } else {
                    fields.scratch.push(byte);
                }
                at += 1;
            }
            if quoted {
                return Err(SqlError::new(sqlstate::BAD_COPY_FILE_FORMAT, "unterminated CSV quoted field"));
            }
            let to = fields.scratch.len();
            fields.push(from, to, SpanKind::Scratch, true);
        }
        if at >= line.len() {
            return Ok(());
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::statement::{CopyFormat, Header};

    fn collect(fields: &Fields, line: &[u8]) -> Vec<Option<String>> {
        (0..fields.len())
            .map(|i| fields.get(i, line).map(|b| String::from_utf8_lossy(b).into_owned()))
            .collect()
    }

    fn some(values: &[Option<&str>]) -> Vec<Option<String>> {
        values.iter().map(|v| v.map(str::to_owned)).collect()
    }

    #[test]
    fn text_fields_are_unescaped_and_nulls_found_before() {
        let mut fields = Fields::default();
        for (line, expected) in [
            ("a\tb", vec![Some("a"), Some("b")]),
            ("\\N\t\\\\N", vec![None, Some("\\N")]),
            ("", vec![Some("")]),
            ("a\\tb\\\tc\t\\x41\\101\\q", vec![Some("a\tb\tc"), Some("AAq")]),
        ] {
            split_text(line.as_bytes(), b'\t', b"\\N", &mut fields).unwrap();
            assert_eq!(collect(&fields, line.as_bytes()), some(&expected), "{line:?}");
        }
    }

    fn csv() -> CopyOptions {
        CopyOptions {
            format: CopyFormat::Csv,
            delimiter: b',',
            null: String::new(),
            header: Header::No,
            quote: b'"',
            escape: b'"',
            force_quote: None,
            force_not_null: Vec::new(),
            force_null: Vec::new(),
        }
    }

    #[test]
    fn csv_fields_may_be_quoted_in_part() {
        let mut fields = Fields::default();
        for (line, expected) in [
            ("a,b", vec![Some("a"), Some("b")]),
            (",\"\"", vec![None, Some("")]),
            ("\"a,\"\"b\"\"\",c", vec![Some("a,\"b\""), Some("c")]),
            ("x\"y,z\"w", vec![Some("xy,zw")]),
            ("a,", vec![Some("a"), None]),
        ] {
            split_csv(line.as_bytes(), &csv(), &mut fields).unwrap();
            assert_eq!(collect(&fields, line.as_bytes()), some(&expected), "{line:?}");
        }
        assert_eq!(split_csv(b"\"a", &csv(), &mut fields).unwrap_err().sqlstate(), "22P04");
    }

    #[test]
    fn a_csv_row_ends_at_a_newline_outside_of_quotes() {
        assert_eq!(csv_row_end(b"a,\"x\ny\",b\nrest", b'"', b'"'), Some(9));
        assert_eq!(csv_row_end(b"a,\"x\\\"\ny\"\n", b'"', b'\\'), Some(9));
        assert_eq!(csv_row_end(b"\"a\n", b'"', b'"'), None);
    }
}
