//! The life of the process.
//!
//! ```text
//!   configuration ──► sockets bound ──► HTTP serves (alive, not ready) ──► engine recovers ──► ready
//!   SIGTERM, SIGINT ──► not ready, no new clients, idle ones closed, statements finish
//!                    ──► grace over: statements cancelled ──► engine closed ──► exit 0
//! ```
//!
//! A second signal ends the process at once; what was acknowledged is durable anyway.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use plimsoll_sql::session::{Database, DatabaseOptions};
use plimsoll_storage::io::{Io, RealIo};
use plimsoll_storage::{Engine, Options};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::analyze;
use crate::cli::Args;
use crate::config::memory::memory_limit;
use crate::config::watch::{Loaded, Source};
use crate::config::{Config, DEFAULT_NAME, Format};
use crate::pool::drained;
use crate::server::{Phase, Server};
use crate::telemetry::logging::{self, LogControl};
use crate::{descriptors, http, wire};

/// Why the process cannot start, or ended.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum ProcessError {
    #[error("configuration cannot be used: {0}")]
    Config(#[from] crate::config::ConfigError),
    #[error("cannot listen on {address}: {source}")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("cannot start: {0}")]
    Runtime(#[from] io::Error),
    #[error("cannot start: {0}")]
    Metrics(#[from] prometheus::Error),
    #[error("cannot open the data directory {directory}: {source}")]
    Storage { directory: String, source: plimsoll_storage::Error },
    #[error("cannot open the database: {0}")]
    Database(plimsoll_sql::SqlError),
    #[error("the database could not be opened because of an internal error")]
    OpenFailed,
    #[error("the data directory was not closed in order, the next start recovers: {0}")]
    Closing(String),
}

/// Workers compute and wait for locks on threads of their own: as many as connections may have statements.
const THREADS_MAX: usize = 4_096;
/// Expressions nest; debug builds have large frames. This is address space, used as far as it is touched.
const STACK_BYTES: usize = 8 << 20;
/// How long clients may take to notice that their statement was cancelled at the end of the grace period.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Runs the server until a signal ends it.
pub fn run(args: &Args) -> Result<(), ProcessError> {
    let loaded = args.source().load()?;
    let log = logging::init(&loaded.config.logging);
    log_panics();
    descriptors::raise_limit();
    descriptors::warn_if_few(&loaded.config.pool);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("plimsoll")
        .thread_stack_size(STACK_BYTES)
        .max_blocking_threads(THREADS_MAX)
        .build()?;
    let result = runtime.block_on(until_signal(args, loaded, log));
    // Whatever thread still runs must not hold up the end.
    runtime.shutdown_timeout(Duration::from_millis(100));
    result
}

async fn until_signal(args: &Args, loaded: Loaded, log: LogControl) -> Result<(), ProcessError> {
    let mut signals = Signals::new()?;
    let bound = Bound::new(args, loaded, log).await?;
    bound.announce();
    let instance = tokio::select! {
        instance = bound.open() => instance?,
        // Recovery can be cut short at any instant, as a crash can.
        () = signals.next() => return Ok(()),
    };
    tracing::info!("ready");
    signals.next().await;
    tokio::select! {
        stopped = instance.stop(args.shutdown_grace.0) => stopped,
        () = signals.next() => {
            tracing::warn!("second signal: ending at once");
            Ok(())
        }
    }
}

/// A server that has its sockets and is about to recover.
pub struct Bound {
    server: Arc<Server>,
    source: Source,
    data: PathBuf,
    clients: TcpListener,
    probes: TcpListener,
    clients_at: SocketAddr,
    probes_at: SocketAddr,
}

impl Bound {
    /// Binds the sockets. Fails where an address cannot be used.
    pub async fn new(args: &Args, loaded: Loaded, log: LogControl) -> Result<Self, ProcessError> {
        let (clients, probes) = (bind(args.listen).await?, bind(args.http).await?);
        Ok(Self {
            server: Server::new(loaded, args.config.clone(), log)?,
            source: args.source(),
            data: args.data_dir.clone(),
            clients_at: clients.local_addr()?,
            probes_at: probes.local_addr()?,
            clients,
            probes,
        })
    }

    /// Says how to connect: to a person as the first lines, to a collector of logs as an event.
    fn announce(&self) {
        let settings = self.server.settings();
        let (user, clients, probes) = (&settings.config.auth.user, self.clients_at, self.probes_at);
        let near = clients.ip().is_unspecified() || clients.ip().is_loopback();
        let host = if near { "localhost".to_owned() } else { clients.ip().to_string() };
        let connect = if *user == DEFAULT_NAME && clients.port() == 5432 {
            format!("psql -h {host} -U {user}")
        } else {
            format!("psql -h {host} -p {} -U {user} {DEFAULT_NAME}", clients.port())
        };
        let version = env!("CARGO_PKG_VERSION");
        if settings.config.logging.format == Format::Json {
            tracing::info!(version, listen = %clients, http = %probes, connect, "starting");
            return;
        }
        let open = settings.credentials.is_none();
        let password =
            if open { "no password, from this machine only" } else { "the password of auth.passwordFile" };
        let data = self.data.display();
        // A closed standard output is no reason not to serve.
        let _ = writeln!(
            io::stdout().lock(),
            "plimsoll {version}\n  connect   {connect}    ({password})\n  status    http://{probes}/status\n  data      {data}"
        );
    }

    /// Serves HTTP, recovers, and admits clients. Fails where the data directory cannot be used.
    pub async fn open(self) -> Result<Instance, ProcessError> {
        let Self { server, source, data, clients, probes, clients_at, probes_at } = self;
        let config = server.settings().config.clone();
        let (end_http, http_ends) = oneshot::channel::<()>();
        let http = tokio::spawn(http::run(server.clone(), probes, async {
            let _ = http_ends.await;
        }));
        let helpers = [
            tokio::spawn(server.clone().watch(source)),
            tokio::spawn(server.clone().sweep()),
            tokio::spawn(analyze::run(server.clone())),
        ];
        let listener = tokio::spawn(wire::listen(server.clone(), clients));
        let database = open(&data, &config).await?;
        server.open(database.clone());
        server.enter(Phase::Ready);
        Ok(Instance {
            server,
            database,
            clients: clients_at,
            probes: probes_at,
            listener,
            http,
            end_http,
            helpers,
        })
    }
}

/// A server that has recovered and admits clients.
pub struct Instance {
    server: Arc<Server>,
    database: Arc<Database>,
    clients: SocketAddr,
    probes: SocketAddr,
    listener: JoinHandle<()>,
    http: JoinHandle<io::Result<()>>,
    end_http: oneshot::Sender<()>,
    helpers: [JoinHandle<()>; 3],
}

impl Instance {
    /// Binds and opens.
    pub async fn start(args: &Args, loaded: Loaded, log: LogControl) -> Result<Self, ProcessError> {
        Bound::new(args, loaded, log).await?.open().await
    }

    /// What all parts share.
    pub fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// Where clients connect.
    pub fn clients(&self) -> SocketAddr {
        self.clients
    }

    /// Where HTTP is served.
    pub fn probes(&self) -> SocketAddr {
        self.probes
    }

    /// Ends the work, politely until the grace period is over, and closes the engine.
    pub async fn stop(self, grace: Duration) -> Result<(), ProcessError> {
        let registry = &self.server.registry;
        tracing::info!(connections = registry.len(), "draining");
        self.server.enter(Phase::Draining);
        registry.close_all();
        let until = Instant::now().checked_add(grace).unwrap_or_else(Instant::now);
        if !drained(registry, until).await {
            tracing::warn!(connections = registry.len(), "grace period over: cancelling statements");
            registry.cancel_all();
            drained(registry, Instant::now() + LAST_WORDS).await;
        }
        let engine = self.database.engine().clone();
        let closed = tokio::task::spawn_blocking(move || engine.close()).await;
        self.listener.abort();
        self.helpers.iter().for_each(JoinHandle::abort);
        let _ = self.listener.await;
        let _ = self.end_http.send(());
        let _ = tokio::time::timeout(Duration::from_secs(1), self.http).await;
        closed
            .map_err(|_panic| ProcessError::Closing("a thread failed".to_owned()))?
            .map_err(|error| ProcessError::Closing(error.to_string()))?;
        tracing::info!("closed");
        Ok(())
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, ProcessError> {
    TcpListener::bind(address).await.map_err(|source| ProcessError::Listen { address, source })
}

/// What the process takes before it has any data: its code, stacks, buffers of connections.
const PROCESS_BYTES: u64 = 32 << 20;

/// Opens the storage engine as the configuration has it. Where its log cannot be made durable, the process is aborted: see
/// [`Options::fatal`].
///
/// # Errors
/// As [`Engine::open`].
pub fn open_engine(
    io: Arc<dyn Io>,
    directory: &Path,
    config: &Config,
) -> Result<Engine, plimsoll_storage::Error> {
    let free = memory_limit().saturating_sub(PROCESS_BYTES);
    let data = free / 100 * u64::from(config.storage.memory_percent);
    // Two fifths for what was written lately, three for blocks of files.
    let memtable_bytes = data / 5 * 2;
    let options = Options {
        memtable_bytes,
        cache_bytes: data - memtable_bytes,
        wal_bytes_max: (memtable_bytes / 2).clamp(16 << 20, 128 << 20),
        ..Options::default()
    };
    Engine::open(io, directory, options)
}

/// Opens engine and catalog, on a thread that may take its time.
async fn open(directory: &Path, config: &Config) -> Result<Arc<Database>, ProcessError> {
    let (directory, config) = (directory.to_owned(), config.clone());
    let opening = tokio::task::spawn_blocking(move || {
        let began = Instant::now();
        let engine = open_engine(RealIo::shared(), &directory, &config)
            .map_err(|source| ProcessError::Storage { directory: directory.display().to_string(), source })?;
        let database = Database::open(engine, DatabaseOptions::default()).map_err(ProcessError::Database)?;
        tracing::info!(
            ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            records = database.engine().stats().recovery_records,
            "recovered"
        );
        Ok(database)
    });
    opening.await.map_err(|_| ProcessError::OpenFailed)?
}

/// SIGTERM and SIGINT.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Panics are logged as events, with their place; what catches them decides what becomes of the rest.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let payload = panic.payload();
        let message = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_default();
        let backtrace = std::backtrace::Backtrace::force_capture();
        tracing::error!(place, message, %backtrace, "panic");
    }));
}
