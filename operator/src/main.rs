//! The operator process: flags, logs, leader election, and an orderly end.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand, ValueEnum};
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use kube::Client;
use kube::runtime::events::{Recorder, Reporter};
use plimsoll_operator::api;
use plimsoll_operator::database::problem::brief;
use plimsoll_operator::database::server::HttpServers;
use plimsoll_operator::database::{self, Context, Settings};
use plimsoll_operator::http::{Health, router};
use plimsoll_operator::leader::{END_WITHIN, Election, PERIOD, RENEW_WITHIN};
use plimsoll_operator::metrics::Metrics;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tracing_subscriber::EnvFilter;

/// Runs Databases on Kubernetes.
#[derive(Parser)]
#[command(name = "operator", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: Run,
}

#[derive(Subcommand)]
enum Command {
    /// Print the CustomResourceDefinition of Database as YAML
    Crds,
    /// Print the JSON schema of the values of the chart plimsoll-database
    ValuesSchema,
}

#[derive(Args)]
struct Run {
    /// Image of a Database that names none
    #[arg(long, env = "DBSERVER_IMAGE", default_value = concat!("plimsoll/dbserver:", env!("CARGO_PKG_VERSION")))]
    dbserver_image: String,

    /// Look after the Databases of this namespace only, instead of all namespaces
    #[arg(long, env = "WATCH_NAMESPACE", value_name = "NAMESPACE")]
    watch_namespace: Option<String>,

    /// Reconciliations that run at one time
    #[arg(long, env = "CONCURRENCY", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    concurrency: u16,

    /// Address of /health, /ready and /metrics
    #[arg(long, env = "HTTP_ADDRESS", value_name = "ADDR", default_value = "0.0.0.0:8080")]
    http: SocketAddr,

    /// Name of the lease by which one of several operators leads
    #[arg(long, env = "LEASE_NAME", default_value = "plimsoll-operator")]
    lease_name: String,

    /// Namespace of the lease; unset: that of the pod, or of the kubeconfig's context
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAMESPACE")]
    lease_namespace: Option<String>,

    /// Name of this process among the candidates; unset: the host name and process id
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    identity: Option<String>,

    /// Least severe messages that are logged: error, warn, info, debug, trace, or a filter such as info,kube=debug
    #[arg(long, env = "LOG_LEVEL", default_value = "info")]
    log_level: String,

    /// Form of the log
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t = LogFormat::Json)]
    log_format: LogFormat,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    /// One JSON object a line
    Json,
    /// Lines for people
    Text,
}

fn main() -> ExitCode {
    match act(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn act(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Some(Command::Crds) => print!("{}", api::database_crd_yaml()?),
        Some(Command::ValuesSchema) => print!("{}", api::database_values_schema_json()),
        None => {
            log_to_stdout(&cli.run)?;
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .context("cannot start the runtime")?;
            runtime.block_on(operate(cli.run))?;
        }
    }
    Ok(())
}

fn log_to_stdout(run: &Run) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&run.log_level).context("--log-level")?;
    let log = tracing_subscriber::fmt().with_env_filter(filter);
    match run.log_format {
        LogFormat::Json => {
            log.json().flatten_event(true).with_current_span(false).with_span_list(false).init()
        }
        LogFormat::Text => log.init(),
    }
    Ok(())
}

