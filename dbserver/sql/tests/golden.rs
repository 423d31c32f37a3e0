//! Runs `tests/golden/*.sql` through a session in process and compares with `*.out`, which PostgreSQL 15's psql printed for the same
//! file (`tests/compare_with_postgres.sh` makes and checks them). A difference is a bug here, unless the file says why it is not.
//!
//! The output is that of `psql -X -a -A`: each line as it is read, then results unaligned, tags, notices and errors (without
//! the LINE and caret lines).

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use parking_lot::Mutex;
use plimsoll_sql::context::{Cancel, MemoryAccount, QueryContext};
use plimsoll_sql::plan::ResultColumn;
use plimsoll_sql::session::{
    Database, DatabaseOptions, EvalSettings, Mode, NoHooks, Session, SessionOptions, Sink, Step,
};
use plimsoll_sql::types::{Datum, io};
use plimsoll_sql::vector::Batch;
use plimsoll_sql::{Result, SqlError};
use plimsoll_storage::{Engine, Options, io::RealIo};
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// Collects rows as psql prints them.
struct Printer {
    columns: Vec<ResultColumn>,
    settings: Arc<EvalSettings>,
    rows: Vec<String>,
    copied: Vec<u8>,
}

impl Printer {
    fn value(&self, column: usize, value: &Datum) -> String {
        let Some(c) = self.columns.get(column) else { return "?".to_owned() };
        match value {
            Datum::Null => String::new(),
            value => io::to_text(value, c.ty.ty, c.ty.typmod, &self.settings),
        }
    }
}

impl Sink for Printer {
    fn row(&mut self, row: &[Datum]) -> Result<()> {
        let values: Vec<String> = row.iter().enumerate().map(|(i, v)| self.value(i, v)).collect();
        self.rows.push(values.join("|"));
        Ok(())
    }
    fn batch(&mut self, batch: &Batch) -> Result<()> {
        (0..batch.rows).try_for_each(|i| self.row(&batch.row(i)))
    }
    fn copy_out(&mut self, _: &[i16]) -> Result<()> {
        Ok(())
    }
    fn copy_data(&mut self, data: &[u8]) -> Result<()> {
        self.copied.extend_from_slice(data);
        Ok(())
    }
}

/// A psql over a session.
struct Psql {
    session: Session,
    out: String,
}

fn query_context() -> QueryContext {
    QueryContext {
        deadline: None,
        cancel: Arc::new(Cancel::default()),
        memory: MemoryAccount::new("query", 1 << 30, None),
        rows_max: u64::MAX,
        rows: AtomicU64::new(0),
    }
}

impl Psql {
    fn print_error(&mut self, severity: &str, error: &SqlError) {
        let f = error.fields();
        writeln!(self.out, "{severity}:  {}", f.message).unwrap();
        for (name, text) in [("DETAIL", &f.detail), ("HINT", &f.hint), ("CONTEXT", &f.context)] {
            if !text.is_empty() {
                writeln!(self.out, "{name}:  {text}").unwrap();
            }
        }
    }
    fn notices(&mut self) {
        for notice in self.session.take_notices() {
            self.print_error(notice.severity, &notice.error);
        }
    }
    /// One statement, with the data of a COPY FROM.
    fn run(&mut self, sql: &str, data: &mut dyn FnMut() -> Vec<u8>) {
        if let Err(error) = self.try_run(sql, data) {
            self.session.fail(&error);
            self.notices();
            self.print_error("ERROR", &error);
        }
        let _ = self.session.sync(Mode::Worker);
        self.notices();
    }
    fn try_run(&mut self, sql: &str, data: &mut dyn FnMut() -> Vec<u8>) -> Result<()> {
        self.session.begin_simple(sql)?;
        while let Some(description) = self.session.simple_next()? {
            let mut printer = Printer {
                columns: description.columns.clone().unwrap_or_default(),
                settings: self.session.eval_settings(),
                rows: Vec::new(),
                copied: Vec::new(),
            };
            let query = query_context();
            let step = match self.session.execute("", 0, &query, &mut printer, Mode::Inline)? {
                Step::Complete(tag) => Step::Complete(tag),
                Step::CopyIn(formats) => Step::CopyIn(formats),
                // The wait of a lock that no one else holds, or of a commit, is over at once on a worker.
                Step::Wait(plimsoll_sql::session::Wait::Commit(ticket)) => {
                    ticket.wait()?;
                    self.session.execute("", 0, &query, &mut printer, Mode::Worker)?
                }
                _ => self.session.execute("", 0, &query, &mut printer, Mode::Worker)?,
            };
            let tag = match step {
                Step::Complete(tag) => tag,
                Step::CopyIn(_) => {
                    // In uneven pieces, as a network would bring them.
                    let data = data();
                    for piece in data.chunks(7) {
                        self.session.copy_data(piece, &query)?;
                    }
                    match self.session.copy_done(&query, Mode::Worker)? {
                        Step::Complete(tag) => tag,
                        _ => String::new(),
                    }
                }
                _ => String::new(),
            };
            self.notices();
            if let Some(columns) = description.columns {
                let names: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
                writeln!(self.out, "{}", names.join("|")).unwrap();
                for row in printer.rows.iter().filter(|_| !names.is_empty()) {
                    writeln!(self.out, "{row}").unwrap();
                }
                let plural = if printer.rows.len() == 1 { "" } else { "s" };
                writeln!(self.out, "({} row{plural})", printer.rows.len()).unwrap();
                if !tag.starts_with("SELECT")
                    && !tag.starts_with("FETCH")
                    && !tag.starts_with("SHOW")
                    && !tag.starts_with("EXPLAIN")
                {
                    writeln!(self.out, "{tag}").unwrap();
                }
            } else if !printer.copied.is_empty() || (tag.starts_with("COPY") && sql_is_copy_to(sql)) {
                self.out.push_str(&String::from_utf8_lossy(&printer.copied));
            } else {
                writeln!(self.out, "{tag}").unwrap();
            }
        }
        Ok(())
    }
}

