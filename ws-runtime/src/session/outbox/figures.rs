//! What waits and what is not acknowledged, in numbers.

use super::Outbox;
use crate::session::Figures;

impl Outbox {
    pub(in crate::session) fn figures(&self) -> Figures {
        let unacknowledged_bytes = self.sent.bytes();
        Figures {
            queued: self.queued_frames + self.deliveries,
            queued_bytes: self.bytes - unacknowledged_bytes + self.passing_bytes,
            unacknowledged: self.sent.len(),
            unacknowledged_bytes,
            oldest_ts: self.sent.get(0).map(|envelope| envelope.head.ts),
            ..Figures::default()
        }
    }
}
