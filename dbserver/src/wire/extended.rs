//! The extended protocol: Parse, Bind, Describe, Execute, Close, and Sync, which ends the implicit transaction.

use std::fmt::Write;

use bytes::Bytes;
use plimsoll_sql::SqlError;
use plimsoll_sql::error::Result;
use plimsoll_sql::session::Step;

use super::client::{Client, Flow};
use super::decode::{self, Bind, Target};
use super::encode;
use crate::config::QueryLog;
use crate::telemetry::kind::StatementKind;

impl Client {
    /// Answers one message of an extended query.
    pub(super) async fn extended(&mut self, tag: u8, body: &Bytes) -> Flow<Result<()>> {
        match tag {
            b'P' => Ok(self.parse(body)),
            b'B' => Ok(self.bind(body)),
            b'D' => Ok(self.describe(body)),
            b'C' => Ok(self.close(body)),
            _ => self.execute_portal(body).await,
        }
    }

    fn parse(&mut self, body: &Bytes) -> Result<()> {
        let parse = decode::parse(body)?;
        let result = if parse.sql.len() > self.limits.query {
            Err(self.text_too_long(parse.sql.len()))
        } else {
            self.session.lock().parse(parse.name, parse.sql, &parse.types)
        };
        if let Err(error) = &result {
            self.finish_pending();
            self.note_failure(StatementKind::of(parse.sql), error);
        }
        result?;
        self.notices();
        encode::parse_complete(&mut self.channel.out);
        Ok(())
    }

    fn bind(&mut self, body: &Bytes) -> Result<()> {
        let bind = decode::bind(body)?;
        let result =
            self.session.lock().bind(bind.portal, bind.statement, &bind.params, &bind.result_formats);
        if let Err(error) = &result {
            self.finish_pending();
            self.note_failure(StatementKind::Other, error);
        }
        result?;
        self.keep_parameters(&bind);
        encode::bind_complete(&mut self.channel.out);
        Ok(())
    }

    /// Keeps the values for the query log, where it wants them.
    fn keep_parameters(&mut self, bind: &Bind<'_>) {
        let settings = self.server.settings();
        let logging = &settings.config.logging;
        self.parameters.clear();
        if !logging.parameters || logging.queries == QueryLog::None {
            return;
        }
        for (index, value) in bind.params.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            // Writing to a string cannot fail.
            let _ = match value {
                None => write!(self.parameters, "{separator}${} = null", index + 1),
                Some((0, text)) => {
                    let text = String::from_utf8_lossy(text);
                    write!(self.parameters, "{separator}${} = '{}'", index + 1, text.replace('\'', "''"))
                }
                Some((_, bytes)) => {
                    let hex = bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
                    write!(self.parameters, "{separator}${} = '\\x{hex}'", index + 1)
                }
            };
        }
    }

    fn describe(&mut self, body: &Bytes) -> Result<()> {
        let target = decode::target(body)?;
        let mut session = self.session.lock();
        let out = &mut self.channel.out;
        let (description, formats) = match target {
            Target::Statement(name) => {
                let description = session.describe_statement(name)?;
                encode::parameter_description(out, description.params.iter().map(|ty| ty.0));
                (description, Vec::new())
            }
            Target::Portal(name) => {
                // What drivers ask before each execution: answered without copying the columns.
                let columns = session.portal_columns(name);
                if !columns.is_empty() {
                    encode::row_description(out, columns, session.result_formats(name));
                    return Ok(());
                }
                session.describe_portal(name)?
            }
        };
        match &description.columns {
            Some(columns) => encode::row_description(out, columns, &formats),
            None => encode::no_data(out),
        }
        Ok(())
    }

    fn close(&mut self, body: &Bytes) -> Result<()> {
        match decode::target(body)? {
            Target::Statement(name) => self.session.lock().close_statement(name),
            Target::Portal(name) => self.session.lock().close_portal(name),
        }
        encode::close_complete(&mut self.channel.out);
        Ok(())
    }

    async fn execute_portal(&mut self, body: &Bytes) -> Flow<Result<()>> {
        self.finish_pending();
        let (portal, rows) = match decode::execute(body) {
            Ok(message) => message,
            Err(error) => return Ok(Err(error)),
        };
        let (running, result) = self.execute(portal, rows).await?;
        self.notices();
        let result = match result {
            Ok(Step::Complete(tag)) => {
                self.complete(&tag);
                Ok(())
            }
            Ok(Step::Suspended) => {
                encode::portal_suspended(&mut self.channel.out);
                Ok(())
            }
            Ok(_) => Err(SqlError::internal("a portal was left incomplete")),
            Err(error) => Err(error),
        };
        match &result {
            Ok(()) => self.pending = Some(running),
            Err(error) => self.note(&running, Some(error)),
        }
        Ok(result)
    }

    /// Sync: commits the implicit transaction; a commit that fails is the error of the statement before.
    pub(super) async fn sync(&mut self) -> Flow {
        let skipped = std::mem::take(&mut self.skip_to_sync);
        let result = self.commit().await?;
        if let Some(mut running) = self.pending.take() {
            if !skipped {
                running.ended = None;
            }
            self.note(&running, result.as_ref().err());
        }
        if let Err(error) = result {
            self.fail(&error)?;
        }
        self.ready();
        Ok(())
    }
}
