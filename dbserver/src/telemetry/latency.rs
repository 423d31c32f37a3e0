//! Latencies of the last minute: p50, p95, p99 and rate for `/status`.
//!
//! Prometheus' histograms count since the start and have few buckets; a person who asks `/status` wants to know what is
//! happening now. So each statement is also counted in a fine histogram of the running ten seconds, and seven of
//! those make a ring:
//!
//! ```text
//!   slice   0    1    2    3    4    5    6        the slice of this moment's ten seconds is cleared by the first
//!           ├────┴────┴────┴────┴────┤ ^           statement that finds an older one in its place; a reader sums
//!           the last minute            now         the slices that are not too old
//! ```
//!
//! Buckets are exact below 32 µs, then sixteen to a power of two: a percentile is at most 6 % too high.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

const SLICE_SECONDS: u64 = 10;
const SLICES: u64 = 7;
const LINEAR: u64 = 32;
const SUB_BUCKETS: u64 = 16;
/// The last bucket begins above 10 hours.
const BUCKETS: usize = 32 + 16 * 31;

/// Latencies of the last minute. Recording takes a few atomic operations and no lock.
pub struct LatencyWindow {
    slices: Vec<Slice>,
}

struct Slice {
    /// Which ten seconds since the start these counts are of, plus one; 0 is none yet.
    epoch: AtomicU64,
    counts: Vec<AtomicU32>,
}

/// What a window held when it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Latencies {
    /// Statements in the window.
    pub count: u64,
    /// Statements a second.
    pub rate: f64,
    /// Half of them took at most this long.
    pub p50: Duration,
    /// 95 % of them took at most this long.
    pub p95: Duration,
    /// 99 % of them took at most this long.
    pub p99: Duration,
}

impl Default for LatencyWindow {
    fn default() -> Self {
        let slice =
            || Slice { epoch: AtomicU64::new(0), counts: (0..BUCKETS).map(|_| AtomicU32::new(0)).collect() };
        Self { slices: (0..SLICES).map(|_| slice()).collect() }
    }
}

impl LatencyWindow {
    /// Counts a statement that took `elapsed` and ended `now` after the start of the server.
    pub fn record(&self, elapsed: Duration, now: Duration) {
        let epoch = now.as_secs() / SLICE_SECONDS + 1;
        let Some(slice) = self.slices.get((epoch % SLICES) as usize) else { return };
        let seen = slice.epoch.load(Ordering::Relaxed);
        // Whoever moves the slice on clears it; a count that falls between is lost, which a statistic can bear.
        if seen != epoch
            && slice.epoch.compare_exchange(seen, epoch, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        {
            for count in &slice.counts {
                count.store(0, Ordering::Relaxed);
            }
        }
        if let Some(count) = slice.counts.get(bucket(elapsed)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The last minute, as seen `now` after the start of the server.
    pub fn read(&self, now: Duration) -> Latencies {
        let epoch = now.as_secs() / SLICE_SECONDS + 1;
        let oldest = epoch.saturating_sub(SLICES - 2).max(1);
        let mut counts = vec![0u64; BUCKETS];
        for slice in &self.slices {
            if (oldest..=epoch).contains(&slice.epoch.load(Ordering::Relaxed)) {
                for (sum, count) in counts.iter_mut().zip(&slice.counts) {
                    *sum += u64::from(count.load(Ordering::Relaxed));
                }
            }
        }
        let count: u64 = counts.iter().sum();
        let began = Duration::from_secs((oldest - 1) * SLICE_SECONDS);
        let seconds = now.saturating_sub(began).as_secs_f64().max(1.0);
        Latencies {
            count,
            rate: count as f64 / seconds,
            p50: percentile(&counts, count, 50),
            p95: percentile(&counts, count, 95),
            p99: percentile(&counts, count, 99),
        }
    }
}

/// The upper end of the bucket in which the given per cent of `count` are reached.
fn percentile(counts: &[u64], count: u64, percent: u64) -> Duration {
    let rank = (count * percent).div_ceil(100).max(1);
    let mut seen = 0;
    for (index, in_bucket) in counts.iter().enumerate() {
        seen += in_bucket;
        if seen >= rank {
            return upper(index);
        }
    }
    Duration::ZERO
}

fn bucket(elapsed: Duration) -> usize {
    let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
    if micros < LINEAR {
        return micros as usize;
    }
    let power = u64::from(63 - micros.leading_zeros());
    let sub = (micros >> (power - 4)) & (SUB_BUCKETS - 1);
    let index = LINEAR + (power - 5) * SUB_BUCKETS + sub;
    (index as usize).min(BUCKETS - 1)
}

/// The longest duration a bucket counts, to the microsecond.
fn upper(index: usize) -> Duration {
    let index = index as u64;
    if index < LINEAR {
        return Duration::from_micros(index);
    }
    let (power, sub) = ((index - LINEAR) / SUB_BUCKETS + 5, (index - LINEAR) % SUB_BUCKETS);
    Duration::from_micros(((SUB_BUCKETS + sub + 1) << (power - 4)) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_what_falls_into_it() {
        for micros in [0, 1, 31, 32, 33, 63, 64, 1_000, 12_345, 30_000_000] {
            let upper = upper(bucket(Duration::from_micros(micros))).as_micros() as u64;
            assert!(upper >= micros && upper <= micros + micros / 16, "{micros} in {upper}");
        }
        assert_eq!(bucket(Duration::MAX), BUCKETS - 1);
    }

    #[test]
    fn percentiles_of_a_hundred() {
        let window = LatencyWindow::default();
        for micros in 1..=100 {
            window.record(Duration::from_micros(micros), Duration::from_secs(5));
        }
        let seen = window.read(Duration::from_secs(10));
        assert_eq!((seen.count, seen.rate), (100, 10.0));
        let micros = |d: Duration| d.as_micros() as u64;
        assert!((50..=53).contains(&micros(seen.p50)), "{seen:?}");
        assert!((95..=101).contains(&micros(seen.p95)), "{seen:?}");
        assert!((99..=105).contains(&micros(seen.p99)), "{seen:?}");
    }

    #[test]
    fn a_minute_later_it_is_forgotten() {
        let window = LatencyWindow::default();
        window.record(Duration::from_millis(5), Duration::from_secs(3));
        assert_eq!(window.read(Duration::from_secs(40)).count, 1);
        assert_eq!(window.read(Duration::from_secs(90)), Latencies::default());
        window.record(Duration::from_millis(5), Duration::from_secs(73));
        assert_eq!(window.read(Duration::from_secs(74)).count, 1);
    }
}
