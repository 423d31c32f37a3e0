//! What goes wrong with a disk, through a server in a process of its own: it fills up, a block on it is damaged, a sync fails.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "common/process.rs"]
mod process;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use plimsoll_dbserver::config::Config;
use plimsoll_dbserver::process::open_engine;
use plimsoll_dbserver::telemetry::logging;
use plimsoll_storage::io::{File, Io, OpenMode, RealIo};
use plimsoll_storage::{Isolation, TreeId};
use process::{Process, command};
use tokio_postgres::Client;

/// Text that hardly compresses.
fn noise(seed: u64, bytes: usize) -> String {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'0' + (state >> 33) as u8 % 75)
    };
    (0..bytes).map(|_| next()).collect()
}

/// SQLSTATE and message of an error.
fn told(error: &tokio_postgres::Error) -> (String, String) {
    let error = error.as_db_error().unwrap_or_else(|| panic!("no answer: {error}"));
    (error.code().code().to_owned(), error.message().to_owned())
}

/// A file system of 64 MiB, gone when this is.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// None, and says so, where it may not be mounted.
    fn mount() -> Option<SmallDisk> {
        let dir = tempfile::tempdir().unwrap();
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=64m", "tmpfs"]).arg(dir.path()).output();
        match mount {
            Ok(output) if output.status.success() => Some(SmallDisk(dir)),
            Ok(output) => {
                eprintln!(
                    "SKIPPED: cannot mount a tmpfs, it takes root: {}",
                    String::from_utf8_lossy(&output.stderr)
                );
                None
            }
            Err(error) => {
                eprintln!("SKIPPED: cannot mount a tmpfs: {error}");
                None
            }
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

/// Inserts rows until that is refused: which were acknowledged, and the refusal.
async fn fill(client: &Client, ids: std::ops::Range<i32>) -> (Vec<i32>, tokio_postgres::Error) {
    let mut acknowledged = Vec::new();
    for id in ids {
        let value = noise(id as u64, 200_000);
        match client.execute("insert into t values ($1, $2)", &[&id, &value]).await {
            Ok(_) => acknowledged.push(id),
            Err(error) => return (acknowledged, error),
        }
    }
    panic!("the disk takes everything");
}

async fn ids(client: &Client) -> Vec<i32> {
    let rows = client.query("select id from t where length(v) = 200000 order by id", &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_writers_lets_readers_on_and_takes_writers_again_when_there_is_room() {
    let Some(disk) = SmallDisk::mount() else { return };
    let logs = tempfile::tempdir().unwrap();
    let filler = disk.0.path().join("filler");
    std::fs::write(&filler, vec![1; 20 << 20]).unwrap();
    let mut server = Process::start(&disk.0.path().join("data"), &logs.path().join("log"));
    let writer = server.connect().await;
    writer.batch_execute("create table t (id int primary key, v text not null)").await.unwrap();
    let (mut acknowledged, error) = fill(&writer, 1..1_000).await;
    let no_space = "could not write to the data directory: no space left on device";
    assert_eq!(told(&error), ("53100".to_owned(), no_space.to_owned()));
    assert!(acknowledged.len() > 10, "{} rows", acknowledged.len());
    // A transaction of many statements as well, and it is a failed one afterwards.
    writer.batch_execute("begin").await.unwrap();
    let mut refused = None;
    for id in 5_001..6_000 {
        let value = noise(id as u64, 200_000);
        if let Err(error) = writer.execute("insert into t values ($1, $2)", &[&id, &value]).await {
            refused = Some(error);
            break;
        }
    }
    assert_eq!(told(&refused.unwrap()).0, "53100");
    writer.batch_execute("rollback").await.unwrap();

    let reader = server.connect().await;
    assert_eq!(ids(&reader).await, acknowledged);
    let value: String = reader.query_one("select v from t where id = 1", &[]).await.unwrap().get(0);
    assert!(value == noise(1, 200_000));
    assert!(server.get("/metrics").await.contains("plimsoll_statement_errors_total{class=\"53\""));

    std::fs::remove_file(&filler).unwrap();
    for id in 10_001..10_020 {
        let value = noise(id as u64, 200_000);
        writer.execute("insert into t values ($1, $2)", &[&id, &value]).await.unwrap();
        acknowledged.push(id);
    }
    assert_eq!(ids(&reader).await, acknowledged);
    server.kill();
    server.restart();
    let reader = server.connect().await;
    assert_eq!(ids(&reader).await, acknowledged);
    reader.execute("insert into t values (0, 'more')", &[]).await.unwrap();
}

/// The files of a data directory's folder, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_block_is_named_and_everything_else_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let data_dir = data.to_str().unwrap();
    let mut server = Process::start(&data, &dir.path().join("log"));
    let client = server.connect().await;
    client
        .batch_execute(
            "create table small (id int primary key, v text); insert into small select i, 'v' || i from generate_series(1, 100) i;
             create table big (id int primary key, v text)",
        )
        .await
        .unwrap();
    for id in 1..=2_000 {
        client.execute("insert into big values ($1, $2)", &[&id, &noise(id as u64, 1_000)]).await.unwrap();
    }
    client.batch_execute("checkpoint").await.unwrap();
    drop(client);
    assert!(server.stop().success());

    // Nothing is wrong yet, and a person can look at all of it.
    let (sound, said, _) = command(&["check", "--data-dir", data_dir]);
    assert!(sound, "{said}");
    let largest =
        files(&data.join("sst")).into_iter().max_by_key(|file| file.metadata().unwrap().len()).unwrap();
    let name = largest.file_name().unwrap().to_str().unwrap().to_owned();
    for (file, flags, expected) in [
        (
            data.join("MANIFEST"),
            &[][..],
            vec!["manifest", "in files          commits up to timestamp", "level "],
        ),
        (largest.clone(), &[], vec!["sorted file", "block 0 at byte", "filter at byte"]),
        (largest.clone(), &["--entries"], vec!["tree ", "bytes \""]),
    ] {
        let args = [&["inspect", file.to_str().unwrap()][..], flags].concat();
        let (printed, out, complaints) = command(&args);
        assert!(printed && complaints.is_empty(), "{args:?}: {complaints}");
        for word in expected {
            assert!(
                out.contains(word),
                "{word:?} is missing from {args:?}:\n{}",
                out.chars().take(2_000).collect::<String>()
            );
        }
        assert!(out.lines().all(|line| line.chars().all(|c| !c.is_control())), "{args:?}");
    }

    let segments = files(&data.join("wal"));
    let printed = segments.iter().map(|segment| command(&["inspect", segment.to_str().unwrap()]));
    let printed: Vec<_> = printed.collect();
    assert!(
        printed.iter().all(|(printed, out, _)| *printed && out.starts_with("log segment ")),
        "{printed:?}"
    );
    assert!(printed.iter().any(|(_, out, _)| out.contains("commit: timestamp")), "{printed:?}");

    let mut bytes = std::fs::read(&largest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x40;
    std::fs::write(&largest, bytes).unwrap();

    server.restart();
    let client = server.connect().await;
    for _ in 0..2 {
        let error = client.query("select sum(length(v)) from big", &[]).await.unwrap_err();
        let (code, message) = told(&error);
        assert_eq!(code, "XX001", "{message}");
        let place = format!("{name} is corrupt at byte ");
        let at = message.split_once(&place).unwrap_or_else(|| panic!("{place:?} is missing: {message}")).1;
        let block: usize = at.split(':').next().unwrap().parse().unwrap();
        assert!(block <= middle && middle < block + (256 << 10), "{message}; damaged at {middle}");
    }
    let count = async |query: &str| -> i64 { client.query_one(query, &[]).await.unwrap().get(0) };
    assert_eq!(count("select count(*) from small where v like 'v%'").await, 100);
    assert_eq!(count("select count(*) from big where id <= 100 and length(v) = 1000").await, 100);
    assert_eq!(count("select count(*) from big where id > 1900 and length(v) = 1000").await, 100);
    // Writers, too: also behind the damage.
    client.execute("update small set v = 'w' where id = 7", &[]).await.unwrap();
    client.execute("update big set v = 'new' where id in (1, 2000)", &[]).await.unwrap();
    let status = server.status().await;
    let damaged = status["storage"]["details"]["damagedFiles"].to_string();
    assert!(damaged.contains(&name), "{damaged}");
    let metrics = server.get("/metrics").await;
    let counted = metrics.lines().find_map(|line| line.strip_prefix("plimsoll_corruptions_total ")).unwrap();
    assert!(counted.parse::<u64>().unwrap() >= 1);
    drop(client);
    assert!(server.stop().success(), "damage is no reason not to stop in order");

    let (sound, said, complaint) = command(&["check", "--data-dir", data_dir]);
    assert!(!sound && said.contains(&name) && said.contains("byte"), "{said}");
    assert!(complaint.contains("is damaged"), "{complaint}");
}

/// The machine's files, of which none can be made durable once `FAILING` says so.
struct FailingSync;

static FAILING: AtomicBool = AtomicBool::new(false);

struct FailingFile(Arc<dyn File>);

impl File for FailingFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
        self.0.read_at(buffer, offset)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> std::io::Result<()> {
        self.0.write_at(bytes, offset)
    }
    fn sync(&self) -> std::io::Result<()> {
        // EIO.
        if FAILING.load(Ordering::SeqCst) { Err(std::io::Error::from_raw_os_error(5)) } else { self.0.sync() }
    }
    fn len(&self) -> std::io::Result<u64> {
        self.0.len()
    }
}

impl Io for FailingSync {
    fn create_dir_all(&self, dir: &Path) -> std::io::Result<()> {
        RealIo.create_dir_all(dir)
    }
    fn list(&self, dir: &Path) -> std::io::Result<Vec<String>> {
        RealIo.list(dir)
    }
    fn open(&self, path: &Path, mode: OpenMode) -> std::io::Result<Arc<dyn File>> {
        Ok(Arc::new(FailingFile(RealIo.open(path, mode)?)))
    }
    fn rename(&self, from: &Path, to: &Path) -> std::io::Result<()> {
        RealIo.rename(from, to)
    }
    fn remove(&self, path: &Path) -> std::io::Result<()> {
        RealIo.remove(path)
    }
    fn sync_dir(&self, dir: &Path) -> std::io::Result<()> {
        RealIo.sync_dir(dir)
    }
    fn lock_dir(&self, dir: &Path) -> std::io::Result<Option<Box<dyn Send + Sync>>> {
        RealIo.lock_dir(dir)
    }
    fn wall_clock_us(&self) -> u64 {
        RealIo.wall_clock_us()
    }
    fn now(&self) -> Instant {
        RealIo.now()
    }
    fn random(&self) -> u64 {
        RealIo.random()
    }
    fn sleep(&self, duration: Duration) {
        RealIo.sleep(duration);
    }
    fn park(&self, at_most: Option<Duration>) {
        RealIo.park(at_most);
    }
}

/// Where the process below has its data.
const DATA: &str = "PLIMSOLL_TEST_FAILED_SYNC";

/// What the server does for one commit, in a process that the test below started.
#[test]
fn commits_on_a_disk_that_fails() {
    let Ok(data) = std::env::var(DATA) else { return };
    let config = Config::default();
    logging::init(&config.logging);
    let engine = open_engine(Arc::new(FailingSync), Path::new(&data), &config).unwrap();
    for key in [b"a", b"b"] {
        let txn = engine.begin(Isolation::ReadCommitted);
        txn.put(TreeId(1), key, b"1").unwrap();
        let outcome = txn.commit().unwrap().wait();
        println!("ACKNOWLEDGED {outcome:?}");
        FAILING.store(true, Ordering::SeqCst);
    }
}

#[test]
fn a_failed_sync_ends_the_process_with_a_clear_line_and_no_acknowledgement() {
    use std::os::unix::process::ExitStatusExt;
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "commits_on_a_disk_that_fails", "--nocapture", "--test-threads=1"])
        .env(DATA, dir.path())
        .output()
        .unwrap();
    const SIGABRT: i32 = 6;
    let (out, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.signal(), Some(SIGABRT), "{out}{log}");
    assert!(out.contains("ACKNOWLEDGED Ok") && out.matches("ACKNOWLEDGED").count() == 1, "{out}");
    let line = log.lines().find(|line| line.contains("ERROR")).unwrap_or_else(|| panic!("{log}"));
    for word in
        ["the write-ahead log failed, the process ends to recover from what is durable", "could not sync"]
    {
        assert!(line.contains(word), "{word:?} is missing from {line}");
    }
    let engine = open_engine(RealIo::shared(), dir.path(), &Config::default()).unwrap();
    let txn = engine.begin(Isolation::ReadCommitted);
    assert!(txn.snapshot().get(TreeId(1), b"a").unwrap().is_some());
}
