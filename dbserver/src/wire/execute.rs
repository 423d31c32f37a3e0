//! Running a portal: on the connection's task as far as that goes, on a worker thread where it takes computing.
//!
//! ```text
//!   execute(Inline) ──► Complete                      a point statement: no other task, thread or channel
//!        │ ▲
//!        │ └── Wait: lock or commit, awaited here; a lock also until deadline, cancel, end of the client
//!        └── Offload ──► slot of the pool ──► worker thread: execute(Worker) ──chunks──► socket
//! ```

use std::sync::Arc;
use std::time::{Duration, Instant};

use plimsoll_sql::SqlError;
use plimsoll_sql::context::{MemoryAccount, QueryContext};
use plimsoll_sql::error::{Result, sqlstate};
use plimsoll_sql::session::{Mode, Session, Sink, StatementInfo, Step, Wait};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::channel::Channel;
use super::client::{Client, Flow, Running, Stop};
use super::encode;
use super::rows::{Inline, Rest, Streamed};
use crate::pool::{CloseReason, Connection};
use crate::telemetry::kind::StatementKind;
use crate::telemetry::metrics::Resource;

/// Chunks of a result on the way from a worker thread to the socket.
const CHUNKS_UNDERWAY: usize = 4;

impl Client {
    /// Runs a portal to its end, or for so many rows (0 for all). COPY from the client is complete when this returns.
    pub(super) async fn execute(&mut self, portal: &str, rows_max: u64) -> Flow<(Running, Result<Step>)> {
        let (info, text, query) = {
            let session = self.session.lock();
            let info = session.portal_info(portal);
            self.shape.load(&session, portal);
            (info, session.portal_text(portal), self.query_context(&session, info))
        };
        let sql = text.as_deref().unwrap_or("");
        self.connection.set_query(sql, self.mark);
        let kind = info.map_or(StatementKind::Other, |info| StatementKind::of_parsed(info.kind, sql));
        let mut running = Running::new(kind, text, self.mark);
        let result = self.run(portal, rows_max, query, &mut running).await?;
        if let Ok(Step::Complete(tag)) = &result {
            // The count that ends the tag: rows returned or changed.
            running.rows = tag.rsplit(' ').next().and_then(|count| count.parse().ok()).unwrap_or(0);
        }
        running.ended = Some(Instant::now());
        Ok((running, result))
    }

    async fn run(
        &mut self,
        portal: &str,
        rows_max: u64,
        query: QueryContext,
        running: &mut Running,
    ) -> Flow<Result<Step>> {
        let mut step = loop {
            let step = {
                let mut sink =
                    Inline { out: &mut self.channel.out, shape: &self.shape, rows: 0, copying: false };
                let step = self.session.lock().execute(portal, rows_max, &query, &mut sink, Mode::Inline);
                running.rows += sink.rows;
                running.copying |= sink.copying;
                step
            };
            match step {
                Ok(Step::Wait(wait)) => {
                    if let Err(error) = self.wait(wait, &query).await? {
                        return Ok(Err(error));
                    }
                }
                step => break step,
            }
        };
        let query = Arc::new(query);
        if let Ok(Step::Offload) = step {
            let (portal, context) = (portal.to_owned(), query.clone());
            let work = move |session: &mut Session, sink: &mut dyn Sink| {
                session.execute(&portal, rows_max, &context, sink, Mode::Worker)
            };
            step = self.on_worker(&query, running, work).await?;
        }
        match step {
            Ok(Step::CopyIn(formats)) => self.copy_in(&formats, query).await,
            Ok(Step::Wait(_) | Step::Offload) => {
                Ok(Err(SqlError::internal("a worker thread was asked to wait")))
            }
            step => {
                if running.copying && step.is_ok() {
                    encode::copy_done(&mut self.channel.out);
                }
                Ok(step)
            }
        }
    }

