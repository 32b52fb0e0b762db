//! What was received of the peer's session stream, and when to say so
//! (`docs/protocol.md`, section 6).

use super::{Time, fault::PeerFault};
use std::{collections::BTreeSet, time::Duration};

/// A bare `$ack` follows after this long ..
const ACK_DELAY: Duration = Duration::from_millis(250);
/// .. or this many frames, whichever is first. Half a window is never less.
const ACK_FRAMES: u32 = 32;

#[derive(Clone, Debug, Default)]
pub(super) struct Inbox {
    last: u64,
    /// Places whose acknowledgement means "handled", and whose handler has not returned.
    unhandled: BTreeSet<u64>,
    told: u64,
    owed: u32,
    due: Option<Time>,
}

impl Inbox {
    /// Takes the place of a frame; false when it was received before.
    pub(super) fn receive(&mut self, seq: u64, now: Time) -> Result<bool, PeerFault> {
        if seq > self.last + 1 {
            return Err(PeerFault::SequenceGap);
        }
        // A duplicate is acknowledged again: its sender may have missed the first one.
        self.owed += 1;
        self.due.get_or_insert(now + ACK_DELAY);
        let is_new = seq == self.last + 1;
        if is_new {
            self.last = seq;
        }
        Ok(is_new)
    }

    /// The frame that was just received is acknowledged when its handler has returned.
    pub(super) fn hold_last(&mut self) {
        self.unhandled.insert(self.last);
    }

    pub(super) fn handled(&mut self, seq: u64, now: Time) {
        if self.unhandled.remove(&seq) {
            self.owed += 1;
            self.due.get_or_insert(now + ACK_DELAY);
        }
    }

    /// The place of the last frame received.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// The highest place below which nothing is missing.
    pub(super) fn ack(&self) -> u64 {
        self.unhandled.first().map_or(self.last, |first| first - 1)
    }

    /// The acknowledgement to put on a frame that leaves now; `None` when the peer knows it.
    pub(super) fn tell(&mut self) -> Option<u64> {
        let ack = self.ack();
        let news = self.owed > 0 && (ack > self.told || self.unhandled.is_empty());
        self.owed = 0;
        self.due = None;
        self.told = self.told.max(ack);
        (news && ack > 0).then_some(ack)
    }

    /// Whether a bare `$ack` is due.
    pub(super) fn is_due(&self, now: Time) -> bool {
        self.owed >= ACK_FRAMES || self.due.is_some_and(|due| due <= now)
    }

    pub(super) fn due(&self) -> Option<Time> {
        self.due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duplicate_is_ignored_and_a_hole_is_a_fault() {
        let mut inbox = Inbox::default();
        assert_eq!(inbox.receive(1, Time::ZERO), Ok(true));
        assert_eq!(inbox.receive(1, Time::ZERO), Ok(false));
        assert_eq!(inbox.receive(3, Time::ZERO), Err(PeerFault::SequenceGap));
        assert_eq!(inbox.tell(), Some(1));
        assert_eq!(inbox.tell(), None);
    }

    #[test]
    fn what_is_not_handled_is_not_acknowledged() {
        let mut inbox = Inbox::default();
        for seq in 1..=3 {
            inbox.receive(seq, Time::ZERO).unwrap();
            if seq == 2 {
                inbox.hold_last();
            }
        }
        assert_eq!(inbox.tell(), Some(1));
        inbox.handled(2, Time::ZERO);
        assert_eq!(inbox.tell(), Some(3));
    }
}
