//! What waits and what is not acknowledged, in numbers.

use super::{Outbox, size_of};
use crate::session::Figures;

impl Outbox {
    pub(in crate::session) fn figures(&self) -> Figures {
        let unacknowledged_bytes = self.sent.iter().map(|envelope| size_of(envelope)).sum();
        Figures {
            queued: self.queued_frames + self.deliveries,
            queued_bytes: self.bytes - unacknowledged_bytes + self.passing_bytes,
            unacknowledged: self.sent.len(),
            unacknowledged_bytes,
            oldest_ts: self.sent.front().map(|envelope| envelope.head.ts),
            ..Figures::default()
        }
    }
}
