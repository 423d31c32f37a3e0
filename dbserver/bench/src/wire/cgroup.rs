//! A control group around a server. It counts and limits memory as Kubernetes does: its processes' own and the file cache that
//! their reads and writes fill. And it counts what reaches the disk: `/proc/PID/io` counts a whole large page of the
//! file cache where a block of it was written, a hundred times as much. Needs root; version 1 or 2.

use anyhow::{Context, Result};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

/// A group of its own; removed on drop, when its processes have ended.
pub struct Cgroup {
    memory: PathBuf,
    /// The same folder in version 2.
    disk: PathBuf,
}

static GROUPS: AtomicU32 = AtomicU32::new(0);

impl Cgroup {
    /// A new group, with a limit on its memory where one is given, that counts what is written to the disk of a folder.
    ///
    /// # Errors
    /// Where control groups cannot be made.
    pub fn new(limit_bytes: Option<u64>, data: &Path) -> Result<Cgroup> {
        let root = Path::new("/sys/fs/cgroup");
        let name =
            format!("plimsoll-bench-{}-{}", std::process::id(), GROUPS.fetch_add(1, Ordering::Relaxed));
        let is_version_1 = root.join("memory/cgroup.procs").exists();
        let group = if is_version_1 {
            Cgroup { memory: root.join("memory").join(&name), disk: root.join("blkio").join(&name) }
        } else {
            // Refused where both are on already, or where the root's processes forbid it: then setting the limit says so.
            let _ = std::fs::write(root.join("cgroup.subtree_control"), "+memory +io");
            Cgroup { memory: root.join(&name), disk: root.join(&name) }
        };
        for folder in group.folders() {
            std::fs::create_dir(folder).with_context(|| format!("a control group: {}", folder.display()))?;
        }
        if let Some(bytes) = limit_bytes {
            let file = if is_version_1 { "memory.limit_in_bytes" } else { "memory.max" };
            std::fs::write(group.memory.join(file), bytes.to_string()).context("a memory limit")?;
        }
        if is_version_1 {
            // Version 1 counts where there is a limit. This one, a TiB a second, limits nothing.
            let rule = format!("{} {}", disk_of(data)?, 1_u64 << 40);
            std::fs::write(group.disk.join("blkio.throttle.write_bps_device"), rule)
                .context("counting what is written")?;
        }
        Ok(group)
    }

    fn folders(&self) -> impl Iterator<Item = &Path> {
        let disk = Some(&*self.disk).filter(|disk| *disk != self.memory);
        std::iter::once(&*self.memory).chain(disk)
    }

    /// The command that runs another inside the group from its first instruction on, as another user where one is given.
    pub fn command(&self, program: &Path, user: Option<(u32, u32)>) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", "while [ \"$1\" != -- ]; do echo $$ >\"$1/cgroup.procs\" || exit; shift; done; shift; exec \"$@\""]);
        command.arg("sh").args(self.folders()).arg("--");
        if let Some((uid, gid)) = user {
            command.args(["setpriv", "--clear-groups"]);
            command.arg(format!("--reuid={uid}")).arg(format!("--regid={gid}"));
        }
        command.arg(program);
        command
    }

    /// Bytes written to the disk by its processes so far. Version 1 leaves out what the kernel writes on its own after half a
    /// minute, when no one has synced it.
    pub fn written_bytes(&self) -> Result<u64> {
        let version_1 = self.disk.join("blkio.throttle.io_service_bytes");
        let (text, mark) = match std::fs::read_to_string(version_1) {
            // 254:0 Write 4218880
            Ok(text) => (text, " Write "),
            // 254:0 rbytes=0 wbytes=4218880 rios=0 …
            Err(_) => (std::fs::read_to_string(self.disk.join("io.stat"))?, " wbytes="),
        };
        let numbers =
            text.lines().filter_map(|line| line.split_once(mark)?.1.split(' ').next()?.parse::<u64>().ok());
        Ok(numbers.sum())
    }

    /// Whether a process is in it.
    pub fn is_busy(&self) -> bool {
        std::fs::read_to_string(self.memory.join("cgroup.procs")).is_ok_and(|pids| !pids.is_empty())
    }

    /// The most memory that processes alone had at once while this work was done, looked at four times a second.
    pub fn process_peak_bytes<T>(&self, work: impl FnOnce() -> T) -> (T, u64) {
        let (done, mut peak) = (AtomicBool::new(false), 0);
        let result = std::thread::scope(|scope| {
            let sampler = scope.spawn(|| {
                let mut most = 0;
                while !done.load(Ordering::Relaxed) {
                    most = most.max(self.process_bytes().unwrap_or(0));
                    std::thread::sleep(Duration::from_millis(250));
                }
                most
            });
            let result = work();
            done.store(true, Ordering::Relaxed);
            peak = sampler.join().unwrap_or(0);
            result
        });
        (result, peak)
    }

    /// All that counts against the limit at the moment, file cache included.
    pub fn memory_bytes(&self) -> Option<u64> {
        self.number(&["memory.usage_in_bytes", "memory.current"])
    }

    /// The most that has counted against the limit at once.
    pub fn memory_peak_bytes(&self) -> Option<u64> {
        self.number(&["memory.max_usage_in_bytes", "memory.peak"])
    }

    /// Memory of the processes alone, shared memory included, file cache not.
    pub fn process_bytes(&self) -> Option<u64> {
        let stat = std::fs::read_to_string(self.memory.join("memory.stat")).ok()?;
        let field =
            |name: &str| stat.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
        let own = field("total_rss ").or_else(|| field("anon "))?;
        Some(own + field("total_shmem ").or_else(|| field("shmem ")).unwrap_or(0))
    }

    fn number(&self, files: &[&str]) -> Option<u64> {
        let text = files.iter().find_map(|file| std::fs::read_to_string(self.memory.join(file)).ok())?;
        text.trim().parse().ok()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // A group that cannot be removed costs nothing and holds nothing.
        for folder in self.folders() {
            let _ = std::fs::remove_dir(folder);
        }
    }
}

/// `major:minor` of the disk that a file is on, not of the partition.
fn disk_of(file: &Path) -> Result<String> {
    let device = std::fs::metadata(file)?.dev();
    let number = format!("{}:{}", libc::major(device), libc::minor(device));
    let here = std::fs::canonicalize(format!("/sys/dev/block/{number}"))?;
    let partition_of = here.parent().filter(|_| here.join("partition").exists());
    let Some(disk) = partition_of else { return Ok(number) };
    Ok(std::fs::read_to_string(disk.join("dev"))?.trim().to_owned())
}
