//! COPY TO STDOUT.

use crate::catalog::edit::quote_identifier;
use crate::context::QueryContext;
use crate::error::{Result, SqlError, sqlstate};
use crate::execute::with_names;
use crate::session::client::Session;
use crate::session::copy_in::BINARY_SIGNATURE;
use crate::session::statement::{ColumnSet, CopyFormat, CopyOptions, CopySource, CopyStatement, Header};
use crate::session::{EvalSettings, Sink, Step};
use crate::types::{binary, io};
use crate::vector::Batch;
use std::sync::Arc;

impl Session {
    pub(crate) fn copy_out(
        &mut self,
        copy: &CopyStatement,
        query: &QueryContext,
        sink: &mut dyn Sink,
    ) -> Result<Step> {
        let text = match &copy.source {
            CopySource::Query(text) => text.clone(),
            CopySource::Table { name, columns } => self.copy_query(name, columns.as_deref())?,
        };
        let mut portal = self.query_portal(&text)?;
        let options = &copy.options;
        let columns = portal.columns.clone();
        let names: Vec<String> = portal.columns.iter().map(|c| c.name.clone()).collect();
        let typmods: Vec<i32> = portal.columns.iter().map(|c| c.ty.typmod).collect();
        let force_quote: Vec<bool> = match &options.force_quote {
            None => vec![false; names.len()],
            Some(ColumnSet::All) => vec![true; names.len()],
            Some(ColumnSet::Named(wanted)) => names.iter().map(|n| wanted.contains(n)).collect(),
        };
        let format = i16::from(options.format == CopyFormat::Binary);
        sink.copy_out(&vec![format; names.len()])?;
        let mut out: Vec<u8> = Vec::new();
        if options.format == CopyFormat::Binary {
            out.extend_from_slice(BINARY_SIGNATURE);
            out.extend_from_slice(&[0; 8]);
        } else if options.header == Header::Yes {
            let mut field = Vec::new();
            for (i, name) in names.iter().enumerate() {
                if i > 0 {
                    out.push(options.delimiter);
                }
                field.clear();
                field.extend_from_slice(name.as_bytes());
                write_field(&field, options, false, names.len() == 1, &mut out);
            }
            out.push(b'\n');
            sink.copy_data(&out)?;
            out.clear();
        }
        let mut rows = 0_u64;
        while let Some(batch) = self.next_batch(&mut portal, query)? {
            let batch = if options.format == CopyFormat::Binary {
                batch
            } else {
                self.with_execution(query, |ctx| with_names(batch, &columns, &[], &ctx.eval))?
            };
            let settings = Arc::clone(&self.eval);
            let mut writer =
                Writer { options, typmods: &typmods, force_quote: &force_quote, settings: &settings };
            for row in 0..batch.rows {
                writer.row(&batch, row, &mut out)?;
                // The protocol promises a message per row, and clients count on it; the binary header goes with the first.
                sink.copy_data(&out)?;
                out.clear();
            }
            rows += batch.rows as u64;
            query.check()?;
        }
        if options.format == CopyFormat::Binary {
            out.extend_from_slice(&(-1_i16).to_be_bytes());
        }
        if !out.is_empty() {
            sink.copy_data(&out)?;
        }
        Ok(Step::Complete(format!("COPY {rows}")))
    }

