//! What was received of the peer's session stream, and when to say so
//! (`docs/protocol.md`, section 6).

use super::{Time, fault::PeerFault, handshake::Early};
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
    /// A duplicate came: its sender may have missed the first acknowledgement.
    again: bool,
    /// A bare `$ack` leaves next, unless another frame carries the acknowledgement before it.
    now: bool,
    /// Until the welcome of a new session: server, what came behind its hello; client, that
    /// something may follow it.
    pub(super) early: Option<Early>,
}

impl Inbox {
    /// Takes the place of a frame; false when it was received before.
    pub(super) fn receive(&mut self, seq: u64, now: Time) -> Result<bool, PeerFault> {
        if seq > self.last + 1 {
            return Err(PeerFault::SequenceGap);
        }
        let is_new = seq == self.last + 1;
        if is_new {
            self.last = seq;
        } else {
            self.again = true;
        }
        self.owe(now);
        Ok(is_new)
    }

    /// The frame that was just received is acknowledged when its handler has returned.
    pub(super) fn hold_last(&mut self) {
        self.unhandled.insert(self.last);
        if !self.has_news() {
            self.settled();
        }
    }

    pub(super) fn handled(&mut self, seq: u64, now: Time) {
        if self.unhandled.remove(&seq) {
            self.owe(now);
        }
    }

    /// The session goes on over another connection: hello or welcome have told the last place.
    pub(super) fn resumed(&mut self) {
        self.told = self.last;
        self.settled();
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
        let ack = self.has_news().then(|| self.ack());
        self.settled();
        self.told = self.told.max(ack.unwrap_or_default());
        ack
    }

    /// Whether a bare `$ack` leaves next.
    pub(super) fn is_pressing(&self) -> bool {
        self.now
    }

    pub(super) fn check(&mut self, now: Time) {
        if self.due.is_some_and(|due| due <= now) {
            self.due = None;
            self.now = true;
        }
    }

    pub(super) fn due(&self) -> Option<Time> {
        self.due
    }

    /// Whether there is anything to tell: with the first frames unhandled there may be nothing.
    fn has_news(&self) -> bool {
        let ack = self.ack();
        ack > self.told || (self.again && ack > 0)
    }

    fn owe(&mut self, now: Time) {
        if !self.has_news() {
            return;
        }
        self.owed += 1;
        if self.owed >= ACK_FRAMES {
            self.due = None;
            self.now = true;
        } else if !self.now {
            self.due.get_or_insert(now + ACK_DELAY);
        }
    }

    fn settled(&mut self) {
        self.owed = 0;
        self.due = None;
        self.again = false;
        self.now = false;
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
