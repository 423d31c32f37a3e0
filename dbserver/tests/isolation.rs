//! The anomalies of the literature (Berenson et al. 1995; Adya 1999; Fekete et al. 2004; Kleppmann's Hermitage) as schedules of
//! several sessions, at each isolation level. `isolation/NAME` is the schedule, `isolation/NAME.out` what PostgreSQL 15 answered.
//!
//! With `PLIMSOLL_ORACLE` set to a connection string, the schedules run on that server and the `.out` files are written.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_postgres::{Client, Error, NoTls, SimpleQueryMessage};

const LEVELS: [&str; 3] = ["read committed", "repeatable read", "serializable"];

type Answer = Result<Vec<SimpleQueryMessage>, Error>;

struct Session {
    client: Arc<Client>,
    pid: String,
    /// A statement that has not answered yet.
    pending: Option<JoinHandle<Answer>>,
}

async fn connect(server: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(server, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

fn first_value(messages: &[SimpleQueryMessage]) -> Option<String> {
    messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    })
}

/// Rows, or how many were changed, or the error; numbers of transactions are left out.
fn show(answer: &Answer) -> String {
    match answer {
        Ok(messages) => {
            let rows: Vec<String> = messages
                .iter()
                .filter_map(|message| match message {
                    SimpleQueryMessage::Row(row) => {
                        let values: Vec<&str> =
                            (0..row.len()).map(|at| row.get(at).unwrap_or("null")).collect();
                        Some(format!("({})", values.join(", ")))
                    }
                    _ => None,
                })
                .collect();
            let changed = messages.iter().find_map(|message| match message {
                SimpleQueryMessage::CommandComplete(count) if rows.is_empty() => Some(count.to_string()),
                _ => None,
            });
            changed.unwrap_or_else(|| rows.join(" "))
        }
        Err(error) => {
            let Some(error) = error.as_db_error() else { return format!("{error}") };
            let mut text = format!("{} {}: {}", error.severity(), error.code().code(), error.message());
            for (name, more) in [("DETAIL", error.detail()), ("HINT", error.hint())] {
                // At which of several moments a dangerous structure was noticed is each server's own affair.
                if let Some(more) = more.filter(|more| !more.starts_with("Reason code")) {
                    let more: String = more.chars().filter(|c| !c.is_ascii_digit()).collect();
                    write!(text, "\n   {name}: {more}").unwrap();
                }
            }
            text
        }
    }
}

/// Runs a schedule and answers what happened, line by line.
async fn run(server: &str, schedule: &str, level: &str) -> String {
    let control = connect(server).await;
    control
        .batch_execute(
            "drop table if exists test; create table test (id int primary key, value int not null);
             insert into test values (1, 10), (2, 20)",
        )
        .await
        .unwrap();
    let mut sessions: BTreeMap<&str, Session> = BTreeMap::new();
    let mut output = format!("== {level}\n");
    for line in schedule.lines().filter(|line| !line.starts_with('#')) {
        let (name, sql) = line.split_once(": ").unwrap();
        if !sessions.contains_key(name) {
            let client = Arc::new(connect(server).await);
            let pid = first_value(&client.simple_query("select pg_backend_pid()").await.unwrap()).unwrap();
            sessions.insert(name, Session { client, pid, pending: None });
        }
        writeln!(output, "{line}").unwrap();
        let session = sessions.get_mut(name).unwrap();
        assert!(session.pending.is_none(), "{line}: the session waits");
        let sql = if sql == "begin" { format!("begin isolation level {level}") } else { sql.to_owned() };
        let client = Arc::clone(&session.client);
        session.pending = Some(tokio::spawn(async move { client.simple_query(&sql).await }));
        settle(&control, name, &mut sessions, &mut output).await;
    }
    for (name, session) in sessions {
        assert!(session.pending.is_none(), "{name} waits at the end");
    }
    output
}

/// Waits until each session has answered or waits for another.
async fn settle(control: &Client, acting: &str, sessions: &mut BTreeMap<&str, Session>, output: &mut String) {
    // The acting one first: what it did may let the others go on.
    let mut names: Vec<&str> = sessions.keys().copied().filter(|name| *name != acting).collect();
    names.insert(0, acting);
    for name in names {
        let session = sessions.get_mut(name).unwrap();
        let prefix = if name == acting { "  ".to_owned() } else { format!("  {name} goes on: ") };
        while let Some(task) = session.pending.take() {
            if task.is_finished() {
                writeln!(output, "{prefix}{}", show(&task.await.unwrap())).unwrap();
                break;
            }
            session.pending = Some(task);
            let waits = "select wait_event_type in ('Lock', 'IPC') from pg_stat_activity where state = 'active' and pid = ";
            let answer = control.simple_query(&format!("{waits}{}", session.pid)).await.unwrap();
            if first_value(&answer).as_deref() == Some("t") && still_waits(control, session).await {
                if name == acting {
                    writeln!(output, "{prefix}waits").unwrap();
                }
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Whoever has just been let go may still be listed as waiting for an instant.
async fn still_waits(control: &Client, session: &Session) -> bool {
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        control.simple_query("select 1").await.unwrap();
        if session.pending.as_ref().is_none_or(JoinHandle::is_finished) {
            return false;
        }
    }
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn schedules_go_as_in_postgresql() {
    let own = common::Server::start("").await;
    let oracle = std::env::var("PLIMSOLL_ORACLE").ok();
    let port = own.address().port();
    let server = oracle.clone().unwrap_or(format!("host=127.0.0.1 port={port} user=plimsoll"));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/isolation");
    let mut wrong = Vec::new();
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_none());
    paths.sort();
    for path in paths {
        let schedule = std::fs::read_to_string(&path).unwrap();
        let mut output = String::new();
        for level in LEVELS {
            output.push_str(&run(&server, &schedule, level).await);
        }
        let expected = path.with_extension("out");
        if oracle.is_some() {
            std::fs::write(expected, output).unwrap();
        } else if output != std::fs::read_to_string(&expected).unwrap() {
            wrong.push(format!("{}:\n{output}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "not as in PostgreSQL:\n{}", wrong.join("\n"));
}
