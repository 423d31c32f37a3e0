//! What the operator counts, for `/metrics`.

use std::time::Duration;

use prometheus::{Encoder, Histogram, HistogramOpts, IntCounterVec, IntGauge, Opts, Registry, TextEncoder};

/// The operator's metrics.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    reconcile_seconds: Histogram,
    reconcile_errors: IntCounterVec,
    applied: IntCounterVec,
    leader: IntGauge,
}

impl Metrics {
    /// Registers the metrics. Fails only when two have the same name.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let buckets = vec![0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
        let reconcile_seconds = Histogram::with_opts(
            HistogramOpts::new(
                "plimsoll_operator_reconcile_duration_seconds",
                "Time one reconciliation of a Database took.",
            )
            .buckets(buckets),
        )?;
        let reconcile_errors = IntCounterVec::new(
            Opts::new("plimsoll_operator_reconcile_errors_total", "Reconciliations that failed, by reason."),
            &["reason"],
        )?;
        let applied = IntCounterVec::new(
            Opts::new(
                "plimsoll_operator_applied_objects_total",
                "Objects written, by kind and outcome (created, changed, failed). A steady state writes none.",
            ),
            &["kind", "outcome"],
        )?;
        let leader = IntGauge::new(
            "plimsoll_operator_leader",
            "1 if this process holds the lease and reconciles, else 0.",
        )?;
        registry.register(Box::new(reconcile_seconds.clone()))?;
        registry.register(Box::new(reconcile_errors.clone()))?;
        registry.register(Box::new(applied.clone()))?;
        registry.register(Box::new(leader.clone()))?;
        Ok(Self { registry, reconcile_seconds, reconcile_errors, applied, leader })
    }

    /// Counts a reconciliation and why it failed, if it did.
    pub fn reconciled(&self, took: Duration, error: Option<&str>) {
        self.reconcile_seconds.observe(took.as_secs_f64());
        if let Some(reason) = error {
            self.reconcile_errors.with_label_values(&[reason]).inc();
        }
    }

    /// Counts an object written.
    pub fn applied(&self, kind: &str, outcome: &str) {
        self.applied.with_label_values(&[kind, outcome]).inc();
    }

    /// Says whether this process leads.
    pub fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// All metrics in Prometheus' text format.
    pub fn text(&self) -> Result<String, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        String::from_utf8(text).map_err(|error| prometheus::Error::Msg(error.to_string()))
    }
}
