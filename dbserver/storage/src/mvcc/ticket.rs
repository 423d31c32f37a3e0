//! The promise of a commit.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::locks::thread_waker;
use crate::engine::Shared;
use crate::error::Result;

/// The promise of a commit: a future that resolves when it is durable and visible to every later snapshot.
#[must_use = "a commit is durable only after its ticket resolved"]
pub struct CommitTicket {
    /// `None`: there was nothing to wait for.
    pending: Option<(Arc<Shared>, u64)>,
    /// The flusher knows that somebody waits.
    asked: bool,
}

impl CommitTicket {
    /// Resolves when the timestamp is visible.
    pub(crate) fn new(shared: &Arc<Shared>, timestamp: u64) -> CommitTicket {
        let visible = shared.snapshots.visible() >= timestamp;
        CommitTicket { pending: (!visible).then(|| (Arc::clone(shared), timestamp)), asked: false }
    }

    /// Whether it has resolved, without waiting.
    #[must_use]
    pub fn is_resolved(&self) -> bool {
        self.poll_with(Waker::noop()).is_ready()
    }

    /// Blocks the thread until the commit is durable.
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
            let Some((shared, _)) = &self.pending else { return Ok(()) };
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
        if let Some((shared, _)) = &self.pending
            && !std::mem::replace(&mut self.asked, true)
        {
            shared.log.ask_to_flush();
        }
    }

    fn poll_with(&self, waker: &Waker) -> Poll<Result<()>> {
        match &self.pending {
            None => Poll::Ready(Ok(())),
            Some((shared, timestamp)) => shared.log.poll_visible(*timestamp, waker),
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
        let timestamp = self.pending.as_ref().map(|(_, timestamp)| timestamp);
        f.debug_struct("CommitTicket").field("waits_for", &timestamp).finish()
    }
}
