//! How much memory this process may use, and how it is shared out.
//!
//! In a container the limit is the cgroup's (version 2 or 1), elsewhere the machine's memory. Of it queries may use 20 %
//! together; the storage engine's memtable and block cache 60 % (`storage.memoryPercent`); the rest is slack for connections and
//! buffers.

use std::fs;
use std::path::Path;

/// Queries' default share of the memory, in per cent.
pub const QUERY_SHARE_PERCENT: u64 = 20;

/// The memory this process may use, in bytes: the smallest cgroup limit above it, else the machine's memory.
pub fn memory_limit() -> u64 {
    let machine = machine_memory(&fs::read_to_string("/proc/meminfo").unwrap_or_default());
    let cgroups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let cgroup = cgroup_limit(Path::new("/sys/fs/cgroup"), &cgroups);
    cgroup.map_or(machine, |limit| limit.min(machine))
}

/// `MemTotal` of `/proc/meminfo` in bytes; 1 GiB where it cannot be read.
fn machine_memory(meminfo: &str) -> u64 {
    meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse::<u64>().ok())
        .map_or(1 << 30, |kib| kib.saturating_mul(1024))
}

/// The smallest limit on the way from this process's cgroup up to the root. `cgroups` is `/proc/self/cgroup`.
fn cgroup_limit(root: &Path, cgroups: &str) -> Option<u64> {
    cgroups
        .lines()
        .filter_map(|line| {
            let mut fields = line.splitn(3, ':');
            let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
            if controllers.is_empty() {
                smallest_above(root, path, "memory.max")
            } else if controllers.split(',').any(|controller| controller == "memory") {
                smallest_above(&root.join("memory"), path, "memory.limit_in_bytes")
            } else {
                None
            }
        })
        .min()
}

fn smallest_above(root: &Path, path: &str, file: &str) -> Option<u64> {
    let full = root.join(path.trim_start_matches('/'));
    full.ancestors()
        .take_while(|directory| directory.starts_with(root))
        .filter_map(|directory| fs::read_to_string(directory.join(file)).ok()?.trim().parse::<u64>().ok())
        .min()
}

/// Resident memory of this process in bytes, from `/proc/self/statm`; 0 where that cannot be read.
pub fn resident_bytes() -> u64 {
    const PAGE_BYTES: u64 = 4096;
    fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|statm| statm.split_whitespace().nth(1)?.parse::<u64>().ok())
        .map_or(0, |pages| pages.saturating_mul(PAGE_BYTES))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machine_memory_is_in_kibibytes() {
        assert_eq!(machine_memory("MemTotal:       2048 kB\nMemFree: 1 kB\n"), 2048 * 1024);
    }

    #[test]
    fn the_smallest_cgroup_limit_counts() {
        let root = tempfile::tempdir().unwrap();
        let pod = root.path().join("pod");
        fs::create_dir_all(pod.join("container")).unwrap();
        fs::write(pod.join("memory.max"), "1073741824\n").unwrap();
        fs::write(pod.join("container/memory.max"), "max\n").unwrap();
        assert_eq!(cgroup_limit(root.path(), "0::/pod/container\n"), Some(1 << 30));
        assert_eq!(cgroup_limit(root.path(), "0::/\n"), None);

        let v1 = root.path().join("memory/a");
        fs::create_dir_all(&v1).unwrap();
        fs::write(v1.join("memory.limit_in_bytes"), "4096").unwrap();
        assert_eq!(cgroup_limit(root.path(), "4:memory:/a\n1:cpu:/\n"), Some(4096));
    }
}
