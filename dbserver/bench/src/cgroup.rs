//! A control group around a server, which counts memory as Kubernetes does: its processes' own and the file cache that
//! their reads and writes fill. Needs root and the memory controller (version 1 or 2).

use std::path::{Path, PathBuf};

/// A group of its own; removed on drop, when its processes have ended.
pub struct Cgroup {
    folder: PathBuf,
}

impl Cgroup {
    /// A new group that holds a process and its future children; none where that is not allowed.
    pub fn with_process(pid: u32) -> Option<Cgroup> {
        let roots = ["/sys/fs/cgroup/memory", "/sys/fs/cgroup"];
        let root = roots.into_iter().map(Path::new).find(|r| r.join("cgroup.procs").exists())?;
        let folder = root.join(format!("plimsoll-bench-{pid}"));
        std::fs::create_dir(&folder).ok()?;
        let group = Cgroup { folder };
        std::fs::write(group.folder.join("cgroup.procs"), pid.to_string()).ok()?;
        group.memory_peak_bytes().map(|_| group)
    }

    /// The most memory the group had at once.
    pub fn memory_peak_bytes(&self) -> Option<u64> {
        let files = ["memory.max_usage_in_bytes", "memory.peak"];
        let text = files.into_iter().find_map(|f| std::fs::read_to_string(self.folder.join(f)).ok())?;
        text.trim().parse().ok()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // A group that cannot be removed costs nothing and holds nothing.
        let _ = std::fs::remove_dir(&self.folder);
    }
}
