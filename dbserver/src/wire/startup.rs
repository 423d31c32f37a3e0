//! From an accepted socket to a session: encryption refused, version negotiated, password checked, slot taken.
//!
//! ```text
//!   SSLRequest / GSSENCRequest ──► 'N', once each
//!   CancelRequest ──► cancels by id and secret, no answer
//!   StartupMessage ──► SCRAM-SHA-256 where a password is set ──► slot of the pool ──► parameters, key, ReadyForQuery
//! ```
//!
//! A connection counts against `pool.maxConnections` only once it is authenticated, so strangers cannot use up the
//! pool; of those that are not there are at most [`STRANGERS_MAX`], each for at most [`AUTHENTICATION_TIME`].

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use pgwire::messages::startup::Startup;
use pgwire::messages::{DecodeContext, Message};
use plimsoll_sql::SqlError;
use plimsoll_sql::error::sqlstate;
use tokio::net::TcpStream;

use super::auth::{Exchange, Failure, MECHANISM};
use super::channel::{Channel, Incoming, MessageLimits};
use super::{decode, encode};
use crate::config::DEFAULT_NAME;
use crate::pool::{Connection, Slot};
use crate::server::{Phase, Server};
use crate::telemetry::metrics::Resource;

/// How long a client may take to say who it is.
const AUTHENTICATION_TIME: Duration = Duration::from_secs(60);
/// Sockets that are not authenticated or wait for a slot, at one time.
pub(super) const STRANGERS_MAX: usize = 2_000;
/// PostgreSQL's limit of the first packet.
const STARTUP_BYTES_MAX: usize = 10_000;

const PROTOCOL_3_0: i32 = 3 << 16;
const CANCEL_REQUEST: i32 = 80_877_102;
const SSL_REQUEST: i32 = 80_877_103;
const GSSENC_REQUEST: i32 = 80_877_104;

/// A client that may begin.
pub(super) struct Admitted {
    pub channel: Channel,
    pub connection: Arc<Connection>,
    /// The startup parameters besides user and database.
    pub parameters: BTreeMap<String, String>,
    /// Given back when the connection ends.
    pub slot: Slot,
}

/// How a startup ended without a session.
pub(super) enum Refused {
    /// The client closed, or only asked to cancel.
    Gone,
    /// The client gets this error.
    Because(Box<(Channel, SqlError)>),
}

