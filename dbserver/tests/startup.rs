//! Who gets in, and what those who do not are told.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::{Raw, Server, field, state, tags};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const WITH_PASSWORD: &str = "auth: {passwordFile: PASSWORD_FILE}\n";

#[tokio::test(flavor = "multi_thread")]
async fn the_startup_says_what_clients_read() {
    let server = Server::start("").await;
    let mut raw = Raw::open(server.address()).await;
    raw.startup("plimsoll").await;
    let messages = raw.until(b'Z').await;
    let parameters: Vec<String> = messages
        .iter()
        .filter(|(tag, _)| *tag == b'S')
        .map(|(_, body)| String::from_utf8_lossy(body).split('\0').next().unwrap().to_owned())
        .collect();
    for name in [
        "application_name",
        "client_encoding",
        "DateStyle",
        "default_transaction_read_only",
        "in_hot_standby",
        "integer_datetimes",
        "IntervalStyle",
        "is_superuser",
        "server_encoding",
        "server_version",
        "session_authorization",
        "standard_conforming_strings",
        "TimeZone",
    ] {
        assert!(parameters.iter().any(|seen| seen == name), "{name} is missing from {parameters:?}");
    }
    assert_eq!(messages.last().unwrap().1, b"I");
    assert_eq!(tags(&messages).matches('K').count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn encryption_is_refused_and_the_connection_goes_on() {
    let server = Server::start("").await;
    let mut raw = Raw::open(server.address()).await;
    for request in [80_877_104i32, 80_877_103] {
        let mut packet = 8i32.to_be_bytes().to_vec();
        packet.extend(request.to_be_bytes());
        raw.stream.write_all(&packet).await.unwrap();
        assert_eq!(raw.stream.read_u8().await.unwrap(), b'N');
    }
    raw.startup("plimsoll").await;
    raw.until(b'Z').await;
}

#[tokio::test(flavor = "multi_thread")]
async fn newer_versions_are_negotiated_and_other_ones_refused() {
    let server = Server::start("").await;
    let packet = |version: i32, body: &[u8]| {
        let mut packet = (body.len() as i32 + 8).to_be_bytes().to_vec();
        packet.extend(version.to_be_bytes());
        packet.extend(body);
        packet
    };
    let mut newer = Raw::open(server.address()).await;
    let body = b"user\0plimsoll\0_pq_.future\0on\0\0";
    newer.stream.write_all(&packet(196_610, body)).await.unwrap();
    let messages = newer.until(b'Z').await;
    assert_eq!(messages[0].0, b'v');
    assert!(messages[0].1.ends_with(b"_pq_.future\0"), "{:?}", messages[0]);

    let mut older = Raw::open(server.address()).await;
    older.stream.write_all(&packet(131_072, b"\0")).await.unwrap();
    assert_eq!(field(&[older.next().await.unwrap()], 'C'), "0A000");

    for first in [&b"\0\0\0\x03"[..], b"\x7f\xff\xff\xff\0\x03\0\0", b"GET / HTTP/1.1\r\n\r\n"] {
        let mut nonsense = Raw::open(server.address()).await;
        nonsense.stream.write_all(first).await.unwrap();
        assert!(nonsense.next().await.is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_asked_for_and_checked() {
    let server = Server::start_with_password(WITH_PASSWORD, Some("s3cret\n")).await;
    let client = server.try_connect("password=s3cret").await.unwrap();
    client.batch_execute("select 1").await.unwrap();
    for (more, expected) in [
        ("password=wrong", "28P01"),
        ("password=s3cret dbname=other", "3D000"),
        ("password=s3cret options=-cno_such_parameter=1", "42704"),
    ] {
        let error = server.try_connect(more).await.err().unwrap();
        assert_eq!(state(&error), expected, "{more}: {error:?}");
    }
    let port = server.address().port();
    let other = format!("host=127.0.0.1 port={port} user=someone dbname=plimsoll password=s3cret");
    let error = tokio_postgres::connect(&other, tokio_postgres::NoTls).await.err().unwrap();
    assert_eq!(state(&error), "28P01");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_is_in_force_for_new_connections() {
    let server = Server::start_with_password(WITH_PASSWORD, Some("one")).await;
    let client = server.try_connect("password=one").await.unwrap();
    let before = server.status().await["configuration"]["loadedAt"].clone();
    server.set_password("two");
    server.until_status(|status| status["configuration"]["loadedAt"] != before).await;
    assert_eq!(state(&server.try_connect("password=one").await.err().unwrap()), "28P01");
    server.try_connect("password=two").await.unwrap();
    client.batch_execute("select 1").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_password_only_the_user_gets_in() {
    let server = Server::start("").await;
    let mut raw = Raw::open(server.address()).await;
    raw.startup("postgres").await;
    let messages = raw.until(b'E').await;
    assert_eq!(field(&messages, 'C'), "28000");
    assert_eq!(field(&messages, 'S'), "FATAL");
    assert_eq!(field(&messages, 'M'), "role \"postgres\" does not exist");
}
