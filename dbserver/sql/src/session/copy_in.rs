//! COPY FROM STDIN: bytes to rows to batches.
//!
//! Data comes in pieces of any size. Whole rows are taken from the front of what has come, their fields pushed straight into one
//! vector per column, and every [`BATCH_ROWS_MAX`] rows go to the table in one write.

use crate::bind;
use crate::catalog::Table;
use crate::context::QueryContext;
use crate::error::{Result, SqlError, sqlstate};
use crate::execute::bulk::TableWriter;
use crate::execute::{columns, eval_vector};
use crate::expr::Expr;
use crate::session::client::Session;
use crate::session::copy_rows::{Fields, csv_row_end, split_csv, split_text};
use crate::session::statement::{CopyFormat, CopyOptions, CopySource, CopyStatement, DropKind, Header};
use crate::session::{EvalSettings, Mode, Step};
use crate::types::{ColumnType, Type};
use crate::vector::{BATCH_ROWS_MAX, Batch, Values, Vector};
use std::sync::Arc;

/// Signature of the binary format (manual, COPY, "Binary Format").
pub(crate) const BINARY_SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// How much of a value or line a context shows.
const SHOWN_MAX: usize = 100;

/// A COPY FROM that is running.
pub(crate) struct CopyIn {
    table: Arc<Table>,
    writer: TableWriter,
    options: CopyOptions,
    /// For each field: its column's name, type and position among the live columns.
    fields: Vec<(String, ColumnType, usize)>,
    /// For each live column without a field: its default.
    defaults: Vec<(usize, Expr)>,
    filter: Option<Expr>,
    force_not_null: Vec<bool>,
    force_null: Vec<bool>,
    buffer: Vec<u8>,
    /// One vector per live column.
    vectors: Vec<Vector>,
    rows: usize,
    /// Lines taken.
    line: u64,
    /// For each row of the batch: its line, and where its text in `batch_text` ends; for errors.
    batch_lines: Vec<(u64, usize)>,
    batch_text: Vec<u8>,
    header: Header,
    /// The binary header has been read.
    started: bool,
    /// `\.` or the binary trailer has come: what follows is ignored.
    ended: bool,
    spans: Fields,
}

fn format_error(message: impl Into<String>) -> SqlError {
    SqlError::new(sqlstate::BAD_COPY_FILE_FORMAT, message)
}

fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    match text.char_indices().nth(SHOWN_MAX) {
        Some((at, _)) => format!("{}...", text.get(..at).unwrap_or_default()),
        None => text.into_owned(),
    }
}

impl Session {
    pub(crate) fn copy(
        &mut self,
        copy: &CopyStatement,
        query: &QueryContext,
        sink: &mut dyn crate::session::Sink,
    ) -> Result<Step> {
        if copy.from { self.start_copy_in(copy, query) } else { self.copy_out(copy, query, sink) }
    }

