//! A client's socket: messages cut from what arrives, answers gathered until someone waits for them.
//!
//! A message's length is checked before anything of it is kept, and room is made as its bytes come in, not as it claims.
//! A text or value that is too long is not buffered at all: its bytes are dropped as they arrive ([`Incoming::TooLong`]),
//! the statement gets an error and the connection goes on.

use std::io;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use plimsoll_sql::SqlError;
use plimsoll_sql::error::sqlstate;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::config::Config;

/// Room made for a read.
const READ_BYTES: usize = 8 << 10;
/// Room made for a read while a long message is incomplete.
const LONG_READ_BYTES: usize = 256 << 10;
/// Output is sent when it has grown to this, also when no one waits for it yet.
pub(super) const SEND_BYTES: usize = 64 << 10;
/// Buffers that grew larger than this are not kept.
const KEEP_BYTES: usize = 256 << 10;
/// How long a wait lasts before anyone asks whether the client is still there.
const LOOK_AFTER: Duration = Duration::from_millis(50);
/// The longest message of a kind that has no reason to be long.
const SHORT_MESSAGE_BYTES: usize = 64 << 10;

/// How long messages may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct MessageLimits {
    /// Query text (`limits.maxQuerySize`).
    pub query: usize,
    /// Parameters and COPY data (`limits.maxQueryMemory`).
    pub data: usize,
}

impl MessageLimits {
    pub(super) fn of(config: &Config) -> Self {
        let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX).min(1 << 30);
        Self { query: size(config.limits.max_query_size.0), data: size(config.max_query_memory()) }
    }

    /// The longest body of a message of this type; none for a type that does not exist.
    fn of_type(self, tag: u8) -> Option<usize> {
        match tag {
            // The text and the zero byte at its end.
            b'Q' => Some(self.query + 1),
            // Besides the text a name and up to 65,535 type numbers.
            b'P' => Some(self.query + SHORT_MESSAGE_BYTES + 4 * 65_536),
            b'B' | b'd' | b'F' => Some(self.data),
            b'C' | b'D' | b'E' | b'H' | b'S' | b'X' | b'c' | b'f' | b'p' => Some(SHORT_MESSAGE_BYTES),
            _ => None,
        }
    }
}

/// The next message.
#[derive(Debug)]
pub(super) enum Incoming {
    /// Not all of it has arrived.
    Nothing,
    /// Its type and body.
    Message(u8, Bytes),
    /// Its type and length; the body is dropped as it arrives.
    TooLong(u8, usize),
}

/// A client's socket with what came in and what is to go out.
pub(super) struct Channel {
    stream: TcpStream,
    inbox: BytesMut,
    /// Bytes still to come of a message that is too long.
    skip: usize,
    /// Bytes the next message lacks, as far as that is known.
    lacking: usize,
    /// Answers not sent yet.
    pub out: Vec<u8>,
    /// Bytes received.
    pub received: u64,
    /// Bytes sent.
    pub sent: u64,
}

