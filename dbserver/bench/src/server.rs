//! A server under measurement: a fresh data directory, its processes, what they use.

use crate::cgroup::Cgroup;
use anyhow::{Context, Result, bail, ensure};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Which server, and where its programs are.
pub enum Kind {
    /// Debian's PostgreSQL, as it is configured by default.
    PostgreSql {
        /// Folder of its binaries.
        bin: PathBuf,
    },
    /// dbserver, as it is configured by default.
    Plimsoll {
        /// The binary.
        binary: PathBuf,
    },
}

/// A running server; ended and its data deleted on drop.
pub struct Server {
    process: Child,
    port: u16,
    folder: tempfile::TempDir,
    memory_peak_kib: Arc<AtomicU64>,
    cgroup: Option<Cgroup>,
    stop: Arc<AtomicBool>,
    sampler: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts one on a free port of loopback, its data in a new folder below `data`.
    pub fn start(kind: Kind, data: &Path) -> Result<Server> {
        let folder = tempfile::Builder::new().prefix("bench-").tempdir_in(data)?;
        let port = free_port()?;
        let log = std::fs::File::create(folder.path().join("log"))?;
        let mut command = match kind {
            Kind::PostgreSql { bin } => {
                let directory = folder.path().join("data");
                std::fs::create_dir(&directory)?;
                let user = unprivileged_user()?;
                if let Some((uid, gid)) = user {
                    for path in [folder.path(), &directory] {
                        std::os::unix::fs::chown(path, Some(uid), Some(gid))?;
                    }
                }
                let as_user = |program: &str| {
                    let mut command = Command::new(bin.join(program));
                    if let Some((uid, gid)) = user {
                        command.uid(uid).gid(gid);
                    }
                    command.current_dir("/").stdin(Stdio::null());
                    command
                };
                let made = as_user("initdb")
                    .args(["-U", "plimsoll", "-A", "trust", "--locale=C", "-E", "UTF8", "-D"])
                    .arg(&directory)
                    .output()
                    .context("initdb (Debian's package postgresql-15)")?;
                ensure!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
                let mut command = as_user("postgres");
                command.arg("-D").arg(&directory).args([
                    "-p",
                    &port.to_string(),
                    "-c",
                    "listen_addresses=127.0.0.1",
                ]);
                command.arg("-k").arg(folder.path());
                command
            }
            Kind::Plimsoll { binary } => {
                let mut command = Command::new(binary);
                command.arg("--data-dir").arg(folder.path().join("data"));
                command.args([
                    "--listen",
                    &format!("127.0.0.1:{port}"),
                    "--http",
                    &format!("127.0.0.1:{}", free_port()?),
                ]);
                command
            }
        };
        let process =
            command.stdout(log.try_clone()?).stderr(log).spawn().with_context(|| format!("{command:?}"))?;
        // What it has in memory from its first read on belongs to the group; a few pages of its start may be missing.
        let cgroup = Cgroup::with_process(process.id());
        let (memory_peak_kib, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let sampler = {
            let (pid, peak, stop) = (process.id(), Arc::clone(&memory_peak_kib), Arc::clone(&stop));
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    peak.fetch_max(family(pid).iter().map(|p| pss_kib(*p)).sum(), Ordering::Relaxed);
                    std::thread::sleep(Duration::from_millis(250));
                }
            })
        };
        let server = Server { process, port, folder, memory_peak_kib, cgroup, stop, sampler: Some(sampler) };
        server.wait_until_ready()?;
        Ok(server)
    }

    fn wait_until_ready(&self) -> Result<()> {
        let begun = Instant::now();
        // PostgreSQL has no database of the user's name yet; dbserver has just that one.
        let tries = [("template1", "create database plimsoll"), ("plimsoll", "select 1")];
        while begun.elapsed() < Duration::from_secs(30) {
            for (database, statement) in tries {
                let mut psql = self.client("psql");
                let done = psql.args(["-Xqd", database, "-c", statement]).output().context("psql")?;
                if done.status.success() {
                    return Ok(());
                }
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        bail!("not ready: {}", std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default())
    }

    /// A PostgreSQL client program that will connect to this server.
    pub fn client(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("PGHOST", "127.0.0.1").env("PGPORT", self.port.to_string());
        command
            .env("PGUSER", "plimsoll")
            .env("PGDATABASE", "plimsoll")
            .env("PGTZ", "UTC")
            .stdin(Stdio::null());
        command
    }

    /// User and system time of all its processes so far, ended ones included, in seconds.
    pub fn cpu_seconds(&self) -> f64 {
        family(self.process.id()).iter().map(|p| cpu_seconds(*p)).sum()
    }

    /// The most memory its processes had at once, shared pages counted once, in MiB.
    pub fn memory_peak_mib(&self) -> f64 {
        self.memory_peak_kib.load(Ordering::Relaxed) as f64 / 1024.0
    }

    /// The same with the file cache that its reads and writes filled, as a container's limit counts it, in MiB; none where
    /// control groups cannot be made.
    pub fn memory_peak_with_cache_mib(&self) -> Option<f64> {
        self.cgroup.as_ref()?.memory_peak_bytes().map(|bytes| bytes as f64 / f64::from(1 << 20))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(sampler) = self.sampler.take() {
            let _ = sampler.join();
        }
        // SIGINT is PostgreSQL's fast shutdown, and dbserver's drain.
        let pid = libc::pid_t::try_from(self.process.id()).unwrap_or(0);
        if pid > 0 {
            // SAFETY: kill takes no memory; the process is our child and not yet waited for.
            unsafe { libc::kill(pid, libc::SIGINT) };
        }
        let _ = self.process.wait();
    }
}

fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
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

/// A process and its children.
fn family(parent: u32) -> Vec<u32> {
    let mut all = vec![parent];
    if let Ok(tasks) = std::fs::read_dir(format!("/proc/{parent}/task")) {
        for task in tasks.flatten() {
            let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
            all.extend(children.split_whitespace().filter_map(|c| c.parse::<u32>().ok()));
        }
    }
    all
}

/// Proportional set size of a process.
fn pss_kib(pid: u32) -> u64 {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = rollup.lines().find_map(|l| l.strip_prefix("Pss:"));
    line.and_then(|l| l.split_whitespace().next()).and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// User and system time of a process and of its children that it has waited for.
fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // Fields after the name, which may hold blanks: utime, stime, cutime, cstime are the 12th to 15th of these.
    let fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks: f64 = fields.split(' ').skip(11).take(4).filter_map(|f| f.parse::<f64>().ok()).sum();
    ticks / 100.0
}
