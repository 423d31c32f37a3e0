//! The simple protocol: one Query message, any number of statements, one implicit transaction.

use std::time::Instant;

use bytes::Bytes;
use plimsoll_sql::SqlError;
use plimsoll_sql::error::Result;
use plimsoll_sql::session::Step;

use super::client::{Client, Flow, Running};
use super::{decode, encode};
use crate::telemetry::kind::StatementKind;

impl Client {
    /// Answers a Query message.
    pub(super) async fn simple_query(&mut self, body: &Bytes) -> Flow {
        self.finish_pending();
        if let Err(error) = self.statements(body).await? {
            self.fail(&error)?;
        }
        self.ready();
        Ok(())
    }

    async fn statements(&mut self, body: &Bytes) -> Flow<Result<()>> {
        let sql = match self.begin_statements(body) {
            Ok(sql) => sql,
            Err(error) => {
                let kind = decode::query(body).map_or(StatementKind::Other, StatementKind::of);
                self.note_failure(kind, &error);
                return Ok(Err(error));
            }
        };
        let mut any = false;
        loop {
            let next = self.session.lock().simple_next();
            let description = match next {
                Ok(Some(description)) => description,
                Ok(None) => break,
                Err(error) => {
                    self.note_failure(StatementKind::of(sql), &error);
                    return Ok(Err(error));
                }
            };
            any = true;
            if let Some(columns) = &description.columns {
                encode::row_description(&mut self.channel.out, columns, &[]);
            }
            if let Err(error) = self.statement().await? {
                return Ok(Err(error));
            }
        }
        if !any {
            encode::empty_query(&mut self.channel.out);
        }
        self.commit().await
    }

    fn begin_statements<'a>(&self, body: &'a Bytes) -> Result<&'a str> {
        let sql = decode::query(body)?;
        if sql.len() > self.limits.query {
            return Err(self.text_too_long(sql.len()));
        }
        self.session.lock().begin_simple(sql)?;
        Ok(sql)
    }

    /// Runs the statement that is bound to the unnamed portal. The last one of the text commits before it is answered, so that a
    /// commit that fails is its error.
    async fn statement(&mut self) -> Flow<Result<()>> {
        let (mut running, result) = self.execute("", 0).await?;
        let mut result = result;
        if result.is_ok() && !self.session.lock().simple_has_more() {
            result = match self.commit().await? {
                Ok(()) => result,
                Err(error) => Err(error),
            };
            running.ended = None;
        }
        running.ended.get_or_insert_with(Instant::now);
        let result = match result {
            Ok(Step::Complete(tag)) => {
                self.notices();
                self.complete(&tag);
                Ok(())
            }
            Ok(_) => Err(SqlError::internal("a simple query's statement was left incomplete")),
            Err(error) => Err(error),
        };
        self.note(&running, result.as_ref().err());
        Ok(result)
    }

    /// The answer to a statement that is complete.
    pub(super) fn complete(&mut self, tag: &str) {
        if tag.is_empty() {
            encode::empty_query(&mut self.channel.out);
        } else {
            encode::command_complete(&mut self.channel.out, tag);
        }
    }

    /// Accounts the statement of the extended protocol that is still open, if there is one.
    pub(super) fn finish_pending(&mut self) {
        if let Some(running) = self.pending.take() {
            self.note(&running, None);
        }
    }
}

impl Running {
    /// A statement that begins.
    pub(super) fn new(kind: StatementKind, sql: Option<std::sync::Arc<str>>, began: Instant) -> Self {
        Self { kind, sql, began, ended: None, rows: 0, copying: false }
    }
}
