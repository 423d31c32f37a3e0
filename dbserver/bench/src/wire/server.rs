//! A server under measurement: a fresh data directory, its processes, what they use.

use super::cgroup::Cgroup;
use super::process::{POLL, cpu_seconds, signal};
use crate::measure::disk_bytes;
use anyhow::{Context, Result, bail, ensure};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Which server, and where its programs are.
#[derive(Clone)]
pub enum Kind {
    /// dbserver, as it is configured by default.
    Plimsoll {
        /// The binary.
        binary: PathBuf,
    },
    /// PostgreSQL, as it is configured by default.
    PostgreSql {
        /// Folder of its binaries.
        bin: PathBuf,
        /// `PostgreSQL 15` and the like.
        name: String,
    },
}

impl Kind {
    /// The PostgreSQL whose programs are in a folder.
    pub fn postgresql(bin: &Path) -> Result<Kind> {
        // postgres (PostgreSQL) 15.14 (Debian …)
        let version = run(Command::new(bin.join("postgres")).arg("--version"))?;
        let version = version.split_whitespace().nth(2).unwrap_or_default();
        let major = version.split('.').next().unwrap_or_default();
        Ok(Kind::PostgreSql { bin: std::path::absolute(bin)?, name: format!("PostgreSQL {major}") })
    }

    /// The column's name.
    pub fn name(&self) -> &str {
        match self {
            Kind::Plimsoll { .. } => "dbserver",
            Kind::PostgreSql { name, .. } => name,
        }
    }
}

/// A server, running or between two runs; ended and its data deleted on drop.
pub struct Server {
    kind: Kind,
    process: Option<Child>,
    port: u16,
    http: u16,
    folder: tempfile::TempDir,
    cgroup: Cgroup,
    settings: Vec<String>,
}

impl Server {
    /// Starts one on a free port of loopback, its data in a new folder below `data`, in a control group with this limit.
    /// PostgreSQL's customary setting under a limit is a quarter of it as shared buffers; dbserver sees the limit itself.
    pub fn start(kind: &Kind, data: &Path, limit_bytes: Option<u64>) -> Result<Server> {
        let cgroup = Cgroup::new(limit_bytes, data)?;
        let folder = tempfile::Builder::new().prefix("bench-").tempdir_in(std::path::absolute(data)?)?;
        let mut settings = Vec::new();
        if let Kind::PostgreSql { bin, .. } = kind {
            let directory = folder.path().join("data");
            std::fs::create_dir(&directory)?;
            let user = unprivileged_user()?;
            if let Some((uid, gid)) = user {
                for path in [folder.path(), &directory] {
                    std::os::unix::fs::chown(path, Some(uid), Some(gid))?;
                }
            }
            run(cgroup
                .command(&bin.join("initdb"), user)
                .current_dir("/")
                .args(["-U", "plimsoll", "-A", "trust", "--locale=C", "-E", "UTF8", "-D"])
                .arg(&directory))
            .context("initdb (Debian's package postgresql-15)")?;
            settings.extend(limit_bytes.map(|bytes| format!("shared_buffers={}MB", bytes >> 22)));
        }
        let (port, http) = (free_port()?, free_port()?);
        let mut server = Server { kind: kind.clone(), process: None, port, http, folder, cgroup, settings };
        server.open()?;
        if matches!(server.kind, Kind::PostgreSql { .. }) {
            run(server.client("createdb").env("PGDATABASE", "template1").arg("plimsoll"))?;
        }
        Ok(server)
    }

    /// Starts it again on its data; answers how long it took to the first answered query.
    pub fn open(&mut self) -> Result<Duration> {
        let directory = self.folder.path().join("data");
        let mut command = match &self.kind {
            Kind::PostgreSql { bin, .. } => {
                let mut command = self.cgroup.command(&bin.join("postgres"), unprivileged_user()?);
                command.arg("-D").arg(&directory).arg("-k").arg(self.folder.path()).current_dir("/");
                command.args(["-p", &self.port.to_string(), "-c", "listen_addresses=127.0.0.1"]);
                for setting in &self.settings {
                    command.args(["-c", setting]);
                }
                command
            }
            Kind::Plimsoll { binary } => {
                let mut command = self.cgroup.command(binary, None);
                command.arg("--data-dir").arg(&directory);
                command.args(["--listen", &format!("127.0.0.1:{}", self.port)]);
                command.args(["--http", &format!("127.0.0.1:{}", self.http)]);
                command
            }
        };
        let log = std::fs::File::create(self.folder.path().join("log"))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let begun = Instant::now();
        self.process = Some(command.spawn().with_context(|| format!("{command:?}"))?);
        while begun.elapsed() < Duration::from_secs(300) {
            let mut psql = self.client("psql");
            // PostgreSQL has no database of the user's name yet when it starts for the first time.
            psql.env("PGDATABASE", "template1");
            if matches!(self.kind, Kind::Plimsoll { .. }) {
                psql.env("PGDATABASE", "plimsoll");
            }
            if psql.args(["-Xqc", "select 1"]).output().context("psql")?.status.success() {
                return Ok(begun.elapsed());
            }
            if self.process.as_mut().is_some_and(|process| !matches!(process.try_wait(), Ok(None))) {
                break;
            }
            std::thread::sleep(POLL);
        }
        bail!("{} does not start: {}", self.name(), self.log())
    }

