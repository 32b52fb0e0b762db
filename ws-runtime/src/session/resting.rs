//! What a session keeps while nothing happens: no more memory than it needs.

use super::{Session, Time};
use std::{collections::VecDeque, mem};

/// Entries for which a queue may keep room while requests come: as many as are read in one turn.
const KEPT: usize = 64;

impl Session {
    /// Gives back memory that nothing uses, but for what it works in: that is
    /// [`Session::exchange`]'s. A driver says so when it has nothing left to do; nothing that can be
    /// seen from outside changes.
    ///
    /// After a request more of them are expected, and room for as many as one turn reads is kept
    /// until the next rest without one: that of the next heartbeat at the latest.
    pub fn rest(&mut self) {
        let kept = if mem::take(&mut self.was_asked) { KEPT } else { 0 };
        let is_lent = self.is_lent();
        let of_lent = |is_unused: bool| if is_lent && is_unused { KEPT } else { kept };
        self.outbox.rest_queue(of_lent(self.outbox.is_empty()));
        // Most rests of a subscriber come after a delivery, which has touched nothing else.
        if !mem::take(&mut self.is_stirred) {
            return;
        }
        self.urgent.rest(0);
        self.outbox.rest(kept);
        self.work.rest(of_lent(self.work.is_idle()));
        self.channels.rest(kept);
    }

    /// Whether anything but a delivery came or left since the last [`Session::rest`]. Where nothing
    /// did, [`Session::poll_timeout`] says what it said then.
    #[must_use]
    pub const fn is_stirred(&self) -> bool {
        self.is_stirred
    }

    /// An input at this moment, which may change anything.
    pub(super) fn advance(&mut self, now: Time) {
        self.tell_time(now);
        self.is_stirred = true;
    }

    pub(super) fn tell_time(&mut self, now: Time) {
        debug_assert!(now >= self.now, "time went back from {} to {now}", self.now);
        self.now = self.now.max(now);
    }
}

/// Gives back the memory of a queue that is empty, or far larger than what is in it, unless it is
/// room for no more than these.
pub(super) fn relieve<T>(queue: &mut VecDeque<T>, kept: usize) {
    if queue.capacity() > kept.max(2 * queue.len()) {
        queue.shrink_to_fit();
    }
}

/// Lets a queue that is empty begin at the start of its memory again. A ring goes round all of it,
/// however few are in it, and a processor's cache holds little of what many connections go round.
pub(super) fn at_the_start<T>(queue: &mut VecDeque<T>) {
    if queue.is_empty() {
        queue.clear();
    }
}
