//! What a running server says of itself: `GET /status` on the pod's own address.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use super::build::HTTP_PORT;
use crate::api::ConfigurationInForce;

/// A server's answer must come within this time; it is on the way of a reconciliation.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// A longer answer is not ours.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// What a server says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServerStatus {
    /// Its version.
    pub version: Option<String>,
    /// The configuration in force.
    pub configuration: ConfigurationInForce,
    /// Why the newest configuration file is not in force, if the server refused it.
    pub configuration_error: Option<String>,
}

/// Asks servers for their status. A trait, so that tests need no server.
pub trait Servers: Send + Sync {
    /// The status of the server at `address`; the error says what went wrong in words.
    fn status(&self, address: IpAddr) -> BoxFuture<'_, Result<ServerStatus, String>>;
}

/// Asks over HTTP.
#[derive(Clone, Copy, Debug, Default)]
pub struct HttpServers;

impl Servers for HttpServers {
    fn status(&self, address: IpAddr) -> BoxFuture<'_, Result<ServerStatus, String>> {
        async move {
            match tokio::time::timeout(ANSWER_WITHIN, get(address)).await {
                Ok(Ok(body)) => parse(&body),
                Ok(Err(error)) => Err(error),
                Err(_) => Err(format!("no answer within {} s", ANSWER_WITHIN.as_secs())),
            }
        }
        .boxed()
    }
}

async fn get(address: IpAddr) -> Result<Bytes, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let port = u16::try_from(HTTP_PORT).map_err(|e| text(&e))?;
    let stream = TcpStream::connect((address, port)).await.map_err(|e| text(&e))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| text(&e))?;
    let request = Request::get("/status")
        .header(header::HOST, "dbserver")
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|e| text(&e))?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(|e| text(&e))?;
        if response.status() != StatusCode::OK {
            return Err(format!("/status answers {}", response.status()));
        }
        let body =
            Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await.map_err(|e| text(&e))?;
        Ok(body.to_bytes())
    };
    // The connection does the work while the answer is awaited; it ends with it.
    futures::pin_mut!(answer, connection);
    match futures::future::select(answer, connection).await {
        futures::future::Either::Left((answer, _)) => answer,
        futures::future::Either::Right((_, answer)) => answer.await,
    }
}

fn parse(body: &[u8]) -> Result<ServerStatus, String> {
    let status: Value =
        serde_json::from_slice(body).map_err(|error| format!("/status is no JSON: {error}"))?;
    let configuration = status.get("configuration").unwrap_or(&Value::Null);
    let section = |name: &str| -> BTreeMap<String, Value> {
        let fields = configuration.pointer(&format!("/inForce/{name}")).and_then(Value::as_object);
        let fields = fields.into_iter().flatten();
        fields
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    };
    Ok(ServerStatus {
        version: status.get("version").and_then(Value::as_str).map(ToOwned::to_owned),
        configuration: ConfigurationInForce {
            revision: configuration.get("revision").map(text).unwrap_or_default(),
            limits: section("limits"),
            pool: section("pool"),
            logging: section("logging"),
        },
        configuration_error: configuration
            .pointer("/lastError/message")
            .and_then(Value::as_str)
            .map(ToOwned::to_owned),
    })
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_read() {
        let body =
            br#"{"version": "1.2.3", "configuration": {"revision": "abc", "lastError": {"message": "bad"},
            "inForce": {"limits": {"maxRows": 5, "queryTimeout": "30s", "other": null}, "pool": {}}}}"#;
        let status = parse(body).unwrap();
        assert_eq!(status.version.as_deref(), Some("1.2.3"));
        assert_eq!(status.configuration.revision, "abc");
        assert_eq!(status.configuration_error.as_deref(), Some("bad"));
        let limits: Vec<_> = status.configuration.limits.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(limits, ["maxRows=5", "queryTimeout=\"30s\""]);
    }

    #[test]
    fn another_answer_is_an_error() {
        assert!(parse(b"<html>").is_err());
        assert_eq!(parse(b"{}").unwrap(), ServerStatus::default());
    }
}