impl Channel {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            inbox: BytesMut::with_capacity(READ_BYTES),
            skip: 0,
            lacking: 0,
            out: Vec::with_capacity(READ_BYTES),
            received: 0,
            sent: 0,
        }
    }

    /// Takes the next message, if it has arrived. Fails on what is no message at all: the connection cannot go on.
    pub(super) fn next(&mut self, limits: MessageLimits) -> Result<Incoming, SqlError> {
        let Some(([tag, a, b, c, d], _)) = self.inbox.split_first_chunk::<5>() else {
            return Ok(Incoming::Nothing);
        };
        let (tag, length) = (*tag, i32::from_be_bytes([*a, *b, *c, *d]));
        let fatal = |message: String| SqlError::new(sqlstate::PROTOCOL_VIOLATION, message);
        let longest =
            limits.of_type(tag).ok_or_else(|| fatal(format!("invalid frontend message type {tag}")))?;
        let body = usize::try_from(length).ok().and_then(|length| length.checked_sub(4));
        let body = body.ok_or_else(|| fatal("invalid message length".to_owned()))?;
        if body > longest {
            if !matches!(tag, b'Q' | b'P' | b'B' | b'd' | b'F') {
                return Err(fatal("invalid message length".to_owned()));
            }
            self.inbox.advance(5);
            self.skip = body;
            self.drop_skipped();
            return Ok(Incoming::TooLong(tag, body));
        }
        let have = self.inbox.len() - 5;
        if have < body {
            self.lacking = body - have;
            return Ok(Incoming::Nothing);
        }
        self.lacking = 0;
        self.inbox.advance(5);
        Ok(Incoming::Message(tag, self.inbox.split_to(body).freeze()))
    }

    /// Waits for more bytes; 0 when the client has closed. May be dropped and called again.
    pub(super) async fn fill(&mut self) -> io::Result<usize> {
        loop {
            if self.inbox.is_empty() && self.inbox.capacity() > KEEP_BYTES {
                self.inbox = BytesMut::new();
            }
            self.inbox.reserve(self.lacking.clamp(READ_BYTES, LONG_READ_BYTES));
            let count = self.stream.read_buf(&mut self.inbox).await?;
            self.received += count as u64;
            self.drop_skipped();
            if count == 0 || !self.inbox.is_empty() {
                return Ok(count);
            }
        }
    }

    fn drop_skipped(&mut self) {
        let dropped = self.skip.min(self.inbox.len());
        self.inbox.advance(dropped);
        self.skip -= dropped;
    }

    /// The first packet, which has no type: its body after the length. None when the client has closed.
    pub(super) async fn startup_packet(&mut self, longest: usize) -> io::Result<Option<Bytes>> {
        let invalid = || io::Error::new(io::ErrorKind::InvalidData, "invalid length of startup packet");
        loop {
            if let Some((length, _)) = self.inbox.split_first_chunk::<4>() {
                let length = usize::try_from(i32::from_be_bytes(*length)).map_err(|_| invalid())?;
                if !(8..=longest).contains(&length) {
                    return Err(invalid());
                }
                if self.inbox.len() >= length {
                    let mut packet = self.inbox.split_to(length);
                    packet.advance(4);
                    return Ok(Some(packet.freeze()));
                }
            }
            if self.fill().await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Whether bytes are there that no one has read yet: an answer to a refused encryption must not be.
    pub(super) fn has_unread(&self) -> bool {
        !self.inbox.is_empty()
    }

    /// Sends what is gathered.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        let result = self.stream.write_all(&self.out).await;
        self.sent += self.out.len() as u64;
        if self.out.capacity() > KEEP_BYTES {
            self.out = Vec::with_capacity(READ_BYTES);
        } else {
            self.out.clear();
        }
        result
    }

    /// Sends bytes that follow what is gathered.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.flush().await?;
        self.sent += bytes.len() as u64;
        self.stream.write_all(bytes).await
    }

    /// Resolves when the client has closed its side; never when it has sent more, or while what it sent is unread. Looks after a
    /// while only: most waits are over sooner.
    pub(super) async fn client_gone(&self) {
        tokio::time::sleep(LOOK_AFTER).await;
        if self.inbox.is_empty() {
            match self.stream.peek(&mut [0]).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    const LIMITS: MessageLimits = MessageLimits { query: 100, data: 1000 };

    async fn pair() -> (TcpStream, Channel) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (client, Channel::new(listener.accept().await.unwrap().0))
    }

    #[tokio::test]
    async fn messages_are_cut_at_their_length() {
        let (mut client, mut channel) = pair().await;
        client.write_all(b"Q\0\0\0\x06a\0S\0\0\0\x04H\0\0").await.unwrap();
        channel.fill().await.unwrap();
        assert!(matches!(channel.next(LIMITS), Ok(Incoming::Message(b'Q', body)) if body == b"a\0"[..]));
        assert!(matches!(channel.next(LIMITS), Ok(Incoming::Message(b'S', body)) if body.is_empty()));
        assert!(matches!(channel.next(LIMITS), Ok(Incoming::Nothing)));
    }

    #[tokio::test]
    async fn a_text_that_is_too_long_is_dropped_as_it_arrives() {
        let (mut client, mut channel) = pair().await;
        let mut long = vec![b'Q', 0, 0, 0x10, 4];
        long.extend(vec![b'x'; 4096]);
        long.extend(b"S\0\0\0\x04");
        let sender = tokio::spawn(async move {
            client.write_all(&long).await.unwrap();
            client
        });
        channel.fill().await.unwrap();
        assert!(matches!(channel.next(LIMITS), Ok(Incoming::TooLong(b'Q', 4096))));
        let next = loop {
            match channel.next(LIMITS).unwrap() {
                Incoming::Nothing => channel.fill().await.unwrap(),
                other => break other,
            };
        };
        assert!(matches!(next, Incoming::Message(b'S', _)));
        drop(sender.await.unwrap());
    }

    #[tokio::test]
    async fn what_is_no_message_ends_the_connection() {
        for bytes in [&b"\0\0\0\0\x04"[..], b"Q\0\0\0\x03", b"Q\xff\xff\xff\xff", b"S\x7f\xff\xff\xff"] {
            let (mut client, mut channel) = pair().await;
            client.write_all(bytes).await.unwrap();
            channel.fill().await.unwrap();
            assert_eq!(channel.next(LIMITS).unwrap_err().sqlstate(), "08P01", "{bytes:?}");
        }
    }
}
