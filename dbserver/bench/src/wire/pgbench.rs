//! pgbench, PostgreSQL's own benchmark: a run of it, and the matrix of select-only and TPC-B.

use super::server::{Kind, Server, run};
use super::{Competitors, start};
use crate::measure::medians;
use crate::table::{Better, Goal, Table};
use anyhow::{Context, Result, ensure};
use std::path::Path;

/// What to measure with it.
#[derive(clap::Args)]
pub struct Matrix {
    /// pgbench's scales: 100,000 accounts each.
    #[arg(long, value_delimiter = ',', default_value = "1,50")]
    scales: Vec<u32>,
    /// pgbench's clients.
    #[arg(long, value_delimiter = ',', default_value = "1,8,32")]
    clients: Vec<u32>,
    /// pgbench's query modes.
    #[arg(long, value_delimiter = ',', default_value = "simple,prepared")]
    modes: Vec<String>,
}

/// What one run of pgbench found.
pub struct Report {
    pub transactions_per_second: f64,
    pub transactions: f64,
    /// The server's CPU time, in µs for each transaction.
    pub cpu_micros: f64,
}

/// Runs pgbench with these arguments against a server.
pub fn pgbench(server: &Server, clients: u32, arguments: &[&str]) -> Result<Report> {
    let cpu = server.cpu_seconds();
    let report = run(server
        .client("pgbench")
        .current_dir(server.folder())
        .args(["-n", "-c", &clients.to_string(), "-j", &clients.min(2).to_string()])
        .args(arguments))
    .with_context(|| format!("{}: {}", server.name(), server.log()))?;
    ensure!(report.contains("number of failed transactions: 0 "), "{report}");
    let number = |prefix: &str| -> Result<f64> {
        let line = report.lines().find_map(|l| l.strip_prefix(prefix));
        let line = line.with_context(|| format!("no {prefix} in {report}"))?;
        Ok(line.trim().split([' ', '/']).next().unwrap_or_default().parse()?)
    };
    let transactions = number("number of transactions actually processed: ")?;
    Ok(Report {
        transactions_per_second: number("tps = ")?,
        transactions,
        cpu_micros: (server.cpu_seconds() - cpu) / transactions * 1e6,
    })
}

/// Makes pgbench's tables.
pub fn initialize(server: &Server, scale: u32) -> Result<()> {
    run(server.client("pgbench").args(["-i", "-q", "-s", &scale.to_string()]))
        .with_context(|| format!("{}: {}", server.name(), server.log()))?;
    Ok(())
}

/// Select-only and TPC-B at each scale, number of clients and query mode.
pub fn matrix(
    amount: &Matrix,
    kinds: &[Kind],
    rounds: usize,
    seconds: u32,
    data: &Path,
    table: &mut Table,
) -> Result<()> {
    for scale in &amount.scales {
        let mut servers = start(kinds, data, None)?;
        let load = medians(1, &mut servers, |server| {
            let begun = std::time::Instant::now();
            initialize(server, *scale)?;
            Ok(begun.elapsed().as_secs_f64())
        });
        table.add(&format!("pgbench -i, scale {scale}, s"), Better::Lower, load, &[]);
        let mut process_peaks = vec![0; servers.len()];
        for (work, flags) in [("select-only", &["-S"][..]), ("TPC-B", &[][..])] {
            for clients in &amount.clients {
                for mode in &amount.modes {
                    let cell = Cell { work, flags, scale: *scale, clients: *clients, mode };
                    cell.measure(&mut servers, &mut process_peaks, rounds, seconds, table);
                }
            }
        }
        for server in &servers {
            let sums = server.sql(SUMS)?;
            let sums: Vec<&str> = sums.split('|').collect();
            ensure!(
                sums.windows(2).all(|w| w.first() == w.get(1)),
                "{}: the sums differ: {sums:?}",
                server.name()
            );
        }
        let mib = |bytes: Option<u64>| bytes.map(|bytes| bytes as f64 / f64::from(1 << 20));
        let peaks = servers.iter().map(|server| mib(server.cgroup().memory_peak_bytes())).collect();
        let what = format!("peak memory, pgbench at scale {scale}, MiB: with file cache");
        table.add(&what, Better::Lower, peaks, &[]);
        let peaks = process_peaks.into_iter().map(|bytes| mib(Some(bytes))).collect();
        let what = format!("peak memory, pgbench at scale {scale}, MiB: processes alone");
        table.add(&what, Better::Lower, peaks, &[]);
    }
    Ok(())
}

const SUMS: &str = "select (select sum(bbalance) from pgbench_branches), (select sum(tbalance) from pgbench_tellers), \
     (select sum(abalance) from pgbench_accounts), (select sum(delta) from pgbench_history)";

/// One line of the matrix.
struct Cell<'a> {
    work: &'static str,
    flags: &'static [&'static str],
    scale: u32,
    clients: u32,
    mode: &'a str,
}

impl Cell<'_> {
    /// Two rows of the table: throughput, and the server's CPU time for each transaction.
    fn measure(
        &self,
        servers: &mut Competitors,
        process_peaks: &mut [u64],
        rounds: usize,
        seconds: u32,
        table: &mut Table,
    ) {
        let seconds = seconds.to_string();
        let mut arguments = vec!["-M", self.mode, "-T", &seconds];
        arguments.extend(self.flags);
        let mut cpu = vec![Vec::new(); servers.len()];
        let mut peaks: Vec<_> = cpu.iter_mut().zip(process_peaks).collect();
        let mut numbered: Vec<_> = servers.iter().zip(&mut peaks).collect();
        let rates = medians(rounds, &mut numbered, |(server, (cpu, peak))| {
            let (report, most) =
                server.cgroup().process_peak_bytes(|| pgbench(server, self.clients, &arguments));
            let report = report?;
            **peak = most.max(**peak);
            cpu.push(report.cpu_micros);
            Ok(report.transactions_per_second)
        });
        let is_read = self.work == "select-only";
        let what = format!("{}, scale {}, {} clients, {}", self.work, self.scale, self.clients, self.mode);
        let least = match (is_read, self.scale, self.clients) {
            (true, ..) => Some(1.5),
            (false, 1, _) => Some(5.0),
            (false, 50, 8) => Some(3.0),
            _ => None,
        };
        let goals: Vec<Goal> = least.into_iter().flat_map(Goal::each_postgresql).collect();
        table.add(&format!("{what}, transactions/s"), Better::Higher, rates, &goals);
        let cpu = cpu
            .into_iter()
            .map(|values| (!values.is_empty()).then(|| crate::measure::median(values)))
            .collect();
        let goals = if is_read { Goal::each_postgresql(2.0).to_vec() } else { Vec::new() };
        table.add(&format!("{what}, server's CPU µs each"), Better::Lower, cpu, &goals);
    }
}
