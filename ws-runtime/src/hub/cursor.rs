//! Where one subscriber stands in a log.

use super::{Outgoing, log::Log};
use std::collections::VecDeque;
use ws_proto::{
    Position,
    frame::{Done, Gap, GapReason},
};

/// One subscriber's place: all that it costs, however slow it is.
#[derive(Debug)]
pub(super) struct Cursor {
    /// The last position sent, or told to be missing.
    sent: u64,
    /// The highest position ever sent, on this connection or one before.
    highest: u64,
    acked: u64,
    /// Events after `acked` up to `sent`; those in gaps are none.
    in_flight: u64,
    window: u64,
    /// Gaps after `acked`: after which position, until which. Each follows an event in flight, so
    /// there are never more than `window`.
    skipped: VecDeque<(u64, u64)>,
    /// To be told at this position that the replay is over.
    live_at: Option<u64>,
    /// It has taken everything it could: the next publish wakes it.
    asleep: bool,
}

impl Cursor {
    /// The cursor of a new subscriber, and what to answer it.
    pub(super) fn enter(log: Option<&Log>, since: Option<&Position>, window: u32) -> (Self, Done) {
        let mut cursor = Self {
            sent: 0,
            highest: 0,
            acked: 0,
            in_flight: 0,
            window: u64::from(window.max(1)),
            skipped: VecDeque::new(),
            live_at: None,
            asleep: true,
        };
        let Some(log) = log else { return (cursor, Done::default()) };
        let recovery = since.map(|since| log.can_recover(since).map(|()| since.off));
        let from = match recovery {
            Some(Ok(off)) => {
                cursor.live_at = Some(log.head());
                // It asks for them without being told.
                cursor.asleep = false;
                off
            }
            Some(Err(_)) | None => log.head(),
        };
        cursor.sent = from;
        cursor.highest = from;
        cursor.acked = from;
        let Position { epoch, off } = log.position(from);
        let done = Done {
            epoch: Some(epoch),
            off: Some(off),
            recovered: recovery.map(|recovery| recovery.is_ok()),
            reason: recovery.and_then(Result::err),
        };
        (cursor, done)
    }

    /// The highest position that was ever sent, or told to be missing.
    pub(super) fn highest(&self) -> u64 {
        self.highest
    }

    /// How many events of the log were not sent, and how many were sent and are not consumed.
    pub(super) fn standing(&self, log: &Log) -> (u64, u64) {
        (log.head().saturating_sub(self.sent), self.in_flight)
    }

    /// The last position sent, where it has room for more and has not taken all: what the log still
    /// has after it must not be forgotten meanwhile.
    pub(super) fn waits_after(&self) -> Option<u64> {
        (!self.asleep).then_some(self.sent)
    }

    /// What is to be sent now. Events are taken by `take`, which is told the position of the first
    /// and how many there may be (at least one), and gives how many it took.
    pub(super) fn next(
        &mut self,
        log: &Log,
        take: impl FnOnce(u64, u64) -> Option<(Outgoing, u64)>,
    ) -> Option<Outgoing> {
        let outgoing = self.step(log, take);
        self.highest = self.highest.max(self.sent);
        self.asleep = outgoing.is_none();
        outgoing
    }

    /// Falls asleep if it has taken everything it could; true when it sleeps.
    pub(super) fn doze(&mut self, log: &Log) -> bool {
        self.asleep |= self.live_at.is_none() && (self.sent >= log.head() || !self.has_room());
        self.asleep
    }

    /// Everything up to a position that was sent is consumed; true when there is more to send.
    pub(super) fn consume(&mut self, off: u64, log: &Log) -> bool {
        if off > self.sent {
            // Sent on the connection before, and the client has it: no need to send it again.
            self.sent = off;
            self.acked = off;
            self.in_flight = 0;
            self.skipped.clear();
        }
        while let Some((after, until)) = self.skipped.front().copied()
            && after <= off
        {
            self.release(after);
            self.acked = until;
            self.skipped.pop_front();
        }
        self.release(off);
        let more = self.has_room() && self.sent < log.head();
        self.asleep &= !more;
        more
    }

    /// What was sent and is not consumed is to be sent again: the connection that carried it is
    /// lost. The end of what is sent again is told.
    pub(super) fn rewind(&mut self, log: &Log) {
        self.sent = self.acked;
        self.in_flight = 0;
        self.skipped.clear();
        self.live_at = Some(log.head());
        self.asleep = false;
    }

    /// Goes past everything that is not sent.
    pub(super) fn leap(&mut self, log: &Log) -> u64 {
        if self.sent < log.head() {
            self.skip(log.head());
        }
        self.highest = self.highest.max(self.sent);
        self.asleep = false;
        self.sent
    }

    /// After a publish: whether the subscriber has to be told. Told once, it is awake until it has
    /// taken everything.
    pub(super) fn wake(&mut self) -> bool {
        self.has_room() && std::mem::take(&mut self.asleep)
    }

    fn has_room(&self) -> bool {
        self.in_flight < self.window
    }

    /// Counts the events up to `off` as consumed; between `acked` and `off` there is no gap.
    fn release(&mut self, off: u64) {
        let events = off.saturating_sub(self.acked);
        self.in_flight -= events;
        self.acked += events;
    }

    fn step(
        &mut self,
        log: &Log,
        take: impl FnOnce(u64, u64) -> Option<(Outgoing, u64)>,
    ) -> Option<Outgoing> {
        if self.live_at.is_some_and(|off| off <= self.sent) {
            self.live_at = None;
            return Some(Outgoing::Live { off: self.sent });
        }
        if self.sent >= log.head() || !self.has_room() {
            return None;
        }
        if self.sent < log.reach() {
            return Some(Outgoing::Gap(self.skip(log.reach())));
        }
        // The end of a replay is told between two events.
        let until = self.live_at.map_or(log.head(), |off| off.min(log.head()));
        let most = (until - self.sent).min(self.window - self.in_flight);
        let (outgoing, count) = take(self.sent + 1, most)?;
        self.sent += count;
        self.in_flight += count;
        Some(outgoing)
    }

    /// Goes past events that are no longer kept. The events in flight stay in flight.
    fn skip(&mut self, until: u64) -> Gap {
        let after = std::mem::replace(&mut self.sent, until);
        if self.in_flight == 0 {
            self.acked = until;
        } else if let Some(last) = self.skipped.back_mut().filter(|(_, end)| *end == after) {
            last.1 = until;
        } else {
            self.skipped.push_back((after, until));
        }
        Gap { reason: GapReason::Trimmed, after: Some(after), until: Some(until), dropped: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::{log::History, tests::ROOM};

    #[test]
    fn gaps_that_touch_are_kept_as_one() {
        let log = Log::new("5f-1".to_owned(), History::of(&ROOM), 1024);
        let (mut cursor, _) = Cursor::enter(Some(&log), None, 4);
        cursor.sent = 1;
        cursor.in_flight = 1;
        for until in 2..100 {
            assert_eq!(cursor.skip(until).after, Some(until - 1));
        }
        assert_eq!(cursor.skipped, [(1, 99)]);
        cursor.consume(1, &log);
        assert_eq!((cursor.acked, cursor.in_flight), (99, 0));
        assert!(cursor.skipped.is_empty());
    }
}