    fn start_copy_in(&mut self, copy: &CopyStatement, query: &QueryContext) -> Result<Step> {
        let CopySource::Table { name, columns: wanted } = &copy.source else {
            return Err(SqlError::syntax("COPY FROM needs a table"));
        };
        self.check_writable("COPY FROM")?;
        let relation = self.require_for_copy(name)?;
        self.lock_relation(relation, false, query)?;
        self.begin_statement()?;
        let table = self.table_by_oid(relation)?;
        let live: Vec<(usize, String, ColumnType)> =
            table.live_columns().enumerate().map(|(at, (_, c))| (at, c.name.clone(), c.ty)).collect();
        let mut fields = Vec::new();
        match wanted {
            None => fields.extend(live.iter().map(|(at, name, ty)| (name.clone(), *ty, *at))),
            Some(names) => {
                for name in names {
                    let (at, _, ty) = live.iter().find(|(_, n, _)| n == name).ok_or_else(|| {
                        SqlError::new(
                            sqlstate::UNDEFINED_COLUMN,
                            format!("column \"{name}\" of relation \"{}\" does not exist", table.name),
                        )
                    })?;
                    if fields.iter().any(|(_, _, f)| f == at) {
                        return Err(SqlError::new(
                            sqlstate::DUPLICATE_COLUMN,
                            format!("column \"{name}\" specified more than once"),
                        ));
                    }
                    fields.push((name.clone(), *ty, *at));
                }
            }
        }
        let catalog = self.catalog();
        let (defaults, filter, checks) = self.with_bind_context(&catalog, &[], |context| {
            let mut defaults = Vec::new();
            for (at, (_, column)) in table.live_columns().enumerate() {
                if fields.iter().any(|(_, _, f)| *f == at) {
                    continue;
                }
                if let Some(default) = &column.default {
                    defaults.push((
                        at,
                        bind::bind_table_expr_as(default, &table, column.ty, &column.name, context)?,
                    ));
                }
            }
            let filter = match &copy.filter {
                Some(text) => {
                    Some(bind::bind_table_expr_as(text, &table, Type::BOOL.into(), "WHERE", context)?)
                }
                None => None,
            };
            Ok((defaults, filter, bind::table_checks(&table, context)?))
        })?;
        let forced = |names: &[String]| -> Result<Vec<bool>> {
            if let Some(missing) = names.iter().find(|n| !fields.iter().any(|(f, _, _)| f == *n)) {
                return Err(SqlError::new(
                    sqlstate::INVALID_COLUMN_REFERENCE,
                    format!("FORCE_NOT_NULL column \"{missing}\" not referenced by COPY"),
                ));
            }
            Ok(fields.iter().map(|(f, _, _)| names.contains(f)).collect())
        };
        let force_not_null = forced(&copy.options.force_not_null)?;
        let force_null = forced(&copy.options.force_null)?;
        let format = i16::from(copy.options.format == CopyFormat::Binary);
        let formats = vec![format; fields.len()];
        let vectors = live.iter().map(|(_, _, ty)| Vector::empty(ty.ty)).collect();
        self.copy = Some(CopyIn {
            writer: TableWriter::new(&table, Arc::new(checks)),
            table,
            header: copy.options.header,
            options: copy.options.clone(),
            fields,
            defaults,
            filter,
            force_not_null,
            force_null,
            buffer: Vec::new(),
            vectors,
            rows: 0,
            line: 0,
            batch_lines: Vec::new(),
            batch_text: Vec::new(),
            started: false,
            ended: false,
            spans: Fields::default(),
        });
        Ok(Step::CopyIn(formats))
    }
    fn table_by_oid(&self, oid: u32) -> Result<Arc<Table>> {
        self.catalog().table(oid).cloned().ok_or_else(|| SqlError::internal("a table is gone"))
    }
    /// The table's OID, or why COPY cannot go there.
    fn require_for_copy(&self, name: &crate::session::statement::Name) -> Result<u32> {
        let catalog = self.catalog();
        let relation =
            catalog.require_relation(&self.eval.search_path, name.schema.as_deref(), &name.name)?;
        match relation.kind_name() {
            word if word == DropKind::Table.word() => Ok(relation.oid),
            word => Err(SqlError::new(
                sqlstate::WRONG_OBJECT_TYPE,
                format!("cannot copy to {word} \"{}\"", relation.name),
            )),
        }
    }

    pub(crate) fn copy_in_data(&mut self, data: &[u8], query: &QueryContext) -> Result<()> {
        let Some(mut copy) = self.copy.take() else {
            return Err(SqlError::new(sqlstate::PROTOCOL_VIOLATION, "there is no COPY in progress"));
        };
        query.check()?;
        copy.buffer.extend_from_slice(data);
        copy.take_rows(self, query, false)?;
        self.copy = Some(copy);
        Ok(())
    }

    pub(crate) fn copy_in_done(&mut self, query: &QueryContext, mode: Mode) -> Result<Step> {
        if mode == Mode::Inline {
            return Ok(Step::Offload);
        }
        let Some(mut copy) = self.copy.take() else {
            return Err(SqlError::new(sqlstate::PROTOCOL_VIOLATION, "there is no COPY in progress"));
        };
        copy.take_rows(self, query, true)?;
        copy.flush(self, query)?;
        let CopyIn { writer, .. } = copy;
        let written = self.with_execution(query, |ctx| writer.finish(ctx))?;
        self.end_of_statement(query)?;
        Ok(Step::Complete(format!("COPY {written}")))
    }
}

impl CopyIn {
    /// `COPY t, line 3`
    fn context(&self) -> String {
        format!("COPY {}, line {}", self.table.name, self.line)
    }