    /// The query that reads a table's columns.
    fn copy_query(
        &self,
        name: &crate::session::statement::Name,
        columns: Option<&[String]>,
    ) -> Result<String> {
        let catalog = self.catalog();
        let found = catalog.find_relation(&self.eval.search_path, name.schema.as_deref(), &name.name);
        let Some(relation) = found else {
            // pg_dump and others may copy a catalog.
            let schema = name.schema.as_deref().unwrap_or("pg_catalog");
            return Ok(format!(
                "SELECT * FROM {}.{}",
                quote_identifier(schema),
                quote_identifier(&name.name)
            ));
        };
        let Some(table) = relation.table() else {
            let kind = relation.kind_name();
            return Err(SqlError::new(
                sqlstate::WRONG_OBJECT_TYPE,
                format!("cannot copy from {kind} \"{}\"", relation.name),
            )
            .with_hint("Try the COPY (SELECT ...) TO variant."));
        };
        let list: Vec<String> = match columns {
            None => table.live_columns().map(|(_, c)| quote_identifier(&c.name)).collect(),
            Some(names) => {
                if let Some(missing) = names.iter().find(|n| table.column_position(n).is_none()) {
                    return Err(SqlError::new(
                        sqlstate::UNDEFINED_COLUMN,
                        format!("column \"{missing}\" of relation \"{}\" does not exist", table.name),
                    ));
                }
                names.iter().map(|n| quote_identifier(n)).collect()
            }
        };
        let schema = catalog.schema_name(table.schema).unwrap_or("public");
        Ok(format!(
            "SELECT {} FROM {}.{}",
            list.join(", "),
            quote_identifier(schema),
            quote_identifier(&table.name)
        ))
    }
}

struct Writer<'a> {
    options: &'a CopyOptions,
    typmods: &'a [i32],
    force_quote: &'a [bool],
    settings: &'a EvalSettings,
}

impl Writer<'_> {
    fn row(&mut self, batch: &Batch, row: usize, out: &mut Vec<u8>) -> Result<()> {
        if self.options.format == CopyFormat::Binary {
            let count = i16::try_from(batch.columns.len()).unwrap_or(i16::MAX);
            out.extend_from_slice(&count.to_be_bytes());
            for (i, column) in batch.columns.iter().enumerate() {
                if column.is_null(row) {
                    out.extend_from_slice(&(-1_i32).to_be_bytes());
                    continue;
                }
                let start = out.len();
                out.extend_from_slice(&[0; 4]);
                binary::send_vector(column, row, self.typmods.get(i).copied().unwrap_or(-1), out);
                let length = i32::try_from(out.len() - start - 4).unwrap_or(i32::MAX);
                if let Some(slot) = out.get_mut(start..start + 4) {
                    slot.copy_from_slice(&length.to_be_bytes());
                }
            }
            return Ok(());
        }
        let single = batch.columns.len() == 1;
        let mut field = Vec::new();
        for (i, column) in batch.columns.iter().enumerate() {
            if i > 0 {
                out.push(self.options.delimiter);
            }
            if column.is_null(row) {
                out.extend_from_slice(self.options.null.as_bytes());
                continue;
            }
            field.clear();
            io::output_vector(
                column,
                row,
                self.typmods.get(i).copied().unwrap_or(-1),
                self.settings,
                &mut field,
            );
            write_field(&field, self.options, self.force_quote.get(i) == Some(&true), single, out);
        }
        out.push(b'\n');
        Ok(())
    }
}

/// Appends a field, escaped or quoted as its format asks.
fn write_field(field: &[u8], options: &CopyOptions, force_quote: bool, single: bool, out: &mut Vec<u8>) {
    if options.format == CopyFormat::Csv {
        let special = |b: &u8| *b == options.delimiter || *b == options.quote || *b == b'\n' || *b == b'\r';
        let quote = force_quote
            || field == options.null.as_bytes()
            || (single && field == b"\\.")
            || field.iter().any(special);
        if !quote {
            out.extend_from_slice(field);
            return;
        }
        out.push(options.quote);
        for byte in field {
            if *byte == options.quote || *byte == options.escape {
                out.push(options.escape);
            }
            out.push(*byte);
        }
        out.push(options.quote);
        return;
    }
    for byte in field {
        let escape = match byte {
            8 => b'b',
            12 => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            11 => b'v',
            b'\\' => b'\\',
            b if *b == options.delimiter => *b,
            other => {
                out.push(*other);
                continue;
            }
        };
        out.push(b'\\');
        out.push(escape);
    }
}
