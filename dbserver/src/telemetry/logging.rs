//! Logs: tracing events as text or JSON on standard error; level and format change while the server runs.

use tracing::Subscriber;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt};

use crate::config::{Format, Level, Logging};

/// The target of the query log, always let through: whether a statement is logged is `logging.queries`' to say.
pub const QUERY_TARGET: &str = "plimsoll::query";

type Filtered = tracing_subscriber::layer::Layered<reload::Layer<Targets, Registry>, Registry>;
type Writer = Box<dyn Layer<Filtered> + Send + Sync>;

/// Changes level and format of the process's log.
#[derive(Clone, Default)]
pub struct LogControl {
    handles: Option<(reload::Handle<Targets, Registry>, reload::Handle<Writer, Filtered>)>,
}

/// Makes the process's log. Where one was made before (tests in one process), that one stays and cannot be changed.
pub fn init(logging: &Logging) -> LogControl {
    let (filter, filter_handle) = reload::Layer::new(targets(logging.level));
    let (writer, writer_handle) = reload::Layer::new(writer(logging.format));
    match tracing_subscriber::registry().with(filter).with(writer).try_init() {
        Ok(()) => LogControl { handles: Some((filter_handle, writer_handle)) },
        Err(_) => LogControl::default(),
    }
}

impl LogControl {
    /// Puts level and format in force.
    pub fn apply(&self, logging: &Logging) {
        if let Some((filter, format)) = &self.handles {
            // An error means that the subscriber is gone, and with it whoever would read its message.
            let _ = filter.reload(targets(logging.level));
            let _ = format.reload(writer(logging.format));
        }
    }
}

/// Our own events from `level` on; those of libraries not below info, where they speak of their own workings.
fn targets(level: Level) -> Targets {
    let level = match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    };
    Targets::new()
        .with_default(level.min(LevelFilter::INFO))
        .with_target("plimsoll", level)
        .with_target(QUERY_TARGET, LevelFilter::INFO)
}

fn writer<S: Subscriber + for<'span> LookupSpan<'span>>(format: Format) -> Box<dyn Layer<S> + Send + Sync> {
    let lines = fmt::layer().with_writer(std::io::stderr);
    match format {
        Format::Text => lines.with_ansi(false).boxed(),
        Format::Json => {
            lines.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_is_of_our_own_events() {
        let debug = targets(Level::Debug);
        assert!(debug.would_enable("plimsoll_sql::plan", &tracing::Level::DEBUG));
        assert!(!debug.would_enable("hyper", &tracing::Level::DEBUG));
        let error = targets(Level::Error);
        assert!(!error.would_enable("plimsoll_dbserver", &tracing::Level::WARN));
        assert!(error.would_enable(QUERY_TARGET, &tracing::Level::INFO));
    }
}
