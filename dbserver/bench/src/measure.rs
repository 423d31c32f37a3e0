//! Rounds and medians, and what one sync of the disk takes.

use anyhow::{Context, Result};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// The middle of several measurements; 0 of none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Measures each competitor in turn, several rounds long: machines are noisy, and noise comes in stretches. Answers a median
/// for each, none where a competitor cannot do it (which is printed).
pub fn medians<C>(
    rounds: usize,
    competitors: &mut [C],
    mut measure: impl FnMut(&mut C) -> Result<f64>,
) -> Vec<Option<f64>> {
    let mut all: Vec<Option<Vec<f64>>> = competitors.iter().map(|_| Some(Vec::new())).collect();
    for _ in 0..rounds {
        for (competitor, values) in competitors.iter_mut().zip(&mut all) {
            let Some(known) = values else { continue };
            match measure(competitor) {
                Ok(value) => known.push(value),
                Err(error) => {
                    eprintln!("failed: {error:#}");
                    *values = None;
                }
            }
        }
    }
    all.into_iter().map(|values| values.map(median)).collect()
}

/// What one write of 256 bytes and its fdatasync take on average, one after the other in a file written before, as a log's recycled
/// segments are.
pub fn one_sync(folder: &Path) -> Result<Duration> {
    const SYNCS: u32 = 1000;
    const WRITE_BYTES: u64 = 256;
    let path = folder.join("sync");
    let file = File::options().read(true).write(true).create(true).truncate(true).open(&path)?;
    let zeros = [0; 1 << 20];
    file.write_all_at(&zeros, 0)?;
    file.sync_all()?;
    let begun = Instant::now();
    for number in 0..u64::from(SYNCS) {
        file.write_all_at(zeros.get(..256).context("256 bytes")?, number * WRITE_BYTES)?;
        file.sync_data()?;
    }
    let time = begun.elapsed() / SYNCS;
    std::fs::remove_file(path)?;
    Ok(time)
}

/// Bytes that a folder's files take on the disk.
pub fn disk_bytes(folder: &Path) -> Result<u64> {
    use std::os::unix::fs::MetadataExt;
    const BLOCK_BYTES: u64 = 512;
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        // A file may go while we look.
        let Ok(metadata) = entry.metadata() else { continue };
        bytes += if metadata.is_dir() { disk_bytes(&entry.path())? } else { metadata.blocks() * BLOCK_BYTES };
    }
    Ok(bytes)
}

/// One line about this machine.
pub fn machine() -> Result<String> {
    let cpu = std::fs::read_to_string("/proc/cpuinfo")?;
    let model = cpu
        .lines()
        .find(|l| l.starts_with("model name"))
        .and_then(|l| l.split(": ").nth(1))
        .unwrap_or("unknown CPU");
    let memory = std::fs::read_to_string("/proc/meminfo")?;
    let kib: u64 = memory.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0);
    let cores = std::thread::available_parallelism()?;
    Ok(format!("Machine: {cores} × {model}, {} GiB of memory, clients on the same machine.", kib >> 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(median(vec![9.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(Vec::new()), 0.0);
    }

    #[test]
    fn who_fails_has_no_median() {
        let medians = medians(3, &mut [1.0, 2.0], |c| if *c > 1.0 { anyhow::bail!("no") } else { Ok(*c) });
        assert_eq!(medians, [Some(1.0), None]);
    }
}
