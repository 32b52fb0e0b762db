//! What a session keeps while nothing happens: no more memory than it needs.

use super::Session;
use std::collections::VecDeque;

impl Session {
    /// Gives back memory that nothing uses. A driver says so when it has nothing left to do;
    /// nothing that can be seen from outside changes.
    pub fn rest(&mut self) {
        relieve(&mut self.urgent);
        relieve(&mut self.events);
        self.outbox.rest();
        self.work.rest();
        self.channels.rest();
    }
}

/// Gives back the memory of a queue that is empty, or far larger than what is in it.
pub(super) fn relieve<T>(queue: &mut VecDeque<T>) {
    if queue.capacity() > 2 * queue.len() {
        queue.shrink_to_fit();
    }
}
