//! Figures, their medians, and the table of ratios.

use anyhow::Result;
use std::fmt;

/// One measurement, or the median of several.
#[derive(Clone, Copy, Default)]
pub struct Figure {
    /// In the row's unit.
    pub value: f64,
    /// The server's CPU time per transaction (or row), µs; 0 where not measured.
    pub cpu: f64,
}

/// The median of each part.
pub fn median(figures: &[Figure]) -> Figure {
    let middle = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or_default()
    };
    Figure {
        value: middle(figures.iter().map(|f| f.value).collect()),
        cpu: middle(figures.iter().map(|f| f.cpu).collect()),
    }
}

struct Row {
    what: String,
    peer: Figure,
    ours: Figure,
    /// Over 1: dbserver is better.
    ratio: f64,
}

/// What was measured, as Markdown.
#[derive(Default)]
pub struct Table(Vec<Row>);

impl Table {
    /// A row where more is better; figures are the peer's, then ours.
    pub fn add_higher_is_better(&mut self, what: &str, figures: &[Figure]) {
        self.add(what, figures, |peer, ours| ours / peer);
    }
    /// A row where less is better.
    pub fn add_lower_is_better(&mut self, what: &str, figures: &[Figure]) {
        self.add(what, figures, |peer, ours| peer / ours);
    }
    fn add(&mut self, what: &str, figures: &[Figure], ratio: impl Fn(f64, f64) -> f64) {
        if let [peer, ours] = figures {
            let row =
                Row { what: what.to_owned(), peer: *peer, ours: *ours, ratio: ratio(peer.value, ours.value) };
            eprintln!(
                "{}: {:.2} beside {:.2}, ratio {:.2}",
                row.what, row.ours.value, row.peer.value, row.ratio
            );
            self.0.push(row);
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| work | PostgreSQL 15 | dbserver | ratio (over 1: dbserver is better) | server CPU per transaction or row, µs |"
        )?;
        writeln!(f, "|---|---|---|---|---|")?;
        for Row { what, peer, ours, ratio } in &self.0 {
            let cpu =
                if peer.cpu > 0.0 { format!("{:.1} / {:.1}", peer.cpu, ours.cpu) } else { String::new() };
            writeln!(f, "| {what} | {:.2} | {:.2} | {ratio:.2} | {cpu} |", peer.value, ours.value)?;
        }
        Ok(())
    }
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
