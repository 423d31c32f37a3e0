//! What a process and its children have used.

use std::time::Duration;

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

/// User and system time of a process and all its children so far, ended ones included, in seconds.
pub fn cpu_seconds(parent: u32) -> f64 {
    family(parent).iter().map(|pid| own_cpu_seconds(*pid)).sum()
}

/// User and system time of a process and of its children that it has waited for.
fn own_cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // Fields after the name, which may hold blanks: utime, stime, cutime, cstime are the 12th to 15th of these.
    let fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks: f64 = fields.split(' ').skip(11).take(4).filter_map(|f| f.parse::<f64>().ok()).sum();
    ticks / 100.0
}

/// Sends a signal to a process of ours that has not been waited for.
pub fn signal(pid: u32, signal: libc::c_int) {
    if let Ok(pid) = libc::pid_t::try_from(pid)
        && pid > 0
    {
        // SAFETY: kill takes no memory; the process is our child and not yet waited for.
        unsafe { libc::kill(pid, signal) };
    }
}

/// How often conditions are looked at.
pub const POLL: Duration = Duration::from_millis(5);