async fn operate(run: Run) -> anyhow::Result<()> {
    let metrics = Arc::new(Metrics::new()?);
    let health = Arc::new(Health { ready: false.into(), metrics: metrics.clone() });
    let listener =
        TcpListener::bind(run.http).await.with_context(|| format!("cannot listen on {}", run.http))?;
    tokio::spawn({
        let router = router(health.clone());
        async move { axum::serve(listener, router).await }
    });

    let config = kube::Config::infer().await.context("found no cluster to work for")?;
    let lease_namespace = run.lease_namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
    let client = Client::try_from(config)?;
    let identity = run.identity.clone().unwrap_or_else(own_name);
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        identity,
        http = %run.http,
        dbserver_image = run.dbserver_image,
        namespace = run.watch_namespace.as_deref().unwrap_or("all"),
        "operator starts"
    );
    let stop = stop_signal()?;
    let mut election = Election::new(client.clone(), &lease_namespace, &run.lease_name, &identity);
    if !win(&mut election, &health, stop.clone()).await {
        return Ok(());
    }
    tracing::info!(identity, lease = run.lease_name, "leading");
    metrics.leads(true);

    let (lost_sender, lost) = oneshot::channel::<()>();
    let lost = async {
        // Without a word the sender just ended, after a request to stop.
        if lost.await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let lost: Shared<BoxFuture<'static, ()>> = lost.boxed().shared();
    let reporter = Reporter { controller: "plimsoll-operator".to_owned(), instance: Some(identity) };
    let context = Arc::new(Context::new(
        client.clone(),
        Recorder::new(client, reporter),
        Arc::new(HttpServers),
        run.dbserver_image,
        metrics.clone(),
    ));
    let settings = Settings { namespace: run.watch_namespace, concurrency: run.concurrency };
    let end: Shared<BoxFuture<'static, ()>> =
        futures::future::select(stop.clone(), lost.clone()).map(|_| ()).boxed().shared();
    // Held until the last reconciliation ended: before that, nobody else may begin.
    let (ended_sender, ended) = oneshot::channel::<()>();
    let controller = tokio::spawn({
        let end = end.clone();
        async move {
            database::run(context, settings, end).await;
            drop(ended_sender);
        }
    });
    let holding = tokio::spawn(hold(election, lost_sender, ended));

    let in_time = async {
        end.await;
        health.ready.store(false, Ordering::Relaxed);
        // What runs may end in peace, unless the lease was lost: then it has to end before another process begins.
        lost.await;
        tokio::time::sleep(END_WITHIN).await;
    };
    tokio::select! {
        ended = controller => ended?,
        () = in_time => anyhow::bail!("the lease was lost, and a reconciliation did not end"),
    }
    metrics.leads(false);
    match holding.await? {
        Some(election) => {
            if let Err(error) = election.release().await {
                tracing::warn!(error = brief(&error), "the lease could not be given up; it lapses by itself");
            }
            tracing::info!("operator ended");
            Ok(())
        }
        None => anyhow::bail!("the lease was lost; another process may lead"),
    }
}

/// Tries until we lead (true) or are to stop (false).
async fn win(election: &mut Election, health: &Health, stop: Shared<BoxFuture<'static, ()>>) -> bool {
    loop {
        // An API server that went away without a word must not keep a candidate waiting for its answer.
        let tried = tokio::select! {
            () = stop.clone() => return false,
            tried = tokio::time::timeout(RENEW_WITHIN, election.try_hold()) => tried,
        };
        match tried {
            Ok(Ok(leads)) => {
                health.ready.store(true, Ordering::Relaxed);
                if leads {
                    return true;
                }
            }
            Ok(Err(error)) => tracing::warn!(error = brief(&error), "the lease cannot be had now"),
            Err(_) => tracing::warn!("the lease cannot be had now: no answer"),
        }
        tokio::select! {
            () = stop.clone() => return false,
            () = tokio::time::sleep(PERIOD) => {}
        }
    }
}

/// Renews until the work has ended, or the lease is lost; returns the election if it is still ours to give up.
async fn hold(
    mut election: Election,
    lost: oneshot::Sender<()>,
    mut ended: oneshot::Receiver<()>,
) -> Option<Election> {
    let mut renewed = Instant::now();
    loop {
        tokio::select! {
            _ = &mut ended => return Some(election),
            () = tokio::time::sleep(PERIOD) => {}
        }
        let left = RENEW_WITHIN.saturating_sub(renewed.elapsed()).max(Duration::from_millis(1));
        match tokio::time::timeout(left, election.try_hold()).await {
            Ok(Ok(true)) => renewed = Instant::now(),
            Ok(Ok(false)) => {
                tracing::error!("another process took the lease");
                let _ = lost.send(());
                return None;
            }
            Ok(Err(error)) => tracing::warn!(error = brief(&error), "the lease could not be renewed"),
            Err(_) => tracing::warn!("the lease could not be renewed in time"),
        }
        if renewed.elapsed() >= RENEW_WITHIN {
            tracing::error!("the lease was not renewed for {} s: stopping", RENEW_WITHIN.as_secs());
            let _ = lost.send(());
            return None;
        }
    }
}

/// Resolves at SIGTERM or SIGINT.
fn stop_signal() -> anyhow::Result<Shared<BoxFuture<'static, ()>>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("asked to stop: finishing what runs");
    };
    // Polled from now on, so that a signal is not missed while nobody waits.
    let stop = stop.boxed().shared();
    tokio::spawn(stop.clone());
    Ok(stop)
}

fn own_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{}-{}", host.trim(), std::process::id())
}
