//! PostgreSQL's protocol, version 3.0: the listener and what it hands each socket to.
//!
//! ```text
//!   listener ──► startup (encryption refused, SCRAM, slot of the pool)
//!                   └──► client: the message loop ──┬─ simple: Query
//!                                                   ├─ extended: Parse Bind Describe Execute Close Sync
//!                                                   └─ execute: inline │ worker thread │ copy
//!   channel: bytes ◄──► messages        decode, encode: bodies        rows: values ──► DataRow
//! ```
//!
//! Answers are gathered and sent once, when the client waits for them: at Sync, at Flush, at the end of a simple query. A
//! point statement is read, run and answered on the connection's own task, with one read and one write.
//!
//! pgwire encodes and decodes what is rare and does SCRAM; its default handlers flush each message, so the message loop is
//! ours.

mod auth;
mod channel;
mod client;
mod copy;
mod decode;
mod encode;
mod execute;
mod extended;
mod rows;
mod simple;
mod startup;

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

pub use auth::Credentials;

use crate::pool::{Connection, Limiter};
use crate::server::Server;
use channel::Channel;
use startup::{Admitted, Refused};

/// Accepts connections for ever; each has a task of its own.
pub async fn listen(server: Arc<Server>, listener: TcpListener) {
    let strangers = Limiter::new(startup::STRANGERS_MAX);
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Over that many a socket is closed without an answer, before it costs anything.
                let Some(stranger) = strangers.try_acquire() else { continue };
                let server = server.clone();
                tokio::spawn(async move {
                    let admitted = startup::admit(&server, stream, peer).await;
                    drop(stranger);
                    match admitted {
                        Ok(admitted) => serve(server, admitted).await,
                        Err(Refused::Gone) => {}
                        Err(Refused::Because(refused)) => {
                            let (mut channel, error) = *refused;
                            farewell(&mut channel, &error).await;
                        }
                    }
                });
            }
            Err(error) => {
                // Out of file descriptors, most likely: others have to end first.
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Serves a client to its end.
async fn serve(server: Arc<Server>, admitted: Admitted) {
    let connection = admitted.connection.clone();
    let _known = Known::new(&server, connection);
    client::run(&server, admitted).await;
}

/// A connection in the registry, for as long as this lives: also when its task panics or is dropped.
struct Known {
    server: Arc<Server>,
    connection: Arc<Connection>,
}

impl Known {
    fn new(server: &Arc<Server>, connection: Arc<Connection>) -> Self {
        server.registry.add(connection.clone());
        server.telemetry.metrics.connection_opened();
        tracing::debug!(connection = connection.id, peer = %connection.peer, "connection begins");
        Self { server: server.clone(), connection }
    }
}

impl Drop for Known {
    fn drop(&mut self) {
        self.server.registry.remove(self.connection.id);
        tracing::debug!(connection = self.connection.id, "connection ends");
    }
}

/// Sends a last error. A client that does not take it within a second goes without.
async fn farewell(channel: &mut Channel, error: &plimsoll_sql::SqlError) {
    encode::error(&mut channel.out, error, encode::Severity::Fatal);
    let _ = tokio::time::timeout(Duration::from_secs(1), channel.flush()).await;
}