    /// Takes the whole rows that the buffer has; at the end also a last line without its newline.
    fn take_rows(&mut self, session: &mut Session, query: &QueryContext, end: bool) -> Result<()> {
        let buffer = std::mem::take(&mut self.buffer);
        let mut at = 0;
        while !self.ended {
            let rest = buffer.get(at..).unwrap_or_default();
            let taken = match self.options.format {
                CopyFormat::Binary => self.take_binary(rest, session, end)?,
                _ => self.take_line(rest, session, end)?,
            };
            if taken == 0 {
                break;
            }
            at += taken;
            if self.rows >= BATCH_ROWS_MAX {
                self.flush(session, query)?;
            }
        }
        if !self.ended && end && at < buffer.len() && self.options.format == CopyFormat::Binary {
            return Err(format_error("unexpected EOF in COPY data"));
        }
        if !self.ended {
            self.buffer = buffer;
            self.buffer.drain(..at.min(self.buffer.len()));
        }
        Ok(())
    }

    /// One line of text or CSV; how many bytes it took, 0 where it is not all there.
    fn take_line(&mut self, rest: &[u8], session: &Session, end: bool) -> Result<usize> {
        let csv = self.options.format == CopyFormat::Csv;
        let found = if csv {
            csv_row_end(rest, self.options.quote, self.options.escape)
        } else {
            rest.iter().position(|b| *b == b'\n')
        };
        let (line, taken) = match found {
            Some(newline) => (rest.get(..newline).unwrap_or_default(), newline + 1),
            None if end && !rest.is_empty() => (rest, rest.len()),
            None => return Ok(0),
        };
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        self.line += 1;
        if csv {
            // Newlines inside of quotes count as lines too.
            self.line += line.iter().filter(|b| **b == b'\n').count() as u64;
        }
        if line == b"\\." {
            self.ended = true;
            return Ok(taken);
        }
        if self.header != Header::No {
            let matching = self.header == Header::Match;
            self.header = Header::No;
            if matching {
                self.match_header(line)?;
            }
            return Ok(taken);
        }
        self.batch_text.extend_from_slice(line);
        self.batch_lines.push((self.line, self.batch_text.len()));
        self.row(line, &session.eval)?;
        Ok(taken)
    }

    fn split(&mut self, line: &[u8]) -> Result<()> {
        let split = if self.options.format == CopyFormat::Csv {
            split_csv(line, &self.options, &mut self.spans)
        } else {
            split_text(line, self.options.delimiter, self.options.null.as_bytes(), &mut self.spans)
        };
        split.map_err(|e| e.with_context(format!("{}: \"{}\"", self.context(), shown(line))))
    }

    fn match_header(&mut self, line: &[u8]) -> Result<()> {
        self.split(line)?;
        if self.spans.len() != self.fields.len() {
            return Err(format_error(format!(
                "wrong number of fields in header line: got {}, expected {}",
                self.spans.len(),
                self.fields.len()
            )));
        }
        for (i, (name, _, _)) in self.fields.iter().enumerate() {
            let got = self.spans.get(i, line).unwrap_or_default();
            if got != name.as_bytes() {
                return Err(format_error(format!(
                    "column name mismatch in header line field {}: got \"{}\", expected \"{name}\"",
                    i + 1,
                    String::from_utf8_lossy(got)
                ))
                .with_context(format!("{}: \"{}\"", self.context(), shown(line))));
            }
        }
        Ok(())
    }

    /// Parses one line into the vectors.
    fn row(&mut self, line: &[u8], settings: &EvalSettings) -> Result<()> {
        self.split(line)?;
        // A lone empty line is a row of one empty field; for a table without columns it is a row of none.
        let count = if self.fields.is_empty() && line.is_empty() { 0 } else { self.spans.len() };
        if count != self.fields.len() {
            let error = match self.fields.get(count) {
                Some((name, _, _)) => format_error(format!("missing data for column \"{name}\"")),
                None => format_error("extra data after last expected column"),
            };
            return Err(error.with_context(format!("{}: \"{}\"", self.context(), shown(line))));
        }
        for (i, (name, ty, at)) in self.fields.iter().enumerate() {
            let Some(vector) = self.vectors.get_mut(*at) else { continue };
            let quoted = self.spans.quoted(i);
            let value = match self.spans.get(i, line) {
                Some(bytes)
                    if quoted
                        && self.force_null.get(i) == Some(&true)
                        && bytes == self.options.null.as_bytes() =>
                {
                    None
                }
                None if self.force_not_null.get(i) == Some(&true) => Some(self.options.null.as_bytes()),
                other => other,
            };
            let Some(bytes) = value else {
                vector.push_null();
                continue;
            };
            if let Err(error) = push_text(vector, *ty, bytes, settings) {
                let context = format!("{}, column {name}: \"{}\"", self.context(), shown(bytes));
                return Err(error.with_context(context));
            }
        }
        self.rows += 1;
        Ok(())
    }

