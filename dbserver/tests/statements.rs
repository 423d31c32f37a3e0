//! Statements made wrong at random: each ends in an answer or an error, never in a panic (XX000).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "tests"
)]

mod common;

use common::Server;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

/// What the mutations start from: every kind of statement and much of the grammar.
const VALID: &str = include_str!("statements.sql");

/// Words put in at random places.
const WORDS: &[&str] = &[
    "select",
    "from",
    "where",
    "(",
    ")",
    "[",
    "]",
    ",",
    ";",
    "'",
    "\"",
    "$$",
    "$1",
    "::int",
    "::regclass",
    "null",
    "''",
    "-",
    "*",
    "/",
    "%",
    "=",
    "<",
    "||",
    "~",
    "not",
    "and",
    "or",
    "in",
    "any",
    "all",
    "exists",
    "case",
    "when",
    "end",
    "over",
    "lateral",
    "union all",
    "order by",
    "limit",
    "group by",
    "having",
    "values",
    "default",
    "array[",
    "interval '1'",
    "1e999",
    "9223372036854775808",
    "0",
    "-1",
    "\\",
    "\u{e9}",
    "\u{0}",
    "--",
    "/*",
    "as",
    "t",
    "a",
    "cross join t",
    "with recursive w as (",
    "returning",
    "on conflict",
    "for update",
    "numeric(1001)",
    "'\\xZZ'",
];

/// Splits before each run of letters and each other character: coarse tokens.
fn tokens(text: &str) -> Vec<&str> {
    let mut cuts: Vec<usize> = Vec::new();
    let mut was_word = false;
    for (at, c) in text.char_indices() {
        let is_word = c.is_alphanumeric() || c == '_';
        if !(is_word && was_word) {
            cuts.push(at);
        }
        was_word = is_word;
    }
    cuts.push(text.len());
    cuts.windows(2).map(|w| &text[w[0]..w[1]]).collect()
}

fn malformed(random: &mut StdRng, statements: &[&str]) -> String {
    let mut parts: Vec<&str> = tokens(statements.choose(random).unwrap());
    for _ in 0..random.random_range(1..5) {
        let at = random.random_range(0..parts.len());
        match random.random_range(0..5) {
            0 => drop(parts.remove(at)),
            1 => parts.insert(at, WORDS.choose(random).unwrap()),
            2 => parts[at] = WORDS.choose(random).unwrap(),
            3 => parts.truncate(at.max(1)),
            _ => {
                let other = tokens(statements.choose(random).unwrap());
                let from = random.random_range(0..other.len());
                parts.splice(at..at, other[from..].iter().copied().take(6));
            }
        }
        if parts.is_empty() {
            parts.push(";");
        }
    }
    parts.concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_malformed_statements_end_in_errors() {
    let statements: Vec<&str> = VALID.split(";\n").map(str::trim).filter(|s| !s.is_empty()).collect();
    let server =
        Server::start("limits: {queryTimeout: 1s, maxRows: 1000, maxQueryMemory: 16Mi, bulkTimeout: 1s}\n")
            .await;
    let mut random = StdRng::seed_from_u64(57_014);
    let mut client = server.connect().await;
    for statement in statements.iter().take_while(|s| !s.starts_with("update")) {
        client.batch_execute(statement).await.unwrap();
    }
    let (mut refused, mut sent) = (0, 0);
    while sent < 1_000 {
        // NUL cannot be sent in a query text; the protocol tests do that.
        let statement = malformed(&mut random, &statements).replace('\u{0}', " ");
        // In a transaction that is rolled back, so that each meets the same tables; by both protocols.
        client.batch_execute("rollback; begin").await.unwrap();
        let answer = if random.random() {
            client.simple_query(&statement).await.map(drop)
        } else {
            client.prepare(&statement).await.map(drop)
        };
        sent += 1;
        if let Err(error) = answer {
            refused += 1;
            let Some(error) = error.as_db_error() else {
                // The client itself gave up on it (a COPY it did not expect): a new connection goes on.
                client = server.connect().await;
                continue;
            };
            assert_ne!(error.code().code(), "XX000", "{statement}\n{error:?}");
        }
        if client.is_closed() {
            client = server.connect().await;
        }
    }
    assert!(refused > 500, "only {refused} of {sent} were refused: these are hardly malformed");
    server.connect().await.batch_execute("select 1").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_mutations_start_from_is_valid() {
    let server = Server::start("").await;
    let client = server.connect().await;
    for statement in VALID.split(";\n").map(str::trim).filter(|s| !s.is_empty()) {
        if let Err(error) = client.batch_execute(statement).await {
            panic!("{statement}\n{error:?}");
        }
    }
}