    /// Ends it in order, all its data in its files.
    pub fn close(&mut self) -> Result<()> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        // SIGINT is PostgreSQL's fast shutdown, and dbserver's drain.
        signal(process.id(), libc::SIGINT);
        process.wait()?;
        Ok(())
    }

    /// `kill -9` of the server (PostgreSQL's other processes notice and end).
    pub fn kill(&mut self) -> Result<()> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        process.kill()?;
        process.wait()?;
        // PostgreSQL refuses to start as long as one of the old processes holds the shared memory.
        while self.cgroup.is_busy() {
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    /// Which server it is.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// `dbserver` or `PostgreSQL 15`.
    pub fn name(&self) -> &str {
        self.kind.name()
    }

    /// What it wrote on its standard output.
    pub fn log(&self) -> String {
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        log.lines().rev().take(5).collect::<Vec<_>>().join("\n")
    }

    /// A folder for its clients' files, deleted with it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A PostgreSQL client program that will connect to this server.
    pub fn client(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("PGHOST", "127.0.0.1").env("PGPORT", self.port.to_string());
        command.env("PGUSER", "plimsoll").env("PGDATABASE", "plimsoll").env("PGTZ", "UTC");
        command.stdin(Stdio::null());
        command
    }

    /// Runs SQL in psql; answers what it prints: unaligned, without headings.
    pub fn sql(&self, text: &str) -> Result<String> {
        run(self.client("psql").args(["-XAtqc", text, "-v", "ON_ERROR_STOP=1"]))
            .with_context(|| self.log())
            .map(|answer| answer.trim().to_owned())
    }

    /// User and system time of all its processes so far, ended ones included, in seconds.
    pub fn cpu_seconds(&self) -> f64 {
        self.process.as_ref().map_or(0.0, |process| cpu_seconds(process.id()))
    }

    /// Its control group.
    pub fn cgroup(&self) -> &Cgroup {
        &self.cgroup
    }

    /// Bytes that its data directory takes on the disk: in all, and those of the log.
    pub fn disk_bytes(&self) -> Result<(u64, u64)> {
        let data = self.folder.path().join("data");
        let log = match self.kind {
            Kind::PostgreSql { .. } => data.join("pg_wal"),
            Kind::Plimsoll { .. } => data.join("wal"),
        };
        Ok((disk_bytes(&data)?, disk_bytes(&log)?))
    }

    /// Bytes of log that a start after a crash would replay.
    pub fn log_to_replay_bytes(&self) -> Result<u64> {
        match self.kind {
            Kind::PostgreSql { .. } => {
                let answer = self.sql(
                    "select pg_wal_lsn_diff(pg_current_wal_lsn(), redo_lsn)::bigint from pg_control_checkpoint()",
                )?;
                Ok(answer.parse()?)
            }
            Kind::Plimsoll { .. } => {
                let metrics = self.metrics()?;
                let name = "plimsoll_storage_bytes{where=\"log_since_checkpoint\"} ";
                let value = metrics.lines().find_map(|line| line.strip_prefix(name));
                Ok(value.with_context(|| format!("no {name}"))?.parse::<f64>()? as u64)
            }
        }
    }

    /// dbserver's metrics.
    pub fn metrics(&self) -> Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.http))?;
        stream.write_all(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            eprintln!("{}: {error:#}", self.name());
        }
    }
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// PostgreSQL refuses to run as root: user and group of `postgres`, when we are root.
fn unprivileged_user() -> Result<Option<(u32, u32)>> {
    // SAFETY: geteuid takes and changes nothing.
    if unsafe { libc::geteuid() } != 0 {
        return Ok(None);
    }
    let users = std::fs::read_to_string("/etc/passwd")?;
    let line = users.lines().find(|l| l.starts_with("postgres:")).context("no user postgres")?;
    let number = |n: usize| line.split(':').nth(n).and_then(|f| f.parse().ok()).context("/etc/passwd");
    Ok(Some((number(2)?, number(3)?)))
}

/// Runs a program to its end and gives what it printed.
pub fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "{command:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    Ok(text)
}
