//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::config::watch::Source;
use crate::config::{Format, HumanDuration, Level};

/// A SQL database that speaks PostgreSQL's protocol.
///
/// With no arguments it keeps its data in ./plimsoll-data and listens on this machine only: connect with
/// `psql -h localhost -U plimsoll`. To listen for others, give it a password by the configuration file.
#[derive(Debug, Clone, Parser)]
#[command(name = "dbserver", version, max_term_width = 100)]
pub struct Args {
    /// What to do instead of serving
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Configuration file (YAML), read again when it changes
    #[arg(long, value_name = "FILE", env = "PLIMSOLL_CONFIG")]
    pub config: Option<PathBuf>,

    /// Directory of the data, made when absent
    #[arg(
        long,
        value_name = "DIR",
        env = "PLIMSOLL_DATA_DIR",
        default_value = "./plimsoll-data",
        global = true
    )]
    pub data_dir: PathBuf,

    /// Address for PostgreSQL clients
    #[arg(long, value_name = "ADDR", env = "PLIMSOLL_LISTEN", default_value = "127.0.0.1:5432")]
    pub listen: SocketAddr,

    /// Address for /health, /ready, /status and /metrics
    #[arg(long, value_name = "ADDR", env = "PLIMSOLL_HTTP", default_value = "127.0.0.1:8080")]
    pub http: SocketAddr,

    /// Least severe events to log; goes before the file's logging.level
    #[arg(long, value_name = "LEVEL", env = "PLIMSOLL_LOG_LEVEL", ignore_case = true)]
    pub log_level: Option<Level>,

    /// Format of the log; goes before the file's logging.format
    #[arg(long, value_name = "FORMAT", env = "PLIMSOLL_LOG_FORMAT", ignore_case = true)]
    pub log_format: Option<Format>,

    /// How long running statements may finish after SIGTERM before they are cancelled
    #[arg(long, value_name = "TIME", env = "PLIMSOLL_SHUTDOWN_GRACE", default_value = "25s",
          value_parser = HumanDuration::parse)]
    pub shutdown_grace: HumanDuration,
}

/// What is done with data while no server runs on them.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Verify every file of the data directory and its log; changes nothing. Exit code 0 where all is sound, else 1
    Check,
    /// Print what is in a file of a data directory: MANIFEST, a log segment, a sorted file
    Inspect {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Of a sorted file print every entry
        #[arg(long)]
        entries: bool,
    },
}

impl Args {
    /// Where the configuration comes from.
    pub fn source(&self) -> Source {
        Source {
            file: self.config.clone(),
            level: self.log_level,
            format: self.log_format,
            listen: vec![self.listen],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn subcommands_are_read() {
        let args = Args::parse_from(["dbserver", "check", "--data-dir", "d"]);
        assert!(matches!(args.command, Some(Command::Check)));
        assert_eq!(args.data_dir, PathBuf::from("d"));
        let args = Args::parse_from(["dbserver", "inspect", "--entries", "f.sst"]);
        assert!(matches!(args.command, Some(Command::Inspect { entries: true, .. })));
    }

    #[test]
    fn flags_are_read() {
        let args = Args::parse_from([
            "dbserver",
            "--listen",
            "127.0.0.1:6000",
            "--log-level",
            "debug",
            "--log-format",
            "json",
            "--shutdown-grace",
            "500ms",
        ]);
        assert_eq!(args.listen.port(), 6000);
        assert_eq!(args.log_level, Some(Level::Debug));
        assert_eq!(args.shutdown_grace.0.as_millis(), 500);
    }
}
