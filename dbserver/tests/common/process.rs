//! A server in a process of its own, to be killed.
#![allow(dead_code, clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_postgres::{Client, NoTls};

/// A running `dbserver`. Dropping kills it.
pub struct Process {
    child: Child,
    data: PathBuf,
    /// Where clients connect, and where HTTP is served; the same after [`Process::restart`].
    pub port: u16,
    http: u16,
    /// What it wrote to standard error.
    pub log: PathBuf,
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Process {
    /// Starts one on a data directory. `log`: where its standard error goes.
    pub fn start(data: &Path, log: &Path) -> Process {
        let (port, http) = (free_port(), free_port());
        let child = Self::spawn(data, log, port, http);
        Process { child, data: data.to_owned(), port, http, log: log.to_owned() }
    }

    fn spawn(data: &Path, log: &Path, port: u16, http: u16) -> Child {
        Command::new(env!("CARGO_BIN_EXE_dbserver"))
            .arg("--data-dir")
            .arg(data)
            .args(["--listen", &format!("127.0.0.1:{port}"), "--http", &format!("127.0.0.1:{http}")])
            .stdout(Stdio::null())
            .stderr(File::options().create(true).append(true).open(log).unwrap())
            .spawn()
            .unwrap()
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and waits for the end.
    pub fn stop(&mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.child.wait().unwrap()
    }

    /// Starts again, on the same data and ports.
    pub fn restart(&mut self) {
        self.child = Self::spawn(&self.data, &self.log, self.port, self.http);
    }

    /// A connection, as soon as there can be one.
    pub async fn connect(&self) -> Client {
        connect(self.port).await
    }

    /// The body of an HTTP answer.
    pub async fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.http)).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    /// `/status`.
    pub async fn status(&self) -> serde_json::Value {
        serde_json::from_str(&self.get("/status").await).unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection, as soon as there can be one.
pub async fn connect(port: u16) -> Client {
    loop {
        let attempt =
            tokio_postgres::connect(&format!("host=127.0.0.1 port={port} user=plimsoll"), NoTls).await;
        if let Ok((client, connection)) = attempt {
            tokio::spawn(connection);
            return client;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Runs `dbserver` with these arguments to its end: whether it succeeded, and what it wrote to standard output and error.
pub fn command(args: &[&str]) -> (bool, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_dbserver")).args(args).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}
