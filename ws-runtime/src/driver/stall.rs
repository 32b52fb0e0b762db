//! A peer that reads nothing is not waited for.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Sleep, sleep};

/// Nothing written could be delivered for this long: the peer is too slow.
const STALLED: Duration = Duration::from_secs(10);

/// Since when the transport has been full and nothing of it got anywhere.
pub(super) struct Stall {
    /// Bytes unwritten at the end of the last turn, while the transport was full.
    before: Option<usize>,
    /// Bytes that came in since.
    added: usize,
    /// Made when the transport is full for the first time: most never are.
    sleep: Option<Pin<Box<Sleep>>>,
    pub(super) is_over: bool,
}

impl Stall {
    pub(super) const fn new() -> Self {
        Self { before: None, added: 0, sleep: None, is_over: false }
    }

    pub(super) fn added(&mut self, before: usize, after: usize) {
        self.added += after.saturating_sub(before);
    }

    /// Ready when the time is up: fewer bytes than there should be mean that the peer reads.
    pub(super) fn end(
        &mut self,
        cx: &mut Context<'_>,
        blocked: bool,
        unwritten: usize,
    ) -> Poll<()> {
        let added = std::mem::take(&mut self.added);
        let before = self.before.take();
        if !blocked {
            return Poll::Pending;
        }
        if before.is_none_or(|before| unwritten < before + added) {
            self.sleep = None;
        }
        self.before = Some(unwritten);
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep(STALLED)));
        ready!(sleep.as_mut().poll(cx));
        self.is_over = true;
        Poll::Ready(())
    }
}