    /// Ends the implicit transaction. When this is over it is durable.
    pub(super) async fn commit(&mut self) -> Flow<Result<()>> {
        loop {
            let step = self.session.lock().sync(Mode::Inline);
            match step {
                Ok(Step::Wait(Wait::Commit(ticket))) => {
                    if let Err(error) = self.durable(ticket).await? {
                        return Ok(Err(error));
                    }
                }
                Ok(Step::Wait(lock)) => {
                    let query = self.query_context(&self.session.lock(), None);
                    if let Err(error) = self.wait(lock, &query).await? {
                        return Ok(Err(error));
                    }
                }
                Ok(Step::Offload) => {
                    let query = Arc::new(self.query_context(&self.session.lock(), None));
                    let mut running = Running::new(StatementKind::Commit, None, self.mark);
                    let work = |session: &mut Session, _: &mut dyn Sink| session.sync(Mode::Worker);
                    let result = self.on_worker(&query, &mut running, work).await?;
                    return Ok(result.map(|_| ()));
                }
                Ok(_) => return Ok(Ok(())),
                Err(error) => return Ok(Err(error)),
            }
        }
    }

    /// The limits of a statement that begins now.
    fn query_context(&self, session: &Session, info: Option<StatementInfo>) -> QueryContext {
        let settings = self.server.settings();
        let limits = &settings.config.limits;
        let own = session.statement_timeout();
        let bulk = info.is_some_and(|info| info.bulk);
        let timeout = if bulk {
            // A statement_timeout below the server's limit was asked for by the client and counts for bulk work too.
            let asked = own.filter(|own| limits.query_timeout.0.is_none_or(|limit| *own < limit));
            [asked, limits.bulk_timeout.0].into_iter().flatten().min()
        } else {
            [own, limits.query_timeout.0].into_iter().flatten().min()
        };
        QueryContext {
            deadline: timeout.and_then(|timeout| self.mark.checked_add(timeout)),
            cancel: self.connection.cancel.clone(),
            memory: MemoryAccount::new(
                "query",
                settings.config.max_query_memory(),
                Some(self.memory.clone()),
            ),
            rows_max: if info.is_none_or(|info| info.counts_rows) { limits.max_rows } else { u64::MAX },
            rows: 0.into(),
        }
    }

    /// Awaits what a statement waits for.
    async fn wait(&mut self, wait: Wait, query: &QueryContext) -> Flow<Result<()>> {
        let lock = match wait {
            Wait::Commit(ticket) => return self.durable(ticket).await,
            Wait::Lock(lock) => lock,
        };
        self.flush_due().await?;
        let lock_timeout = self.session.lock().lock_timeout();
        let gives_up = lock_timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        *self.connection.wait_event.lock() = ("Lock", "transactionid");
        let waited = tokio::select! {
            biased;
            waited = lock => waited.map_err(SqlError::from),
            stopped = stopped(&self.channel, &self.connection, query) => stopped,
            () = until(gives_up) => {
                let message = "canceling statement due to lock timeout";
                Err(SqlError::new(sqlstate::LOCK_NOT_AVAILABLE, message))
            }
        };
        *self.connection.wait_event.lock() = ("", "");
        Ok(waited)
    }

    /// Awaits the durability of a commit. Nothing cuts this short: the client must learn what became of it.
    async fn durable(&mut self, ticket: plimsoll_storage::CommitTicket) -> Flow<Result<()>> {
        if ticket.is_resolved() {
            return Ok(ticket.await.map_err(SqlError::from));
        }
        self.flush_due().await?;
        *self.connection.wait_event.lock() = ("IO", "WALSync");
        let durable = ticket.await.map_err(SqlError::from);
        *self.connection.wait_event.lock() = ("", "");
        Ok(durable)
    }

    /// Sends answers to earlier messages that the client waits for, before this one makes it wait longer.
    async fn flush_due(&mut self) -> Flow {
        if std::mem::take(&mut self.answer_due) {
            self.channel.flush().await?;
        }
        Ok(())
    }

    /// Waits for a slot of the pool.
    pub(super) async fn admit(&mut self, query: &QueryContext) -> Flow<Result<()>> {
        self.flush_due().await?;
        let began = Instant::now();
        let slot = match self.server.statement_slots.try_acquire() {
            Some(slot) => slot,
            None => {
                *self.connection.wait_event.lock() = ("Pool", "activeStatements");
                let slot = tokio::select! {
                    biased;
                    slot = self.server.statement_slots.acquire() => Ok(slot),
                    stopped = stopped(&self.channel, &self.connection, query) => Err(stopped.err()),
                };
                *self.connection.wait_event.lock() = ("", "");
                match slot {
                    Ok(slot) => slot,
                    Err(error) => return Ok(Err(error.unwrap_or_else(|| SqlError::internal("no slot")))),
                }
            }
        };
        self.server.telemetry.metrics.pool_wait(Resource::Statement, began.elapsed());
        self.connection.hold(slot);
        Ok(Ok(()))
    }