fn sql_is_copy_to(sql: &str) -> bool {
    sql.to_ascii_lowercase().contains("stdout")
}

/// Whether a statement is complete: a semicolon at its end, outside of quotes, brackets and comments.
fn complete(sql: &str) -> bool {
    let (mut quote, mut depth, mut last) = (None, 0_i32, ' ');
    let mut chars = sql.chars().peekable();
    while let Some(c) = chars.next() {
        match quote {
            Some(q) if c == q => quote = None,
            Some(_) => {}
            None => match c {
                '\'' | '"' => quote = Some(c),
                '-' if chars.peek() == Some(&'-') => while chars.next_if(|c| *c != '\n').is_some() {},
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            },
        }
        if !c.is_whitespace() {
            last = c;
        }
    }
    last == ';' && quote.is_none() && depth <= 0
}

fn run_script(script: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let engine = Engine::open(Arc::new(RealIo), directory.path(), Options::default()).unwrap();
    let database = Database::open(engine.clone(), DatabaseOptions::default()).unwrap();
    let options = SessionOptions {
        user: "plimsoll".into(),
        database: "plimsoll".into(),
        backend_pid: 1,
        hooks: Arc::new(NoHooks),
        memory: MemoryAccount::new("session", 1 << 30, None),
    };
    let mut psql = Psql { session: database.session(options), out: String::new() };
    let lines = Mutex::new(script.lines());
    let mut statement = String::new();
    loop {
        let next = lines.lock().next();
        let Some(line) = next else { break };
        writeln!(psql.out, "{line}").unwrap();
        let blank = line.trim().is_empty() || line.trim_start().starts_with("--");
        if statement.is_empty() && blank {
            continue;
        }
        statement.push_str(line);
        statement.push('\n');
        if complete(&statement) {
            let sql = std::mem::take(&mut statement);
            let mut data = || {
                let mut bytes = Vec::new();
                loop {
                    let Some(line) = lines.lock().next() else { break };
                    if line == "\\." {
                        break;
                    }
                    bytes.extend_from_slice(line.as_bytes());
                    bytes.push(b'\n');
                }
                bytes
            };
            let sql = sql.trim();
            psql.run(sql, &mut data);
        }
    }
    psql.session.end();
    engine.close().unwrap();
    psql.out
}

#[test]
fn scripts_give_what_postgresql_gives() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let only = std::env::var("GOLDEN").ok();
    let mut scripts: Vec<_> = std::fs::read_dir(&directory)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "sql"))
        .filter(|p| only.as_ref().is_none_or(|o| p.file_stem().unwrap().to_str() == Some(o)))
        .collect();
    scripts.sort();
    assert!(!scripts.is_empty());
    let mut failed = Vec::new();
    for script in scripts {
        let expected = std::fs::read_to_string(script.with_extension("out")).unwrap_or_default();
        let got = run_script(&std::fs::read_to_string(&script).unwrap());
        if got == expected {
            continue;
        }
        failed.push(script.file_name().unwrap().to_string_lossy().into_owned());
        eprintln!("==== {} (- expected, + got)", script.display());
        for line in diff(&expected, &got) {
            eprintln!("{line}");
        }
    }
    assert!(failed.is_empty(), "different from PostgreSQL: {failed:?}");
}

/// Lines that differ, by the longest common subsequence.
fn diff(a: &str, b: &str) -> Vec<String> {
    let (a, b): (Vec<&str>, Vec<&str>) = (a.lines().collect(), b.lines().collect());
    let mut table = vec![vec![0_u32; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            table[i][j] =
                if a[i] == b[j] { table[i + 1][j + 1] + 1 } else { table[i + 1][j].max(table[i][j + 1]) };
        }
    }
    let (mut i, mut j, mut out) = (0, 0, Vec::new());
    let mut statement = "";
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            if a[i].ends_with(';') {
                statement = a[i];
            }
            i += 1;
            j += 1;
            continue;
        }
        if !statement.is_empty() {
            out.push(format!("  {statement}"));
            statement = "";
        }
        if j >= b.len() || (i < a.len() && table[i + 1][j] >= table[i][j + 1]) {
            out.push(format!("- {}", a[i]));
            i += 1;
        } else {
            out.push(format!("+ {}", b[j]));
            j += 1;
        }
    }
    out
}
