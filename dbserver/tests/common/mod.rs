//! A server in this process, on ports of its own, and what tests ask it with.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use plimsoll_dbserver::cli::Args;
use plimsoll_dbserver::process::Instance;
use plimsoll_dbserver::telemetry::logging::LogControl;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_postgres::{Client, NoTls};

/// A running server; its data go with it.
pub struct Server {
    pub instance: Option<Instance>,
    pub directory: TempDir,
}

impl Server {
    /// Starts a server with a configuration file of this text. `PASSWORD_FILE` in it stands for the path that
    /// [`Server::set_password`] writes to.
    pub async fn start(yaml: &str) -> Self {
        Self::start_with_password(yaml, None).await
    }

    pub async fn start_with_password(yaml: &str, password: Option<&str>) -> Self {
        let mut server = Self { instance: None, directory: tempfile::tempdir().unwrap() };
        if let Some(password) = password {
            server.set_password(password);
        }
        server.configure(yaml);
        server.restart().await;
        server
    }

    /// Starts (again) on the same data.
    pub async fn restart(&mut self) {
        if let Some(instance) = self.instance.take() {
            instance.stop(Duration::from_secs(5)).await.unwrap();
        }
        let path = |name: &str| self.directory.path().join(name).display().to_string();
        let (config, data) = (path("config.yaml"), path("data"));
        let args = Args::parse_from([
            "dbserver",
            "--config",
            &config,
            "--data-dir",
            &data,
            "--listen",
            "127.0.0.1:0",
            "--http",
            "127.0.0.1:0",
        ]);
        let loaded = args.source().load().unwrap();
        self.instance = Some(Instance::start(&args, loaded, LogControl::default()).await.unwrap());
    }

    /// Writes the configuration file.
    pub fn configure(&self, yaml: &str) {
        let yaml = yaml.replace("PASSWORD_FILE", &self.password_file().display().to_string());
        std::fs::write(self.directory.path().join("config.yaml"), yaml).unwrap();
    }

    /// Writes the password file.
    pub fn set_password(&self, password: &str) {
        std::fs::write(self.password_file(), password).unwrap();
    }

    fn password_file(&self) -> PathBuf {
        self.directory.path().join("password")
    }

    pub fn instance(&self) -> &Instance {
        self.instance.as_ref().unwrap()
    }

    pub fn address(&self) -> SocketAddr {
        self.instance().clients()
    }

    /// A connection, with more of a connection string.
    pub async fn try_connect(&self, more: &str) -> Result<Client, tokio_postgres::Error> {
        let port = self.address().port();
        let (client, connection) =
            tokio_postgres::connect(&format!("host=127.0.0.1 port={port} user=plimsoll {more}"), NoTls)
                .await?;
        tokio::spawn(connection);
        Ok(client)
    }

    pub async fn connect(&self) -> Client {
        self.try_connect("").await.unwrap()
    }

    /// A socket past the startup: ReadyForQuery has been read.
    pub async fn raw(&self) -> Raw {
        let mut raw = Raw::open(self.address()).await;
        raw.startup("plimsoll").await;
        raw.until(b'Z').await;
        raw
    }

    /// Status and body of an HTTP answer.
    pub async fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.instance().probes()).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    pub async fn status(&self) -> serde_json::Value {
        serde_json::from_str(&self.get("/status").await.1).unwrap()
    }

    /// Waits until `/status` says so.
    pub async fn until_status(&self, holds: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        for _ in 0..1_000 {
            let status = self.status().await;
            if holds(&status) {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("/status never said so: {}", self.status().await);
    }
}

/// A socket that speaks the protocol byte by byte.
pub struct Raw {
    pub stream: TcpStream,
    pending: Vec<u8>,
}

/// A message of the server: its type and body.
pub type Message = (u8, Vec<u8>);

impl Raw {
    pub async fn open(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), pending: Vec::new() }
    }

    pub async fn startup(&mut self, user: &str) {
        let body = format!("user\0{user}\0database\0plimsoll\0\0");
        let mut packet = (body.len() as i32 + 8).to_be_bytes().to_vec();
        packet.extend(196_608i32.to_be_bytes());
        packet.extend(body.as_bytes());
        self.stream.write_all(&packet).await.unwrap();
    }

    pub async fn send(&mut self, tag: u8, body: &[u8]) {
        self.stream.write_all(&message(tag, body)).await.unwrap();
    }

    /// The next message; none when the server has closed.
    pub async fn next(&mut self) -> Option<Message> {
        loop {
            if self.pending.len() >= 5 {
                let length = i32::from_be_bytes(self.pending[1..5].try_into().unwrap()) as usize;
                if self.pending.len() > length {
                    let rest = self.pending.split_off(length + 1);
                    let message = std::mem::replace(&mut self.pending, rest);
                    return Some((message[0], message[5..].to_vec()));
                }
            }
            let mut buffer = [0; 8192];
            // Long enough for any machine; a test that hangs would say less.
            let read = tokio::time::timeout(Duration::from_secs(60), self.stream.read(&mut buffer));
            match read.await.expect("an answer") {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.pending.extend(&buffer[..count]),
            }
        }
    }

    /// All messages up to one of this type.
    pub async fn until(&mut self, tag: u8) -> Vec<Message> {
        let mut messages = Vec::new();
        loop {
            let message = self.next().await.unwrap_or_else(|| {
                panic!("closed before {:?}; had {:?}", tag as char, tags(&messages));
            });
            messages.push(message);
            if messages.last().unwrap().0 == tag {
                return messages;
            }
        }
    }
}

/// The types of messages, as text.
pub fn tags(messages: &[Message]) -> String {
    messages.iter().map(|(tag, _)| *tag as char).collect()
}

/// A field of an ErrorResponse.
pub fn field(messages: &[Message], code: char) -> String {
    let (_, body) = messages.iter().find(|(tag, _)| *tag == b'E').expect("an error");
    let fields = body.split(|byte| *byte == 0).map(|field| String::from_utf8_lossy(field).into_owned());
    fields.into_iter().find_map(|field| field.strip_prefix(code).map(ToOwned::to_owned)).unwrap_or_default()
}

/// A message with its length.
pub fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    bytes.extend((body.len() as i32 + 4).to_be_bytes());
    bytes.extend(body);
    bytes
}

/// The SQLSTATE of an error.
pub fn state(error: &tokio_postgres::Error) -> String {
    error.code().map_or_else(|| error.to_string(), |code| code.code().to_owned())
}