    /// Runs work on a worker thread and sends its rows as they come.
    async fn on_worker<W>(
        &mut self,
        query: &Arc<QueryContext>,
        running: &mut Running,
        work: W,
    ) -> Flow<Result<Step>>
    where
        W: FnOnce(&mut Session, &mut dyn Sink) -> Result<Step> + Send + 'static,
    {
        if let Err(error) = self.admit(query).await? {
            return Ok(Err(error));
        }
        let (sender, mut chunks) = mpsc::channel(CHUNKS_UNDERWAY);
        let (session, connection) = (self.session.clone(), self.connection.clone());
        let shape = std::mem::take(&mut self.shape);
        let mut sink = Streamed::new(shape, sender, connection.clone(), self.server.statement_slots.clone());
        let worker: JoinHandle<(Result<Step>, Rest)> = tokio::task::spawn_blocking(move || {
            let _slot = Released(connection);
            let result = work(&mut session.lock(), &mut sink);
            (result, sink.finish())
        });
        let sent = self.forward(&mut chunks, query).await;
        if sent.is_err() {
            // No one waits for the rest: the worker finds its channel closed, or that it is cancelled.
            query.cancel.request();
            drop(chunks);
        }
        let ended = worker.await;
        sent?;
        let (result, rest) = ended.map_err(|_panic| {
            Stop::Fatal(SqlError::internal("the server failed while it executed the statement"))
        })?;
        self.shape = rest.shape;
        running.rows += rest.rows;
        running.copying |= rest.copying;
        self.channel.out.extend_from_slice(&rest.bytes);
        Ok(result)
    }

    /// Sends chunks until there are no more.
    async fn forward(&mut self, chunks: &mut mpsc::Receiver<Vec<u8>>, query: &QueryContext) -> Flow {
        let mut watching = true;
        loop {
            let chunk = tokio::select! {
                biased;
                chunk = chunks.recv() => chunk,
                () = self.channel.client_gone(), if watching => {
                    watching = false;
                    query.cancel.request();
                    continue;
                }
            };
            let Some(chunk) = chunk else { return Ok(()) };
            tokio::select! {
                biased;
                sent = self.channel.send(&chunk) => sent?,
                // Half a message is sent: the connection cannot go on.
                stop = unsendable(&self.connection, query) => return Err(stop),
            }
        }
    }
}

/// Gives the slot back when the work is over, however it ends.
pub(super) struct Released(pub Arc<Connection>);

impl Drop for Released {
    fn drop(&mut self) {
        self.0.release();
    }
}

/// Resolves, with the error, when a statement that waits has to stop: its deadline, a cancel request, the end of the
/// client or of the server.
pub(super) async fn stopped(channel: &Channel, connection: &Connection, query: &QueryContext) -> Result<()> {
    loop {
        query.check()?;
        tokio::select! {
            biased;
            () = connection.signalled() => {
                if connection.closing() == Some(CloseReason::Terminated) {
                    query.cancel.shut_down();
                }
            }
            () = until(query.deadline) => {}
            () = channel.client_gone() => query.cancel.request(),
        }
    }
}

/// Resolves when a client that does not read its rows has to be given up.
async fn unsendable(connection: &Connection, query: &QueryContext) -> Stop {
    loop {
        tokio::select! {
            () = connection.signalled() => {}
            () = until(query.deadline) => {
                let message = "canceling statement due to statement timeout";
                return Stop::Fatal(SqlError::new(sqlstate::QUERY_CANCELED, message));
            }
        }
        // A cancel request alone does not break a connection: the rest arrives once the client reads again.
        let terminated = connection.closing() == Some(CloseReason::Terminated);
        if terminated || query.check().is_err_and(|error| error.sqlstate() == sqlstate::ADMIN_SHUTDOWN) {
            return Stop::closed(CloseReason::Terminated);
        }
    }
}

/// Resolves at a moment; never without one.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => {
            tokio::time::sleep(moment.saturating_duration_since(Instant::now()).max(Duration::from_millis(1)))
                .await
        }
        None => std::future::pending().await,
    }
}