impl From<io::Error> for Refused {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

/// Brings a socket to where a session can begin.
pub(super) async fn admit(
    server: &Arc<Server>,
    stream: TcpStream,
    peer: SocketAddr,
) -> Result<Admitted, Refused> {
    // Answers are gathered before they are sent, so there is nothing for Nagle's algorithm to gather.
    let _ = stream.set_nodelay(true);
    let mut channel = Channel::new(stream);
    let startup = tokio::time::timeout(AUTHENTICATION_TIME, async {
        let Some(startup) = first_packet(server, &mut channel).await? else { return Ok(None) };
        check(server, &mut channel, startup).await
    });
    let error = match startup.await {
        Ok(Ok(Some((user, parameters)))) => match take_slot(server, &channel).await {
            Ok(Some(slot)) => {
                let (id, secret) = (server.registry.next_id(), rand::random());
                let connection = Arc::new(Connection::new(id, secret, peer, user));
                return Ok(Admitted { channel, connection, parameters, slot });
            }
            Ok(None) => return Err(Refused::Gone),
            Err(error) => error,
        },
        Ok(Ok(None)) | Ok(Err(Stop::Gone)) | Err(_) => return Err(Refused::Gone),
        Ok(Err(Stop::Error(error))) => error,
    };
    server.telemetry.metrics.connection_refused(error.sqlstate());
    tracing::debug!(%peer, %error, "connection refused");
    Err(Refused::Because(Box::new((channel, error))))
}

enum Stop {
    Gone,
    Error(SqlError),
}

impl From<io::Error> for Stop {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

impl From<SqlError> for Stop {
    fn from(error: SqlError) -> Self {
        Self::Error(error)
    }
}

/// Reads to the startup message, answering what may come before it.
async fn first_packet(server: &Server, channel: &mut Channel) -> Result<Option<Startup>, Stop> {
    let (mut ssl_asked, mut gss_asked) = (false, false);
    loop {
        let Some(packet) = channel.startup_packet(STARTUP_BYTES_MAX).await? else { return Ok(None) };
        let Some((code, rest)) = packet.split_first_chunk::<4>() else { return Ok(None) };
        match i32::from_be_bytes(*code) {
            CANCEL_REQUEST => {
                if let Some((id, rest)) = rest.split_first_chunk::<4>()
                    && let Some((secret, _)) = rest.split_first_chunk::<4>()
                {
                    server.registry.cancel(i32::from_be_bytes(*id), i32::from_be_bytes(*secret));
                }
                return Ok(None);
            }
            code @ (SSL_REQUEST | GSSENC_REQUEST) => {
                let asked = if code == SSL_REQUEST { &mut ssl_asked } else { &mut gss_asked };
                if std::mem::replace(asked, true) || channel.has_unread() {
                    let message = "received unencrypted data after a request for encryption";
                    return Err(SqlError::new(sqlstate::PROTOCOL_VIOLATION, message).into());
                }
                channel.out.extend_from_slice(b"N");
                channel.flush().await?;
            }
            version if version >> 16 == 3 => return startup(channel, &packet, version).map(Some),
            version => {
                let message = format!(
                    "unsupported frontend protocol {}.{}: server supports 3.0 to 3.0",
                    version >> 16,
                    version & 0xffff
                );
                return Err(SqlError::new(sqlstate::FEATURE_NOT_SUPPORTED, message).into());
            }
        }
    }
}

/// Reads the startup message, and negotiates version and options down to ours where they are newer.
fn startup(channel: &mut Channel, packet: &Bytes, version: i32) -> Result<Startup, Stop> {
    let malformed = || SqlError::new(sqlstate::PROTOCOL_VIOLATION, "invalid startup packet layout");
    let length = packet.remaining() + 4;
    let mut body = BytesMut::from(&packet[..]);
    let mut startup =
        Startup::decode_body(&mut body, length, &DecodeContext::default()).map_err(|_| malformed())?;
    let unknown: Vec<String> =
        startup.parameters.keys().filter(|name| name.starts_with("_pq_.")).cloned().collect();
    for name in &unknown {
        startup.parameters.remove(name);
    }
    if version > PROTOCOL_3_0 || !unknown.is_empty() {
        encode::negotiate_version(&mut channel.out, PROTOCOL_3_0, unknown);
    }
    Ok(startup)
}

/// Checks phase, user, password and database: the user's name, and the parameters that are settings.
async fn check(
    server: &Server,
    channel: &mut Channel,
    startup: Startup,
) -> Result<Option<(String, BTreeMap<String, String>)>, Stop> {
    match server.phase() {
        Phase::Ready => {}
        Phase::Recovering => {
            return Err(
                SqlError::new(sqlstate::CANNOT_CONNECT_NOW, "the database system is starting up").into()
            );
        }
        Phase::Draining => {
            let message = "the database system is shutting down";
            return Err(SqlError::new(sqlstate::CANNOT_CONNECT_NOW, message).into());
        }
    }
    let mut parameters = startup.parameters;
    let user = parameters.remove("user").filter(|user| !user.is_empty()).ok_or_else(|| {
        let message = "no PostgreSQL user name specified in startup packet";
        SqlError::new(sqlstate::INVALID_AUTHORIZATION, message)
    })?;
    let database = parameters.remove("database").filter(|name| !name.is_empty());
    let database = database.unwrap_or_else(|| user.clone());
    if parameters.remove("replication").is_some_and(|on| !matches!(&*on, "false" | "off" | "no" | "0")) {
        return Err(SqlError::unsupported("streaming replication").into());
    }
    if !authenticate(server, channel, &user).await? {
        return Ok(None);
    }
    if database != DEFAULT_NAME {
        let message = format!("database \"{database}\" does not exist");
        return Err(SqlError::new(sqlstate::INVALID_CATALOG_NAME, message).into());
    }
    Ok(Some((user, parameters)))
}

/// Checks that the client may be this user; false when it has gone.
async fn authenticate(server: &Server, channel: &mut Channel, user: &str) -> Result<bool, Stop> {
    let settings = server.settings();
    let limits = MessageLimits { query: 0, data: 0 };
    let known = user == settings.config.auth.user;
    let Some(credentials) = &settings.credentials else {
        if !known {
            let message = format!("role \"{user}\" does not exist");
            return Err(SqlError::new(sqlstate::INVALID_AUTHORIZATION, message).into());
        }
        encode::authentication_ok(&mut channel.out);
        return Ok(true);
    };
    let refuse = |failure: Failure| match failure {
        Failure::Malformed => SqlError::new(sqlstate::PROTOCOL_VIOLATION, "malformed SCRAM message"),
        Failure::Wrong => SqlError::new(
            sqlstate::INVALID_PASSWORD,
            format!("password authentication failed for user \"{user}\""),
        ),
    };
    encode::sasl_mechanisms(&mut channel.out, MECHANISM);
    let Some(initial) = password_message(channel, limits).await? else { return Ok(false) };
    let (mechanism, data) = decode::sasl_initial(&initial)?;
    if mechanism != MECHANISM {
        let message = "client selected an invalid SASL authentication mechanism";
        return Err(SqlError::new(sqlstate::PROTOCOL_VIOLATION, message).into());
    }
    let (reply, exchange) = Exchange::begin(data, known.then_some(credentials)).map_err(refuse)?;
    encode::sasl_continue(&mut channel.out, reply);
    let Some(proof) = password_message(channel, limits).await? else { return Ok(false) };
    let reply = exchange.finish(&proof).map_err(refuse)?;
    encode::sasl_final(&mut channel.out, reply);
    encode::authentication_ok(&mut channel.out);
    Ok(true)
}

/// Sends what is gathered and waits for the client's next message of the exchange.
async fn password_message(channel: &mut Channel, limits: MessageLimits) -> Result<Option<Bytes>, Stop> {
    channel.flush().await?;
    loop {
        match channel.next(limits)? {
            Incoming::Message(b'p', body) => return Ok(Some(body)),
            Incoming::Nothing => {
                if channel.fill().await? == 0 {
                    return Ok(None);
                }
            }
            Incoming::Message(tag, _) | Incoming::TooLong(tag, _) => {
                let message = format!("expected SASL response, got message type {tag}");
                return Err(SqlError::new(sqlstate::PROTOCOL_VIOLATION, message).into());
            }
        }
    }
}

/// Waits for a slot of the pool; none when the client went away meanwhile, 53300 when none came free in time.
async fn take_slot(server: &Server, channel: &Channel) -> Result<Option<Slot>, SqlError> {
    let patience = server.settings().config.pool.acquire_timeout.0;
    let waited = tokio::select! {
        biased;
        waited = server.connection_slots.acquire_within(patience) => waited,
        () = channel.client_gone() => return Ok(None),
    };
    match waited {
        Ok((slot, waited)) => {
            server.telemetry.metrics.pool_wait(Resource::Connection, waited);
            Ok(Some(slot))
        }
        Err(_) => {
            server.telemetry.metrics.pool_wait(Resource::Connection, patience);
            Err(SqlError::new(sqlstate::TOO_MANY_CONNECTIONS, "sorry, too many clients already").with_hint(
                format!(
                    "The server takes {} connections (pool.maxConnections).",
                    server.connection_slots.limit()
                ),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::watch::Loaded;
    use crate::config::{Config, Password};
    use crate::telemetry::logging::LogControl;
    use tokio_postgres::NoTls;

    /// A listener before any database is open: who may come in is told that it is starting up.
    async fn listening(password: Option<&str>, phase: Phase) -> u16 {
        let config =
            Config::parse("pool: {maxConnections: 1, acquireTimeout: 0}").unwrap().resolve(8 << 30, 2);
        let loaded = Loaded { config, password: password.map(Password::new) };
        let server = Server::new(loaded, None, LogControl::default()).unwrap();
        server.enter(phase);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(crate::wire::listen(server, listener));
        port
    }

    async fn refusal(port: u16, more: &str) -> String {
        let options = format!("host=127.0.0.1 port={port} {more}");
        let error = tokio_postgres::connect(&options, NoTls).await.err().unwrap();
        error.code().map_or_else(|| error.to_string(), |code| code.code().to_owned())
    }

    #[tokio::test]
    async fn the_password_decides() {
        let port = listening(Some("s3cret"), Phase::Ready).await;
        assert_eq!(refusal(port, "user=plimsoll password=s3cret").await, "57P03");
        assert_eq!(refusal(port, "user=plimsoll password=other").await, "28P01");
        assert_eq!(refusal(port, "user=someone dbname=plimsoll password=s3cret").await, "28P01");
        assert_eq!(refusal(port, "user=plimsoll dbname=other password=s3cret").await, "3D000");
    }

    #[tokio::test]
    async fn no_one_comes_in_while_the_server_recovers_or_ends() {
        for phase in [Phase::Recovering, Phase::Draining] {
            assert_eq!(refusal(listening(None, phase).await, "user=plimsoll").await, "57P03");
        }
    }

    #[tokio::test]
    async fn without_a_password_the_user_decides() {
        let port = listening(None, Phase::Ready).await;
        assert_eq!(refusal(port, "user=plimsoll").await, "57P03");
        assert_eq!(refusal(port, "user=someone dbname=plimsoll").await, "28000");
        assert_eq!(refusal(port, "user=plimsoll dbname=other").await, "3D000");
    }
}
