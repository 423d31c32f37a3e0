//! COPY: what it copies and how the data is written.

use super::cursor::{Cursor, Name};
use crate::error::{Result, SqlError, sqlstate};
use crate::parse::lexer::Kind;

/// COPY.
#[derive(Clone, Debug)]
pub(crate) struct CopyStatement {
    pub source: CopySource,
    /// FROM STDIN instead of TO STDOUT.
    pub from: bool,
    pub options: CopyOptions,
    /// WHERE of COPY FROM.
    pub filter: Option<String>,
}

/// What is copied.
#[derive(Clone, Debug)]
pub(crate) enum CopySource {
    Table { name: Name, columns: Option<Vec<String>> },
    Query(String),
}

/// The data's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CopyFormat {
    Text,
    Csv,
    Binary,
}

/// Some columns, or `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ColumnSet {
    All,
    Named(Vec<String>),
}

/// Options of COPY, defaults filled in.
#[derive(Clone, Debug)]
pub(crate) struct CopyOptions {
    pub format: CopyFormat,
    pub delimiter: u8,
    pub null: String,
    pub header: Header,
    pub quote: u8,
    pub escape: u8,
    pub force_quote: Option<ColumnSet>,
    pub force_not_null: Vec<String>,
    pub force_null: Vec<String>,
}

/// The first line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    No,
    Yes,
    /// Must match the column names.
    Match,
}

#[derive(Default)]
struct Given {
    format: Option<CopyFormat>,
    delimiter: Option<String>,
    null: Option<String>,
    header: Option<Header>,
    quote: Option<String>,
    escape: Option<String>,
    force_quote: Option<ColumnSet>,
    force_not_null: Option<Vec<String>>,
    force_null: Option<Vec<String>>,
}

pub(crate) fn parse(c: &mut Cursor<'_>) -> Result<CopyStatement> {
    let binary = c.eat_kw("binary");
    let source = if c.is_punct(b'(') {
        CopySource::Query(c.bracketed()?)
    } else {
        let name = c.name()?;
        let columns = if c.is_punct(b'(') { Some(c.ident_list()?) } else { None };
        CopySource::Table { name, columns }
    };
    let from = if c.eat_kw("from") {
        true
    } else {
        c.expect_kw("to")?;
        false
    };
    if from && matches!(source, CopySource::Query(_)) {
        return Err(c.error());
    }
    if c.eat_kw("program") {
        return Err(SqlError::unsupported("COPY with a program"));
    }
    if c.eat_string()?.is_some() {
        return Err(SqlError::unsupported("COPY with a file of the server").with_hint(
            "Anyone can COPY to stdout or from stdin. psql's \\copy command also works for anyone.",
        ));
    }
    // PostgreSQL takes either word in both directions.
    if !c.eat_kw("stdin") {
        c.expect_kw("stdout")?;
    }
    let mut given = Given { format: binary.then_some(CopyFormat::Binary), ..Given::default() };
    let mut legacy_delimiter = None;
    if c.eat_kw("using") {
        c.expect_kw("delimiters")?;
        legacy_delimiter = Some(c.string()?);
    }
    c.eat_kw("with");
    if c.is_punct(b'(') {
        new_options(c, &mut given)?;
    } else {
        old_options(c, &mut given)?;
    }
    given.delimiter = given.delimiter.or(legacy_delimiter);
    let filter = if c.eat_kw("where") {
        if !from {
            return Err(SqlError::syntax("WHERE clause not allowed with COPY TO"));
        }
        Some(c.rest()?.to_owned())
    } else {
        None
    };
    Ok(CopyStatement { source, from, options: check(given, from)?, filter })
}

fn conflicting(already: bool) -> Result<()> {
    if already { Err(SqlError::syntax("conflicting or redundant options")) } else { Ok(()) }
}

fn bool_option(c: &mut Cursor<'_>, name: &str) -> Result<bool> {
    if c.is_punct(b',') || c.is_punct(b')') {
        return Ok(true);
    }
    match word(c)?.to_ascii_lowercase().as_str() {
        "true" | "on" | "1" => Ok(true),
        "false" | "off" | "0" => Ok(false),
        _ => Err(SqlError::syntax(format!("{name} requires a Boolean value"))),
    }
}

