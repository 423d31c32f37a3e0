//! Builds the two images from static binaries, from scratch, and loads them into the cluster.

use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The target whose C library can be linked in.
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// An image may not be larger.
const IMAGE_BYTES_MAX: u64 = 40 << 20;

/// Name of the image of a binary under test: one that no registry has.
pub fn name(binary: &str) -> String {
    format!("localhost/plimsoll-{binary}:e2e")
}

/// Name of the image of a binary as the charts ask for it.
pub fn chart_name(binary: &str) -> String {
    format!("docker.io/plimsoll/{binary}:{}", env!("CARGO_PKG_VERSION"))
}

/// The workspace's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Runs a command to its end; an error says what it was.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(())
}

/// Builds both images, called as `name` says, and writes each as a docker archive; gives the archives' paths.
pub fn build(name: fn(&str) -> String) -> Result<Vec<PathBuf>> {
    run(Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(root())
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        .env("CARGO_TARGET_DIR", target_dir())
        .args(["build", "--release", "--target", TARGET, "--bin", "dbserver", "--bin", "operator"])
        .args(["--package", "plimsoll-dbserver", "--package", "plimsoll-operator"]))?;
    ["dbserver", "operator"].into_iter().map(|binary| build_one(binary, &name(binary))).collect()
}

fn build_one(binary: &str, name: &str) -> Result<PathBuf> {
    let context = target_dir().join("images").join(binary);
    std::fs::create_dir_all(&context)?;
    std::fs::copy(target_dir().join(TARGET).join("release").join(binary), context.join(binary))?;
    let archive = target_dir().join("images").join(format!("{binary}.tar"));
    let _ = std::fs::remove_file(&archive);
    let dockerfile = root().join(binary).join("Dockerfile");
    if works(Command::new("docker").arg("info")) {
        run(Command::new("docker")
            .args(["build", "--quiet", "--tag", name, "--file"])
            .arg(&dockerfile)
            .arg(&context))?;
        run(Command::new("docker").args(["save", name, "--output"]).arg(&archive))?;
    } else if works(Command::new("buildah").arg("--version")) {
        let buildah = || {
            let mut command = Command::new("buildah");
            command.args(["--storage-driver", "vfs"]);
            command
        };
        run(buildah().args(["bud", "--quiet", "--tag", name, "--file"]).arg(&dockerfile).arg(&context))?;
        run(buildah()
            .args(["push", "--quiet", name])
            .arg(format!("docker-archive:{}:{name}", archive.display())))?;
    } else {
        bail!("images need a running docker engine, or buildah");
    }
    let bytes = std::fs::metadata(&archive)?.len();
    println!("image {name}: {:.1} MB, {}", bytes as f64 / 1e6, archive.display());
    ensure!(bytes <= IMAGE_BYTES_MAX, "image {name} is {bytes} bytes, over {IMAGE_BYTES_MAX}");
    Ok(archive)
}

fn works(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// Loads the archives into every node, by the given shell command.
pub fn load(archives: &[PathBuf], command: &str) -> Result<()> {
    let list: Vec<String> = archives.iter().map(|a| a.display().to_string()).collect();
    run(Command::new("sh").args(["-c", command]).env("ARCHIVES", list.join(" ")))
}
