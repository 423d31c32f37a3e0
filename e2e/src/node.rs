//! What happens to machines: a process killed, a node without power.

use crate::images::run;
use anyhow::{Result, ensure};
use std::process::Command;

/// `kill -9` of the database process of a pod, found by the pod's cgroup. Works as root on the machine that runs the
/// nodes (kind's nodes are containers of it, so that their processes are visible).
pub fn kill_server(pod_uid: &str) -> Result<()> {
    let in_cgroup = [pod_uid.to_owned(), pod_uid.replace('-', "_")];
    let mut killed = 0;
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let path = entry.path();
        let Ok(cgroup) = std::fs::read_to_string(path.join("cgroup")) else { continue };
        let Ok(name) = std::fs::read_to_string(path.join("comm")) else { continue };
        if name.trim() == "dbserver" && in_cgroup.iter().any(|uid| cgroup.contains(uid.as_str())) {
            run(Command::new("kill").arg("-KILL").arg(entry.file_name()))?;
            killed += 1;
        }
    }
    ensure!(
        killed > 0,
        "no dbserver process of pod {pod_uid} on this machine (run as root where the nodes run)"
    );
    Ok(())
}

/// Runs a node command with NODE set.
pub fn command(command: &str, node: &str) -> Result<()> {
    run(Command::new("sh").args(["-c", command]).env("NODE", node))
}