fn word(c: &mut Cursor<'_>) -> Result<String> {
    if let Some(text) = c.eat_string()? {
        return Ok(text);
    }
    if let Some(number) = c.eat_number() {
        return Ok(number);
    }
    c.label()
}

fn column_set(c: &mut Cursor<'_>) -> Result<ColumnSet> {
    if c.eat_operator("*") { Ok(ColumnSet::All) } else { Ok(ColumnSet::Named(c.ident_list()?)) }
}

fn new_options(c: &mut Cursor<'_>, given: &mut Given) -> Result<()> {
    c.expect(b'(')?;
    loop {
        let name = c.label()?;
        match name.as_str() {
            "format" => {
                conflicting(given.format.is_some())?;
                let format = word(c)?;
                given.format = Some(match format.as_str() {
                    "text" => CopyFormat::Text,
                    "csv" => CopyFormat::Csv,
                    "binary" => CopyFormat::Binary,
                    _ => {
                        return Err(SqlError::new(
                            sqlstate::INVALID_PARAMETER_VALUE,
                            format!("COPY format \"{format}\" not recognized"),
                        ));
                    }
                });
            }
            // Rows are written the same way either way.
            "freeze" => {
                bool_option(c, "freeze")?;
            }
            "delimiter" => given.delimiter = Some(word(c)?),
            "null" => given.null = Some(word(c)?),
            "header" => {
                given.header = Some(if c.eat_kw("match") {
                    Header::Match
                } else if bool_option(c, "header")? {
                    Header::Yes
                } else {
                    Header::No
                });
            }
            "quote" => given.quote = Some(word(c)?),
            "escape" => given.escape = Some(word(c)?),
            "force_quote" => given.force_quote = Some(column_set(c)?),
            "force_not_null" => given.force_not_null = Some(c.ident_list()?),
            "force_null" => given.force_null = Some(c.ident_list()?),
            "encoding" => encoding(&word(c)?)?,
            _ => return Err(SqlError::syntax(format!("option \"{name}\" not recognized"))),
        }
        if !c.eat(b',') {
            break;
        }
    }
    c.expect(b')')
}

fn old_options(c: &mut Cursor<'_>, given: &mut Given) -> Result<()> {
    while c.kind() == Some(Kind::Word) && !c.is_kw("where") {
        if c.eat_kw("binary") {
            conflicting(given.format.is_some())?;
            given.format = Some(CopyFormat::Binary);
        } else if c.eat_kw("csv") {
            conflicting(given.format.is_some())?;
            given.format = Some(CopyFormat::Csv);
        } else if c.eat_kw("freeze") {
            // Rows are written the same way either way.
        } else if c.eat_kw("header") {
            given.header = Some(Header::Yes);
        } else if c.eat_kw("delimiter") || c.eat_kw("delimiters") {
            c.eat_kw("as");
            given.delimiter = Some(c.string()?);
        } else if c.eat_kw("null") {
            c.eat_kw("as");
            given.null = Some(c.string()?);
        } else if c.eat_kw("quote") {
            c.eat_kw("as");
            given.quote = Some(c.string()?);
        } else if c.eat_kw("escape") {
            c.eat_kw("as");
            given.escape = Some(c.string()?);
        } else if c.eat_kws(&["force", "quote"]) {
            given.force_quote =
                Some(if c.eat_operator("*") { ColumnSet::All } else { ColumnSet::Named(list(c)?) });
        } else if c.eat_kws(&["force", "not", "null"]) {
            given.force_not_null = Some(list(c)?);
        } else if c.eat_kws(&["force", "null"]) {
            given.force_null = Some(list(c)?);
        } else if c.eat_kw("encoding") {
            encoding(&c.string()?)?;
        } else {
            return Err(c.error());
        }
    }
    Ok(())
}

/// Columns of an old-style option: no brackets around them.
fn list(c: &mut Cursor<'_>) -> Result<Vec<String>> {
    let mut names = vec![c.ident()?];
    while c.eat(b',') {
        names.push(c.ident()?);
    }
    Ok(names)
}

