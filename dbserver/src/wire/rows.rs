//! Result rows, from the executor's values straight to DataRow bytes.
//!
//! Rows of point plans go into the connection's output, on its own task. Those of larger results are encoded on the worker
//! thread that computes them and handed over in chunks through a short channel: a client that reads slowly slows its own
//! statement down, and what is on the way stays bounded. While it waits for such a client a statement gives its slot
//! back.

use std::sync::Arc;

use bytes::BufMut;
use plimsoll_sql::SqlError;
use plimsoll_sql::error::Result;
use plimsoll_sql::session::{EvalSettings, Session, Sink};
use plimsoll_sql::types::{ColumnType, Datum, binary, io};
use plimsoll_sql::vector::Batch;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::channel::SEND_BYTES;
use super::encode;
use crate::pool::{Connection, Limiter};

/// How a portal's rows are to be encoded.
#[derive(Default)]
pub(super) struct Shape {
    /// Type and format of each column.
    columns: Vec<(ColumnType, i16)>,
    settings: Option<Arc<EvalSettings>>,
}

impl Shape {
    /// Takes the shape of a portal; keeps the memory of the one before.
    pub(super) fn load(&mut self, session: &Session, portal: &str) {
        let formats = session.result_formats(portal);
        self.columns.clear();
        self.columns.extend(
            session
                .portal_columns(portal)
                .iter()
                .enumerate()
                .map(|(index, column)| (column.ty, formats.get(index).copied().unwrap_or(0))),
        );
        self.settings = (!self.columns.is_empty()).then(|| session.eval_settings());
    }

    /// Appends one row.
    fn row(&self, out: &mut Vec<u8>, row: &[Datum]) -> Result<()> {
        let settings = self.settings(row.len())?;
        let mark = encode::begin(out, b'D');
        out.put_u16(self.columns.len() as u16);
        for (value, (column, format)) in row.iter().zip(&self.columns) {
            if value.is_null() {
                out.put_i32(-1);
                continue;
            }
            let length = encode::begin_value(out);
            match (*format, settings) {
                (0, Some(settings)) => io::output(value, column.ty, column.typmod, settings, out),
                _ => binary::send(value, column.ty, column.typmod, out),
            }
            encode::end_value(out, &length);
        }
        encode::end(out, &mark);
        Ok(())
    }

    /// Appends the rows of a batch from `first` on, until `enough` says so; the number of the row after the last one.
    fn rows(
        &self,
        out: &mut Vec<u8>,
        batch: &Batch,
        first: usize,
        enough: impl Fn(usize) -> bool,
    ) -> Result<usize> {
        let settings = self.settings(batch.columns.len())?;
        for number in first..batch.rows {
            if enough(out.len()) {
                return Ok(number);
            }
            let mark = encode::begin(out, b'D');
            out.put_u16(self.columns.len() as u16);
            for (values, (column, format)) in batch.columns.iter().zip(&self.columns) {
                if values.is_null(number) {
                    out.put_i32(-1);
                    continue;
                }
                let length = encode::begin_value(out);
                match (*format, settings) {
                    (0, Some(settings)) => io::output_vector(values, number, column.typmod, settings, out),
                    _ => binary::send_vector(values, number, column.typmod, out),
                }
                encode::end_value(out, &length);
            }
            encode::end(out, &mark);
        }
        Ok(batch.rows)
    }

    /// The settings to encode rows of so many values with.
    fn settings(&self, values: usize) -> Result<Option<&EvalSettings>> {
        if self.columns.len() == values {
            return Ok(self.settings.as_deref());
        }
        let message = format!("a row of {values} values for {} columns", self.columns.len());
        Err(SqlError::internal(message))
    }
}

/// The sink of a statement that runs on the connection's task.
pub(super) struct Inline<'a> {
    pub out: &'a mut Vec<u8>,
    pub shape: &'a Shape,
    /// Rows encoded.
    pub rows: u64,
    /// COPY TO STDOUT has begun: CopyDone has to follow.
    pub copying: bool,
}

impl Sink for Inline<'_> {
    fn row(&mut self, row: &[Datum]) -> Result<()> {
        self.rows += 1;
        self.shape.row(self.out, row)
    }

    fn batch(&mut self, batch: &Batch) -> Result<()> {
        self.rows += batch.rows as u64;
        self.shape.rows(self.out, batch, 0, |_| false).map(|_| ())
    }

    fn copy_out(&mut self, formats: &[i16]) -> Result<()> {
        self.copying = true;
        encode::copy_out(self.out, formats);
        Ok(())
    }

    fn copy_data(&mut self, data: &[u8]) -> Result<()> {
        encode::copy_data(self.out, data);
        Ok(())
    }
}

/// The sink of a statement that runs on a worker thread: chunks for the connection's task to send.
pub(super) struct Streamed {
    shape: Shape,
    chunk: Vec<u8>,
    chunks: mpsc::Sender<Vec<u8>>,
    connection: Arc<Connection>,
    slots: Limiter,
    rows: u64,
    copying: bool,
}

/// What a worker leaves behind.
pub(super) struct Rest {
    /// Bytes that fill no chunk.
    pub bytes: Vec<u8>,
    /// Rows encoded.
    pub rows: u64,
    /// COPY TO STDOUT has begun: CopyDone has to follow.
    pub copying: bool,
    /// To be used again.
    pub shape: Shape,
}

impl Streamed {
    pub(super) fn new(
        shape: Shape,
        chunks: mpsc::Sender<Vec<u8>>,
        connection: Arc<Connection>,
        slots: Limiter,
    ) -> Self {
        Self { shape, chunk: Vec::new(), chunks, connection, slots, rows: 0, copying: false }
    }

    pub(super) fn finish(self) -> Rest {
        Rest { bytes: self.chunk, rows: self.rows, copying: self.copying, shape: self.shape }
    }

    /// Hands the chunk over when it is full.
    fn hand_over(&mut self) -> Result<()> {
        if self.chunk.len() < SEND_BYTES {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.chunk, Vec::with_capacity(SEND_BYTES + SEND_BYTES / 4));
        let gone = || SqlError::new("08006", "connection to client lost");
        match self.chunks.try_send(chunk) {
            Ok(()) => Ok(()),
            Err(TrySendError::Closed(_)) => Err(gone()),
            Err(TrySendError::Full(chunk)) => {
                self.connection.wait_begin(("Client", "ClientWrite"));
                let sent = self.chunks.blocking_send(chunk);
                self.connection.wait_end(&self.slots);
                sent.map_err(|_| gone())
            }
        }
    }
}

impl Sink for Streamed {
    fn row(&mut self, row: &[Datum]) -> Result<()> {
        self.rows += 1;
        self.shape.row(&mut self.chunk, row)?;
        self.hand_over()
    }

    fn batch(&mut self, batch: &Batch) -> Result<()> {
        self.rows += batch.rows as u64;
        let mut next = 0;
        while next < batch.rows {
            next = self.shape.rows(&mut self.chunk, batch, next, |bytes| bytes >= SEND_BYTES)?;
            self.hand_over()?;
        }
        Ok(())
    }

    fn copy_out(&mut self, formats: &[i16]) -> Result<()> {
        self.copying = true;
        encode::copy_out(&mut self.chunk, formats);
        Ok(())
    }

    fn copy_data(&mut self, data: &[u8]) -> Result<()> {
        encode::copy_data(&mut self.chunk, data);
        self.hand_over()
    }
}
