//! COPY from the client.
//!
//! The connection's task gathers CopyData into chunks and hands them to one worker thread for the whole COPY, so that
//! reading from the socket and storing rows overlap. The channel between them is short: a client that sends faster than
//! rows are stored waits. While the worker waits for the client it holds no slot.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use plimsoll_sql::SqlError;
use plimsoll_sql::context::QueryContext;
use plimsoll_sql::error::{Result, sqlstate};
use plimsoll_sql::session::{Mode, Session, Step};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;

use super::channel::Incoming;
use super::client::{Client, Flow, Stop};
use super::execute::Released;
use super::{decode, encode};
use crate::pool::{Connection, Limiter};

/// Bytes handed to the worker at once.
const CHUNK_BYTES: usize = 256 << 10;
/// Chunks on the way to the worker.
const CHUNKS_UNDERWAY: usize = 2;

/// What the worker gets.
enum Part {
    Data(Bytes),
    Done,
    /// The client gave up, with its reason.
    Failed(String),
    /// Something else ends the COPY.
    Aborted(SqlError),
}

impl Client {
    /// Asks for data and stores it; complete, or failed, when this returns.
    pub(super) async fn copy_in(&mut self, formats: &[i16], query: Arc<QueryContext>) -> Flow<Result<Step>> {
        if let Err(error) = self.admit(&query).await? {
            return Ok(Err(error));
        }
        encode::copy_in(&mut self.channel.out, formats);
        let (sender, parts) = mpsc::channel(CHUNKS_UNDERWAY);
        let worker = tokio::task::spawn_blocking({
            let (session, connection) = (self.session.clone(), self.connection.clone());
            let (slots, query) = (self.server.statement_slots.clone(), query.clone());
            move || {
                let _slot = Released(connection.clone());
                store(&mut session.lock(), parts, &query, &connection, &slots)
            }
        });
        let fed = match self.channel.flush().await {
            Ok(()) => self.feed(sender, &query).await,
            Err(_) => Err(Stop::Gone),
        };
        let ended = worker.await;
        fed?;
        ended.map_err(|_panic| {
            Stop::Fatal(SqlError::internal("the server failed while it executed the statement"))
        })
    }

    /// Feeds the worker until the client is done, or either gives up. Dropping the sender tells the worker.
    async fn feed(&mut self, sender: mpsc::Sender<Part>, query: &QueryContext) -> Flow {
        let mut chunk = BytesMut::new();
        loop {
            let last = match self.channel.next(self.limits) {
                Ok(Incoming::Message(b'd', body)) => {
                    chunk.extend_from_slice(&body);
                    None
                }
                // As PostgreSQL does, for clients that send them without looking.
                Ok(Incoming::Message(b'H' | b'S', _)) => None,
                Ok(Incoming::Message(b'c', _)) => Some(Part::Done),
                Ok(Incoming::Message(b'f', body)) => Some(
                    decode::copy_fail(&body).map_or_else(Part::Aborted, |why| Part::Failed(why.to_owned())),
                ),
                Ok(Incoming::Message(b'X', _)) => return Err(Stop::Gone),
                Ok(Incoming::Message(tag, _)) => Some(Part::Aborted(SqlError::new(
                    sqlstate::PROTOCOL_VIOLATION,
                    format!("unexpected message type 0x{tag:02X} during COPY from stdin"),
                ))),
                Ok(Incoming::TooLong(_, bytes)) => Some(Part::Aborted(SqlError::new(
                    sqlstate::OUT_OF_MEMORY,
                    format!("a message of {bytes} bytes exceeds the limit of {} bytes", self.limits.data),
                ))),
                Ok(Incoming::Nothing) => {
                    match self.more(&sender, query).await? {
                        Ok(()) => None,
                        // The worker has failed; it knows why.
                        Err(None) => return Ok(()),
                        Err(Some(error)) => Some(Part::Aborted(error)),
                    }
                }
                Err(error) => return Err(Stop::Fatal(error)),
            };
            if (last.is_some() && !chunk.is_empty()) || chunk.len() >= CHUNK_BYTES {
                let data = Part::Data(std::mem::take(&mut chunk).freeze());
                if sender.send(data).await.is_err() {
                    return Ok(());
                }
            }
            if let Some(last) = last {
                // Where this cannot be sent the worker has failed.
                let _ = sender.send(last).await;
                return Ok(());
            }
        }
    }

    /// Waits for more from the client. Fails with an error to abort with, or with none where the worker has ended.
    async fn more(
        &mut self,
        sender: &mpsc::Sender<Part>,
        query: &QueryContext,
    ) -> Flow<Result<(), Option<SqlError>>> {
        let connection = &self.connection;
        let stop = async move {
            loop {
                if let Err(error) = query.check() {
                    return error;
                }
                connection.signalled().await;
            }
        };
        let deadline = async {
            match query.deadline {
                Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            read = self.channel.fill() => match read {
                Ok(0) | Err(_) => Err(Stop::Gone),
                Ok(_) => Ok(Ok(())),
            },
            () = sender.closed() => Ok(Err(None)),
            error = stop => Ok(Err(Some(error))),
            () = deadline => Ok(Err(query.check().err())),
        }
    }
}

/// The worker's side: stores what comes until it is done.
fn store(
    session: &mut Session,
    mut parts: mpsc::Receiver<Part>,
    query: &QueryContext,
    connection: &Connection,
    slots: &Limiter,
) -> Result<Step> {
    loop {
        let part = match parts.try_recv() {
            Ok(part) => Some(part),
            Err(TryRecvError::Disconnected) => None,
            Err(TryRecvError::Empty) => {
                connection.wait_begin(("Client", "ClientRead"));
                let part = parts.blocking_recv();
                connection.wait_end(slots);
                part
            }
        };
        match part {
            Some(Part::Data(data)) => session.copy_data(&data, query)?,
            Some(Part::Done) => return session.copy_done(query, Mode::Worker),
            Some(Part::Failed(why)) => return Err(session.copy_fail(&why)),
            Some(Part::Aborted(error)) => {
                session.copy_fail(&error.fields().message);
                return Err(error);
            }
            None => return Err(session.copy_fail("client connection lost")),
        }
    }
}