fn encoding(name: &str) -> Result<()> {
    match name.to_ascii_lowercase().replace(['-', '_'], "").as_str() {
        "utf8" | "unicode" => Ok(()),
        _ => Err(SqlError::unsupported(format!("COPY in encoding \"{name}\""))),
    }
}

/// Defaults, and PostgreSQL's checks on what goes together (`ProcessCopyOptions`).
fn check(given: Given, from: bool) -> Result<CopyOptions> {
    let fail = |message: &str| Err(SqlError::new(sqlstate::FEATURE_NOT_SUPPORTED, message));
    let format = given.format.unwrap_or(CopyFormat::Text);
    let csv = format == CopyFormat::Csv;
    if format == CopyFormat::Binary {
        if given.delimiter.is_some() {
            return Err(SqlError::syntax("cannot specify DELIMITER in BINARY mode"));
        }
        if given.null.is_some() {
            return Err(SqlError::syntax("cannot specify NULL in BINARY mode"));
        }
        if given.header.is_some_and(|h| h != Header::No) {
            return Err(SqlError::syntax("cannot specify HEADER in BINARY mode"));
        }
    }
    let one = |value: &str, what: &str| match value.as_bytes() {
        [byte] => Ok(*byte),
        _ => Err(SqlError::new(
            sqlstate::FEATURE_NOT_SUPPORTED,
            format!("COPY {what} must be a single one-byte character"),
        )),
    };
    let delimiter = match &given.delimiter {
        Some(d) => one(d, "delimiter")?,
        None if csv => b',',
        None => b'\t',
    };
    let null = given.null.unwrap_or_else(|| if csv { String::new() } else { "\\N".to_owned() });
    if matches!(delimiter, b'\r' | b'\n') {
        return Err(SqlError::new(
            sqlstate::INVALID_PARAMETER_VALUE,
            "COPY delimiter cannot be newline or carriage return",
        ));
    }
    if null.contains(['\r', '\n']) {
        return Err(SqlError::new(
            sqlstate::INVALID_PARAMETER_VALUE,
            "COPY null representation cannot use newline or carriage return",
        ));
    }
    if !csv && b"\\.abcdefghijklmnopqrstuvwxyz0123456789".contains(&delimiter) {
        return Err(SqlError::new(
            sqlstate::INVALID_PARAMETER_VALUE,
            format!("COPY delimiter cannot be \"{}\"", char::from(delimiter)),
        ));
    }
    if !csv {
        for (present, what) in [
            (given.quote.is_some(), "COPY quote available only in CSV mode"),
            (given.escape.is_some(), "COPY escape available only in CSV mode"),
            (given.force_quote.is_some(), "COPY force quote available only in CSV mode"),
            (given.force_not_null.is_some(), "COPY force not null available only in CSV mode"),
            (given.force_null.is_some(), "COPY force null available only in CSV mode"),
        ] {
            if present {
                return fail(what);
            }
        }
    }
    let quote = given.quote.as_deref().map_or(Ok(b'"'), |q| one(q, "quote"))?;
    let escape = given.escape.as_deref().map_or(Ok(quote), |e| one(e, "escape"))?;
    if csv && delimiter == quote {
        return Err(SqlError::new(
            sqlstate::INVALID_PARAMETER_VALUE,
            "COPY delimiter and quote must be different",
        ));
    }
    if given.force_quote.is_some() && from {
        return fail("COPY force quote only available using COPY TO");
    }
    if given.force_not_null.is_some() && !from {
        return fail("COPY force not null only available using COPY FROM");
    }
    if given.force_null.is_some() && !from {
        return fail("COPY force null only available using COPY FROM");
    }
    if null.as_bytes().contains(&delimiter) {
        return fail("COPY delimiter must not appear in the NULL specification");
    }
    if csv && null.as_bytes().contains(&quote) {
        return fail("CSV quote character must not appear in the NULL specification");
    }
    let header = given.header.unwrap_or(Header::No);
    if header == Header::Match && !from {
        return fail("cannot use \"match\" with HEADER in COPY TO");
    }
    Ok(CopyOptions {
        format,
        delimiter,
        null,
        header,
        quote,
        escape,
        force_quote: given.force_quote,
        force_not_null: given.force_not_null.unwrap_or_default(),
        force_null: given.force_null.unwrap_or_default(),
    })
}
