//! What a session keeps while nothing happens: no more memory than it needs.

use super::Session;
use std::collections::VecDeque;

/// Entries for which a queue may keep room while requests come: as many as are read in one turn.
const KEPT: usize = 64;

impl Session {
    /// Gives back memory that nothing uses. A driver says so when it has nothing left to do;
    /// nothing that can be seen from outside changes.
    ///
    /// After a request more of them are expected, and room for as many as one turn reads is kept
    /// until the next rest without one: that of the next heartbeat at the latest.
    pub fn rest(&mut self) {
        let kept = if std::mem::take(&mut self.was_asked) { KEPT } else { 0 };
        relieve(&mut self.urgent, 0);
        relieve(&mut self.events, kept);
        self.outbox.rest(kept);
        self.work.rest(kept);
        self.channels.rest();
    }
}

/// Gives back the memory of a queue that is empty, or far larger than what is in it, unless it is
/// room for no more than these.
pub(super) fn relieve<T>(queue: &mut VecDeque<T>, kept: usize) {
    if queue.capacity() > kept.max(2 * queue.len()) {
        queue.shrink_to_fit();
    }
}
