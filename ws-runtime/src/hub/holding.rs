//! What a log keeps for those who listen: events that it would forget before a subscriber with room
//! has had its turn.

use super::{
    Channel, ConnectionId, Hub,
    cursor::Cursor,
    log::{HELD, HELD_MESSAGES, Log},
};

impl Hub {
    /// Bytes that a log may cost at most besides its history, for what it holds: events in both
    /// formats, and what keeping them takes besides.
    #[must_use]
    pub const fn worst_case_held(max_frame: usize) -> usize {
        const OVERHEAD: usize = 1024;
        max_frame.saturating_mul(2 * HELD_MESSAGES).saturating_add(HELD * OVERHEAD)
    }
}

impl Channel {
    /// A subscriber comes.
    pub(super) fn enter(&mut self, who: ConnectionId, cursor: Cursor) {
        match (&mut self.log, cursor.waits_after()) {
            (Some(log), Some(after)) => {
                self.awake += 1;
                log.hold(after);
            }
            (Some(_), None) => {
                self.sleepers.insert(who);
            }
            (None, _) => {}
        }
        self.subscribers.insert(who, cursor);
    }

    /// Moves a subscriber in the log. What it waits for is held; what nobody waits for is not.
    /// `None` without it, or without a log.
    pub(super) fn change<T>(
        &mut self,
        who: ConnectionId,
        change: impl FnOnce(&mut Cursor, &Log) -> T,
    ) -> Option<T> {
        let (cursor, log) = (self.subscribers.get_mut(&who)?, self.log.as_mut()?);
        let before = cursor.waits_after();
        let changed = change(cursor, log);
        match (before, cursor.waits_after()) {
            (None, Some(after)) => {
                self.awake += 1;
                log.hold(after);
            }
            // It goes back.
            (Some(before), Some(after)) if after < before => log.hold(after),
            (Some(_), None) => self.rests(),
            (None, None) | (Some(_), Some(_)) => {}
        }
        Some(changed)
    }

    /// After a publish: who has to be told. One whose window is full sleeps on: what it consumes
    /// wakes it.
    pub(super) fn wake(&mut self) -> Vec<ConnectionId> {
        let sleepers = std::mem::take(&mut self.sleepers).into_iter();
        let Self { subscribers, log, awake, .. } = self;
        let told = sleepers.filter(|who| {
            let Some(cursor) = subscribers.get_mut(who) else { return false };
            let is_told = cursor.wake();
            if let Some(after) = cursor.waits_after().filter(|_| is_told)
                && let Some(log) = log
            {
                *awake += 1;
                log.hold(after);
            }
            is_told
        });
        told.collect()
    }

    /// A subscriber leaves; false when there is none.
    pub(super) fn lose(&mut self, who: ConnectionId) -> bool {
        let Some(cursor) = self.subscribers.remove(&who) else { return false };
        if self.log.is_some() && cursor.waits_after().is_some() {
            self.rests();
        }
        self.sleepers.remove(&who);
        self.forget_taken();
        true
    }

    /// One that waited for events does so no more.
    fn rests(&mut self) {
        self.awake -= 1;
        if self.awake == 0
            && let Some(log) = &mut self.log
        {
            log.release();
        }
    }
}