    /// One tuple of the binary format.
    fn take_binary(&mut self, rest: &[u8], _session: &Session, end: bool) -> Result<usize> {
        let unexpected = || format_error("unexpected EOF in COPY data");
        if !self.started {
            let header = BINARY_SIGNATURE.len() + 8;
            let Some(bytes) = rest.get(..header) else {
                return if end { Err(format_error("COPY file signature not recognized")) } else { Ok(0) };
            };
            if !bytes.starts_with(BINARY_SIGNATURE) {
                return Err(format_error("COPY file signature not recognized"));
            }
            let length =
                bytes.get(header - 4..).and_then(|b| b.try_into().ok()).map_or(0, i32::from_be_bytes);
            let length = usize::try_from(length)
                .map_err(|_| format_error("invalid COPY file header (missing length)"))?;
            if rest.len() < header + length {
                return Ok(0);
            }
            self.started = true;
            return Ok(header + length);
        }
        let Some(count) = rest.get(..2).and_then(|b| b.try_into().ok()).map(i16::from_be_bytes) else {
            return if end && !rest.is_empty() { Err(unexpected()) } else { Ok(0) };
        };
        if count == -1 {
            self.ended = true;
            return Ok(2);
        }
        self.line += 1;
        if usize::try_from(count) != Ok(self.fields.len()) {
            return Err(format_error(format!("row field count is {count}, expected {}", self.fields.len()))
                .with_context(self.context()));
        }
        // First see that the whole tuple is there.
        let mut at = 2;
        let mut spans = Vec::with_capacity(self.fields.len());
        for _ in 0..self.fields.len() {
            let Some(length) = rest.get(at..at + 4).and_then(|b| b.try_into().ok()).map(i32::from_be_bytes)
            else {
                self.line -= 1;
                return if end { Err(unexpected()) } else { Ok(0) };
            };
            at += 4;
            match usize::try_from(length) {
                Ok(length) => {
                    if rest.len() < at + length {
                        self.line -= 1;
                        return if end { Err(unexpected()) } else { Ok(0) };
                    }
                    spans.push(rest.get(at..at + length));
                    at += length;
                }
                Err(_) if length == -1 => spans.push(None),
                Err(_) => return Err(format_error("invalid field size").with_context(self.context())),
            }
        }
        self.batch_lines.push((self.line, 0));
        for ((name, ty, column), value) in self.fields.iter().zip(spans) {
            let Some(vector) = self.vectors.get_mut(*column) else { continue };
            match value {
                None => vector.push_null(),
                Some(bytes) => {
                    let datum = crate::types::binary::receive(ty.ty, ty.typmod, bytes).map_err(|e| {
                        e.with_context(format!("COPY {}, line {}, column {name}", self.table.name, self.line))
                    })?;
                    vector.push(&datum);
                }
            }
        }
        self.rows += 1;
        Ok(at)
    }

