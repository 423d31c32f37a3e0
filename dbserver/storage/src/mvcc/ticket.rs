//! The promise of a commit.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::locks::thread_waker;
use crate::engine::Shared;
use crate::error::Result;
use crate::wal::Until;

/// The promise of a commit: a future that resolves when it is visible to every later snapshot and, where that was asked
/// for, durable.
#[must_use = "a commit is durable only after its ticket resolved"]
pub struct CommitTicket {
    /// `None`: there was nothing to wait for.
    pending: Option<(Arc<Shared>, u64, Until)>,
    /// The flusher knows that somebody waits.
    asked: bool,
}

impl CommitTicket {
    /// Resolves when the commit of this timestamp has come so far.
    pub(crate) fn new(shared: &Arc<Shared>, timestamp: u64, until: Until) -> CommitTicket {
        let reached = shared.log.has_reached(timestamp, until);
        CommitTicket { pending: (!reached).then(|| (Arc::clone(shared), timestamp, until)), asked: false }
    }

    /// Whether it has resolved, without waiting.
    #[must_use]
    pub fn is_resolved(&self) -> bool {
        self.poll_with(Waker::noop()).is_ready()
    }

    /// Blocks the thread until it resolves.
    ///
    /// # Errors
    /// [`crate::Error::Fatal`]: whether the commit is durable is known only after a restart.
    pub fn wait(mut self) -> Result<()> {
        let waker = thread_waker();
        // Whatever comes of it, this has asked.
        self.asked = true;
        loop {
            if let Poll::Ready(outcome) = self.poll_with(&waker) {
                return outcome;
            }
            let Some((shared, ..)) = &self.pending else { return Ok(()) };
            match (shared.options.background, shared.log.lead()) {
                (true, Ok(true)) => shared.after_batch(),
                (true, Ok(false)) => shared.io.park(None),
                // What failed is what polling answers next.
                (false, _) | (_, Err(_)) => {}
            }
        }
    }

    /// Somebody else has to flush.
    fn ask(&mut self) {
        if let Some((shared, ..)) = &self.pending
            && !std::mem::replace(&mut self.asked, true)
        {
            shared.log.ask_to_flush();
        }
    }

    fn poll_with(&self, waker: &Waker) -> Poll<Result<()>> {
        match &self.pending {
            None => Poll::Ready(Ok(())),
            Some((shared, timestamp, until)) => shared.log.poll_reached(*timestamp, *until, waker),
        }
    }
}

impl Future for CommitTicket {
    type Output = Result<()>;
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        let polled = self.poll_with(context.waker());
        if polled.is_pending() {
            self.ask();
        }
        polled
    }
}

impl Drop for CommitTicket {
    fn drop(&mut self) {
        self.ask();
    }
}

impl std::fmt::Debug for CommitTicket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let timestamp = self.pending.as_ref().map(|(_, timestamp, until)| (timestamp, until));
        f.debug_struct("CommitTicket").field("waits_for", &timestamp).finish()
    }
}
