//! Probes, status and metrics over HTTP.
//!
//! | path | answer |
//! |---|---|
//! | `/health` | 200 while the process lives |
//! | `/ready` | 200 when recovered and admitting, else 503 and why |
//! | `/status` | JSON: configuration in force, connections, latencies, storage |
//! | `/metrics` | Prometheus' text format |

use std::future::Future;
use std::io;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use axum::{Router, serve};
use tokio::net::TcpListener;

use crate::server::{Phase, Server};
use crate::status;

/// Serves until `shutdown` resolves.
pub async fn run(
    server: Arc<Server>,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    serve(listener, router(server)).with_graceful_shutdown(shutdown).await
}

fn router(server: Arc<Server>) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/health", get(async || "alive\n"))
        .route("/ready", get(ready))
        .route("/status", get(whole_status))
        .route("/metrics", get(metrics))
        .with_state(server)
}

async fn index() -> &'static str {
    "plimsoll: /health /ready /status /metrics\n"
}

async fn ready(State(server): State<Arc<Server>>) -> Response {
    let phase = server.phase();
    let code = if phase == Phase::Ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, format!("{}\n", phase.describe())).into_response()
}

async fn whole_status(State(server): State<Arc<Server>>) -> Json<serde_json::Value> {
    Json(status::status(&server))
}

async fn metrics(State(server): State<Arc<Server>>) -> Response {
    match server.telemetry.metrics.render(&status::figures(&server)) {
        Ok(text) => {
            ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