    /// Writes the rows parsed so far.
    fn flush(&mut self, session: &Session, query: &QueryContext) -> Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        let rows = std::mem::take(&mut self.rows);
        let vectors: Vec<Vector> = self
            .vectors
            .iter_mut()
            .map(|v| std::mem::replace(v, Vector::with_capacity(v.ty, BATCH_ROWS_MAX)))
            .collect();
        let mut batch = Batch { rows, columns: vectors.into_iter().map(Arc::new).collect() };
        let inputs: Vec<usize> = self.fields.iter().map(|(_, _, at)| *at).collect();
        let writer = &mut self.writer;
        let (defaults, filter) = (&self.defaults, &self.filter);
        let mut kept = None;
        let outcome = session.with_execution(query, |ctx| {
            for at in 0..batch.columns.len() {
                if inputs.contains(&at) {
                    continue;
                }
                let blank = Batch { rows, columns: Vec::new() };
                let column = match defaults.iter().find(|(d, _)| *d == at) {
                    Some((_, expr)) => eval_vector(expr, &blank, ctx)?,
                    None => {
                        let ty = batch.columns.get(at).map_or(Type::TEXT, |c| c.ty);
                        Arc::new(Vector::constant(&crate::types::Datum::Null, ty, rows))
                    }
                };
                if let Some(slot) = batch.columns.get_mut(at) {
                    *slot = column;
                }
            }
            if let Some(filter) = filter {
                let keep = columns::true_rows(&*eval_vector(filter, &batch, ctx)?);
                batch = columns::take_batch(&batch, &keep)?;
                kept = Some(keep);
            }
            writer.write(&batch, ctx)
        });
        let conflict = self.writer.conflict();
        let outcome = outcome.map_err(|error| {
            // Which row it was: not null and check constraints are looked at before anything is written.
            let (row, with_text) = match error.sqlstate() {
                sqlstate::NOT_NULL_VIOLATION | sqlstate::CHECK_VIOLATION => {
                    (self.first_violation(session, query, &batch), true)
                }
                _ => (conflict, false),
            };
            let row = row.map(|row| kept.as_ref().and_then(|k| k.get(row)).map_or(row, |r| *r as usize));
            match row {
                Some(row) => error.with_context(self.row_context(row, with_text)),
                None => error.with_context(format!("COPY {}", self.table.name)),
            }
        });
        self.batch_lines.clear();
        self.batch_text.clear();
        outcome
    }
    /// `COPY t, line 3: "…"` of a row of the batch.
    fn row_context(&self, row: usize, with_text: bool) -> String {
        let (line, end) = self.batch_lines.get(row).copied().unwrap_or((self.line, 0));
        let start = row.checked_sub(1).and_then(|r| self.batch_lines.get(r)).map_or(0, |(_, end)| *end);
        let text = self.batch_text.get(start..end).filter(|t| with_text && !t.is_empty());
        match text {
            Some(text) => format!("COPY {}, line {line}: \"{}\"", self.table.name, shown(text)),
            None => format!("COPY {}, line {line}", self.table.name),
        }
    }
    fn first_violation(&self, session: &Session, query: &QueryContext, batch: &Batch) -> Option<usize> {
        let mut violation = None;
        let _ = session.with_execution(query, |ctx| {
            for row in 0..batch.rows {
                let row_number = u32::try_from(row).unwrap_or(u32::MAX);
                let one = columns::take_batch(batch, &[row_number])?;
                if self.writer.check(&one, ctx).is_err() {
                    violation = Some(row);
                    return Ok(());
                }
            }
            Ok(())
        });
        violation
    }
}

fn integer(bytes: &[u8]) -> Option<i64> {
    let (negative, digits) = match bytes {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    let mut value = 0_i64;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + i64::from(digit);
    }
    Some(if negative { -value } else { value })
}

/// Appends a value from its text form; the common types without a datum in between.
fn push_text(vector: &mut Vector, ty: ColumnType, bytes: &[u8], settings: &EvalSettings) -> Result<()> {
    let fast = match (&mut vector.values, ty.ty) {
        (Values::Int4(values), Type::INT4) => {
            integer(bytes).and_then(|v| i32::try_from(v).ok()).map(|v| values.push(v)).is_some()
        }
        (Values::Int8(values), Type::INT8) => integer(bytes).map(|v| values.push(v)).is_some(),
        (Values::Int2(values), Type::INT2) => {
            integer(bytes).and_then(|v| i16::try_from(v).ok()).map(|v| values.push(v)).is_some()
        }
        (Values::Text(values), Type::TEXT) | (Values::Text(values), Type::VARCHAR)
            if ty.typmod == -1 && std::str::from_utf8(bytes).is_ok() && !bytes.contains(&0) =>
        {
            values.push(bytes);
            true
        }
        _ => false,
    };
    if fast {
        if !vector.nulls.is_empty() {
            vector.nulls.push(false);
        }
        return Ok(());
    }
    let text = std::str::from_utf8(bytes).ok().filter(|t| !t.contains('\0')).ok_or_else(|| {
        let error = std::str::from_utf8(bytes).err().map_or(0, |e| e.valid_up_to());
        let byte = bytes.get(error).copied().unwrap_or(0);
        SqlError::new(
            sqlstate::CHARACTER_NOT_IN_REPERTOIRE,
            format!("invalid byte sequence for encoding \"UTF8\": 0x{byte:02x}"),
        )
    })?;
    let value = crate::types::io::input(ty.ty, ty.typmod, text, settings)?;
    vector.push(&value);
    Ok(())
}
