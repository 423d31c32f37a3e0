//! The protocol as clients speak it, message by message.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::{Raw, Server, field, message, state, tags};
use futures::{SinkExt, TryStreamExt};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::pin::pin;
use tokio::io::AsyncWriteExt;

#[tokio::test(flavor = "multi_thread")]
async fn a_simple_query_is_one_round() {
    let server = Server::start("").await;
    let mut raw = server.raw().await;
    raw.send(b'Q', b"select 1 as one, null::text, 'x'\0").await;
    let messages = raw.until(b'Z').await;
    assert_eq!(tags(&messages), "TDCZ");
    assert_eq!(messages[1].1, b"\0\x03\0\0\0\x011\xff\xff\xff\xff\0\0\0\x01x");
    assert_eq!(messages[2].1, b"SELECT 1\0");
    raw.send(b'Q', b" -- nothing\n\0").await;
    assert_eq!(tags(&raw.until(b'Z').await), "IZ");
    raw.send(b'Q', b"select 1; select 2; selec\0").await;
    let messages = raw.until(b'Z').await;
    assert_eq!((tags(&messages), field(&messages, 'C')), ("EZ".to_owned(), "42601".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_in_copied_data_says_where() {
    let server = Server::start("").await;
    let mut raw = server.raw().await;
    raw.send(b'Q', b"create table t (a int)\0").await;
    raw.until(b'Z').await;
    raw.send(b'Q', b"copy t from stdin\0").await;
    raw.until(b'G').await;
    raw.send(b'd', b"1\nx\n").await;
    raw.send(b'c', b"").await;
    let messages = raw.until(b'Z').await;
    assert_eq!(field(&messages, 'C'), "22P02");
    assert_eq!(field(&messages, 'W'), "COPY t, line 2, column a: \"x\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_statements_are_one_transaction() {
    let server = Server::start("").await;
    let client = server.connect().await;
    client.batch_execute("create table t (a int primary key)").await.unwrap();
    let error = client.batch_execute("insert into t values (1); insert into t values (1)").await.unwrap_err();
    assert_eq!(state(&error), "23505");
    assert_eq!(client.query_one("select count(*) from t", &[]).await.unwrap().get::<_, i64>(0), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_skips_to_sync_and_the_connection_goes_on() {
    let server = Server::start("").await;
    let mut raw = server.raw().await;
    let mut round = message(b'P', b"\0select 1/0\0\0\0");
    round.extend(message(b'B', b"\0\0\0\0\0\0\0\0"));
    round.extend(message(b'E', b"\0\0\0\0\0"));
    round.extend(message(b'P', b"\0select 2\0\0\0"));
    round.extend(message(b'Q', b"select 3\0"));
    round.extend(message(b'S', b""));
    round.extend(message(b'Q', b"select 4\0"));
    raw.stream.write_all(&round).await.unwrap();
    let messages = raw.until(b'Z').await;
    assert!(tags(&messages).ends_with("EZ") && tags(&messages).len() <= 4, "{}", tags(&messages));
    assert_eq!(field(&messages, 'C'), "22012");
    assert_eq!(tags(&raw.until(b'Z').await), "TDCZ");
}

#[tokio::test(flavor = "multi_thread")]
async fn describe_comes_with_flush() {
    let server = Server::start("").await;
    let mut raw = server.raw().await;
    let mut round = message(b'P', b"s\0select $1::int4 + 1 as next\0\0\0");
    round.extend(message(b'D', b"Ss\0"));
    round.extend(message(b'H', b""));
    raw.stream.write_all(&round).await.unwrap();
    let messages = raw.until(b'T').await;
    assert_eq!(tags(&messages), "1tT");
    assert_eq!(messages[1].1, b"\0\x01\0\0\0\x17");
    // Binary in, binary out.
    let mut round = message(b'B', b"\0s\0\0\x01\0\x01\0\x01\0\0\0\x04\0\0\0\x29\0\x01\0\x01");
    round.extend(message(b'E', b"\0\0\0\0\0"));
    round.extend(message(b'C', b"Ss\0"));
    round.extend(message(b'S', b""));
    raw.stream.write_all(&round).await.unwrap();
    let messages = raw.until(b'Z').await;
    assert_eq!(tags(&messages), "2DC3Z");
    assert_eq!(messages[1].1, b"\0\x01\0\0\0\x04\0\0\0\x2a");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_portal_is_read_in_parts_across_sync() {
    let server = Server::start("").await;
    let mut client = server.connect().await;
    let transaction = client.transaction().await.unwrap();
    let statement = transaction.prepare("select i from generate_series(1, 5) as i").await.unwrap();
    let portal = transaction.bind(&statement, &[]).await.unwrap();
    let mut seen: Vec<Vec<i32>> = Vec::new();
    for _ in 0..3 {
        let rows = transaction.query_portal(&portal, 2).await.unwrap();
        seen.push(rows.iter().map(|row| row.get(0)).collect());
    }
    assert_eq!(seen, [vec![1, 2], vec![3, 4], vec![5]]);
    transaction.commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn copy_goes_in_and_out() {
    let server = Server::start("").await;
    let client = server.connect().await;
    client.batch_execute("create table t (a int primary key, b text)").await.unwrap();
    let rows: String = (0..20_000).map(|i| format!("{i}\trow {i}\n")).collect();
    {
        let mut sink = pin!(client.copy_in("copy t from stdin").await.unwrap());
        for part in rows.as_bytes().chunks(1_000) {
            sink.send(bytes::Bytes::copy_from_slice(part)).await.unwrap();
        }
        assert_eq!(sink.finish().await.unwrap(), 20_000);
    }
    let out: Vec<bytes::Bytes> =
        client.copy_out("copy t to stdout").await.unwrap().try_collect().await.unwrap();
    let mut lines: Vec<String> =
        String::from_utf8(out.concat()).unwrap().lines().map(ToOwned::to_owned).collect();
    lines.sort_by_key(|line| line.split('\t').next().unwrap().parse::<i32>().unwrap());
    assert_eq!(lines.join("\n") + "\n", rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_fails_leaves_the_connection_usable() {
    let server = Server::start("").await;
    let mut raw = server.raw().await;
    raw.send(b'Q', b"create table t (a int)\0").await;
    raw.until(b'Z').await;
    raw.send(b'Q', b"copy t from stdin\0").await;
    raw.until(b'G').await;
    raw.send(b'd', b"1\nnot a number\n").await;
    raw.send(b'c', b"").await;
    let messages = raw.until(b'Z').await;
    assert_eq!((tags(&messages), field(&messages, 'C')), ("EZ".to_owned(), "22P02".to_owned()));
    raw.send(b'Q', b"copy t from stdin\0").await;
    raw.until(b'G').await;
    raw.send(b'f', b"changed my mind\0").await;
    let messages = raw.until(b'Z').await;
    assert_eq!(field(&messages, 'C'), "57014");
    assert!(field(&messages, 'M').contains("changed my mind"));
    raw.send(b'Q', b"select count(*) from t\0").await;
    assert_eq!(raw.until(b'Z').await[1].1, b"\0\x01\0\0\0\x010");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_request_ends_the_statement() {
    let server = Server::start("").await;
    let client = server.connect().await;
    let token = client.cancel_token();
    let query = tokio::spawn(async move {
        let error = client.batch_execute("select pg_sleep(60)").await.unwrap_err();
        client.batch_execute("select 1").await.unwrap();
        error
    });
    server.until_status(|status| status["connections"]["byState"]["active"] == 1).await;
    token.cancel_query(tokio_postgres::NoTls).await.unwrap();
    assert_eq!(state(&query.await.unwrap()), "57014");
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_parameters_are_reported() {
    let server = Server::start("").await;
    let mut raw = server.raw().await;
    raw.send(b'Q', b"set application_name = 'tester'\0").await;
    let messages = raw.until(b'Z').await;
    assert_eq!(tags(&messages), "CSZ");
    assert_eq!(messages[1].1, b"application_name\0tester\0");
    server.until_status(|status| status["connections"]["list"][0]["applicationName"] == "tester").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn function_calls_and_unknown_messages_are_errors() {
    let server = Server::start("").await;
    let mut raw = server.raw().await;
    raw.send(b'F', b"\0\0\0\x01").await;
    let messages = raw.until(b'Z').await;
    assert_eq!((tags(&messages), field(&messages, 'C')), ("EZ".to_owned(), "0A000".to_owned()));
    raw.send(b'y', b"").await;
    let messages = raw.until(b'E').await;
    assert_eq!((field(&messages, 'C'), field(&messages, 'S')), ("08P01".to_owned(), "FATAL".to_owned()));
    assert!(raw.next().await.is_none());
}

/// A message that is random, or a sound one with some bytes changed.
fn malformed(random: &mut StdRng) -> Vec<u8> {
    let sound: [(u8, &[u8]); 12] = [
        (b'Q', b"select 1\0"),
        (b'P', b"s\0select $1::int4\0\0\x01\0\0\0\x17"),
        (b'B', b"p\0s\0\0\x01\0\0\0\x01\0\0\0\x011\0\0"),
        (b'D', b"Ss\0"),
        (b'D', b"Pp\0"),
        (b'E', b"p\0\0\0\0\0"),
        (b'C', b"Ss\0"),
        (b'H', b""),
        (b'S', b""),
        (b'Q', b"copy (select 1) to stdout\0"),
        (b'd', b"1\t2\n"),
        (b'F', b"\0\0\0\x01\0\0"),
    ];
    let (tag, body) = sound[random.random_range(0..sound.len())];
    let mut bytes = message(tag, body);
    match random.random_range(0..4) {
        0 => bytes = (0..random.random_range(1..64)).map(|_| random.random()).collect(),
        1 => {
            // A body that is shorter or longer than its fields say, with the length right.
            let mut body = body.to_vec();
            body.resize(random.random_range(0..body.len() + 8), random.random());
            bytes = message(tag, &body);
        }
        _ => {
            for _ in 0..random.random_range(1..4) {
                // The length stays, so that the damage reaches the decoders.
                let at = if bytes.len() > 5 { random.random_range(5..bytes.len()) } else { 0 };
                bytes[at] = random.random();
            }
        }
    }
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_malformed_messages_end_in_errors() {
    let server = Server::start("").await;
    let mut random = StdRng::seed_from_u64(20_260_101);
    let mut sent = 0;
    while sent < 1_000 {
        let mut raw = server.raw().await;
        // Several on one connection, so that they meet the states that earlier ones left.
        for _ in 0..random.random_range(1..8) {
            let bytes = malformed(&mut random);
            sent += 1;
            if raw.stream.write_all(&bytes).await.is_err() {
                break;
            }
        }
        let _ = raw.stream.shutdown().await;
        while let Some((tag, body)) = raw.next().await {
            if tag == b'E' {
                let state = field(&[(tag, body)], 'C');
                assert_ne!(state, "XX000", "internal error, at message {sent}");
            }
        }
    }
    // Whoever comes next is served.
    server.connect().await.batch_execute("select 1").await.unwrap();
    server.until_status(|status| status["connections"]["total"].as_u64().unwrap() <= 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_malformed_startups_end() {
    let server = Server::start("").await;
    let mut random = StdRng::seed_from_u64(3);
    for _ in 0..1_000 {
        let mut raw = Raw::open(server.address()).await;
        let mut bytes: Vec<u8> = b"\0\0\0\x29\0\x03\0\0user\0plimsoll\0database\0plimsoll\0\0".to_vec();
        for _ in 0..random.random_range(1..6) {
            let at = random.random_range(0..bytes.len());
            bytes[at] = random.random();
        }
        let _ = raw.stream.write_all(&bytes).await;
        let _ = raw.stream.shutdown().await;
        while raw.next().await.is_some() {}
    }
    server.connect().await.batch_execute("select 1").await.unwrap();
}
