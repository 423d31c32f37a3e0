//! `plimsoll-bench`: the engine beside embedded stores and dbserver beside PostgreSQL, on one machine, in turn; prints tables
//! of medians and ratios.
//!
//! ```text
//! embedded   engine | SQLite | fjall | redb      inserts, reads, durable commits, bytes on disk   (--features peers)
//! pgbench    dbserver | PostgreSQL 15 | 18       select-only and TPC-B: throughput, CPU, memory
//! commits                                        durable single-row commits
//! footprint                                      bytes on disk, bytes written
//! larger                                         reads of ten times the memory
//! reopen                                         after kill -9
//! copy                                           many rows in one transaction
//! delete                                         half of a table, and scans after it
//! soak       dbserver                            a long mixed load: memory, stalls, space
//! ```

mod embedded;
mod measure;
mod table;
mod wire;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use std::path::PathBuf;
use table::Table;
use wire::server::Kind;

// As dbserver has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures Plimsoll and its peers in turn and prints how they compare.
#[derive(Parser)]
struct Arguments {
    /// What to measure; all but the soak when nothing is named.
    work: Vec<Work>,
    /// Only these competitors, by the beginning of their names (Plimsoll and dbserver always run).
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// The dbserver binary: cargo build --release --bin dbserver
    #[arg(long, default_value = "target/release/dbserver")]
    dbserver: PathBuf,
    /// Folders of PostgreSQL's programs (dbserver/bench/postgresql-18 fetches the second); those that are not there are left out.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "/usr/lib/postgresql/15/bin,target/postgresql-18/native/bin"
    )]
    postgres: Vec<PathBuf>,
    /// Folder for the data, on the disk to measure; user postgres must be able to reach it.
    #[arg(long, default_value = "target")]
    data: PathBuf,
    /// Rounds of each measurement.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds of each run of pgbench.
    #[arg(long, default_value_t = 5)]
    seconds: u32,
    #[command(flatten)]
    embedded: embedded::Amount,
    #[command(flatten)]
    matrix: wire::pgbench::Matrix,
    #[command(flatten)]
    footprint: wire::footprint::Amount,
    #[command(flatten)]
    larger: wire::larger::Amount,
    #[command(flatten)]
    reopen: wire::reopen::Amount,
    #[command(flatten)]
    copy: wire::copy::Amount,
    #[command(flatten)]
    delete: wire::delete::Amount,
    #[command(flatten)]
    soak: wire::soak::Amount,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Work {
    Embedded,
    Pgbench,
    Commits,
    Footprint,
    Larger,
    Reopen,
    Copy,
    Delete,
    Soak,
}

fn main() -> Result<()> {
    let mut arguments = Arguments::parse();
    if arguments.work.is_empty() {
        arguments.work = Work::value_variants().iter().copied().filter(|work| *work != Work::Soak).collect();
    }
    println!("{}\n", measure::machine()?);
    let is_wanted = |name: &str| {
        ["Plimsoll", "dbserver"].contains(&name)
            || arguments.only.is_empty()
            || arguments.only.iter().any(|only| name.starts_with(only))
    };
    if arguments.work.contains(&Work::Embedded) {
        println!("{}", embedded::run(&arguments.embedded, arguments.rounds, &arguments.data, &is_wanted)?);
    }
    let mut kinds = vec![Kind::Plimsoll { binary: std::path::absolute(&arguments.dbserver)? }];
    for bin in arguments.postgres.iter().filter(|bin| bin.join("postgres").exists()) {
        kinds.push(Kind::postgresql(bin)?);
    }
    kinds.retain(|kind| is_wanted(kind.name()));
    let mut table = Table::new(kinds.iter().map(|kind| kind.name().to_owned()).collect());
    let (rounds, seconds, data) = (arguments.rounds, arguments.seconds, &*arguments.data);
    for work in &arguments.work {
        let done = match work {
            Work::Embedded => Ok(()),
            Work::Pgbench => {
                wire::pgbench::matrix(&arguments.matrix, &kinds, rounds, seconds, data, &mut table)
            }
            Work::Commits => wire::commits::run(&kinds, rounds, seconds, data, &mut table),
            Work::Footprint => wire::footprint::run(&arguments.footprint, &kinds, data, &mut table),
            Work::Larger => wire::larger::run(&arguments.larger, &kinds, rounds, seconds, data, &mut table),
            Work::Reopen => wire::reopen::run(&arguments.reopen, &kinds, rounds, data, &mut table),
            Work::Copy => wire::copy::run(&arguments.copy, &kinds, rounds, data, &mut table),
            Work::Delete => wire::delete::run(&arguments.delete, &kinds, data, &mut table),
            Work::Soak => kinds.first().map_or(Ok(()), |kind| wire::soak::run(&arguments.soak, kind, data)),
        };
        // What is measured is worth printing, whatever became of the rest.
        if let Err(error) = done {
            eprintln!("failed: {error:#}");
        }
    }
    println!("{table}");
    Ok(())
}
