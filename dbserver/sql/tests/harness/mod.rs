//! Sessions driven as the wire layer drives them, for the integration tests.

#![allow(dead_code, reason = "not every test uses all of it")]

use plimsoll_sql::context::{MemoryAccount, QueryContext};
use plimsoll_sql::session::{
    Database, DatabaseOptions, Mode, NoHooks, Session, SessionOptions, Sink, Step, Wait,
};
use plimsoll_sql::types::Datum;
use plimsoll_sql::vector::Batch;
use plimsoll_sql::{Result, SqlError};
use plimsoll_storage::{Engine, Options, io::RealIo};
use std::sync::Arc;
use std::time::Instant;

#[derive(Default)]
pub struct Rows(pub Vec<Vec<Datum>>);

impl Sink for Rows {
    fn row(&mut self, row: &[Datum]) -> Result<()> {
        self.0.push(row.to_vec());
        Ok(())
    }
    fn batch(&mut self, batch: &Batch) -> Result<()> {
        self.0.extend((0..batch.rows).map(|i| batch.row(i)));
        Ok(())
    }
    fn copy_out(&mut self, _: &[i16]) -> Result<()> {
        Ok(())
    }
    fn copy_data(&mut self, data: &[u8]) -> Result<()> {
        self.0.push(vec![Datum::Bytea(data.into())]);
        Ok(())
    }
}

pub fn open(directory: &std::path::Path) -> (Engine, Arc<Database>) {
    let engine = Engine::open(Arc::new(RealIo), directory, Options::default()).unwrap();
    (engine.clone(), Database::open(engine, DatabaseOptions::default()).unwrap())
}

pub fn connect(database: &Arc<Database>) -> Session {
    connect_as(database, 1)
}

/// A session with a process number of its own.
pub fn connect_as(database: &Arc<Database>, backend_pid: i32) -> Session {
    database.session(SessionOptions {
        user: "plimsoll".into(),
        database: "plimsoll".into(),
        backend_pid,
        hooks: Arc::new(NoHooks),
        memory: MemoryAccount::new("session", 1 << 30, None),
    })
}

/// Runs one portal to its end, as a server with a worker does.
pub fn execute(session: &mut Session, portal: &str, max_rows: u64) -> Result<(Step, Vec<Vec<Datum>>)> {
    let query = QueryContext::unlimited();
    let mut rows = Rows::default();
    let mut mode = Mode::Inline;
    loop {
        match session.execute(portal, max_rows, &query, &mut rows, mode)? {
            Step::Offload => mode = Mode::Worker,
            Step::Wait(Wait::Commit(ticket)) => ticket.wait()?,
            Step::Wait(Wait::Lock(wait)) => {
                let patience = session.lock_timeout().map(|timeout| Instant::now() + timeout);
                wait.wait(patience, &|| false)?;
            }
            step => return Ok((step, rows.0)),
        }
    }
}

pub fn sync(session: &mut Session) {
    assert!(matches!(session.sync(Mode::Worker).unwrap(), Step::Complete(_)));
}

/// A simple query: the rows of its last statement.
pub fn simple(session: &mut Session, sql: &str) -> Result<Vec<Vec<Datum>>> {
    let mut run = || {
        session.begin_simple(sql)?;
        let mut last = Vec::new();
        while session.simple_next()?.is_some() {
            last = execute(session, "", 0)?.1;
        }
        Ok(last)
    };
    let result = run();
    if let Err(error) = &result {
        session.fail(error);
    }
    sync(session);
    result
}

pub fn ok(session: &mut Session, sql: &str) -> Vec<Vec<Datum>> {
    simple(session, sql).unwrap_or_else(|e| panic!("{sql}: {e}"))
}

pub fn tag(step: Step) -> String {
    match step {
        Step::Complete(tag) => tag,
        _ => panic!("the statement is not complete"),
    }
}

pub fn state(error: &SqlError) -> &'static str {
    error.sqlstate()
}
