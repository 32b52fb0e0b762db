//! The ordered history of one channel.

use super::Stamp;
use bytestring::ByteString;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};
use ws_proto::{ChannelSpec, MessageId, Position, Publication, frame::NotRecovered};

/// Events past the history that are held for subscribers at most: as many as one may be sent ahead
/// of its acknowledgements.
pub(super) const HELD: usize = 256;
/// The same in messages of the largest size, for the bytes.
pub(super) const HELD_MESSAGES: usize = 4;

/// The last events of one channel: positions rise by one, the oldest are forgotten.
///
/// Before the history stand the events that it has lost and that a subscriber with room was not
/// sent yet: only who listens already is served from there.
#[derive(Debug)]
pub(super) struct Log {
    epoch: String,
    events: VecDeque<Kept>,
    /// How many of `events`, the oldest, are no part of the history.
    held: usize,
    held_bytes: usize,
    held_bytes_max: usize,
    /// What follows this position is held.
    held_after: Option<u64>,
    /// The position of the last event ever; 0 before the first.
    head: u64,
    history: History,
    /// Bytes of the history.
    bytes: usize,
    /// The events of the history, and no others, so that memory for repetitions ends with it.
    by_id: BTreeMap<MessageId, u64>,
    by_key: BTreeMap<ByteString, u64>,
}

/// How much a log keeps.
#[derive(Clone, Copy, Debug)]
pub(super) struct History {
    count: usize,
    bytes: usize,
    age: Duration,
}

impl History {
    /// What a channel declares: at least one event.
    pub(super) fn of(spec: &ChannelSpec) -> Self {
        let bytes = spec.history_bytes.map_or(usize::MAX, |bytes| bytes as usize);
        let age = spec.history_secs.map_or(Duration::MAX, |s| Duration::from_secs(s.into()));
        Self { count: spec.history.max(1) as usize, bytes, age }
    }
}

/// One event, and the key that its publisher gave. The key is nobody else's business: whoever knows
/// it could keep a later event with it out of the log.
#[derive(Debug)]
struct Kept {
    event: Arc<Publication>,
    key: Option<ByteString>,
    /// When it was published.
    at: Duration,
}

impl Log {
    /// An empty log of events that have at most `max_frame` bytes.
    pub(super) fn new(epoch: String, history: History, max_frame: usize) -> Self {
        Self {
            epoch,
            events: VecDeque::new(),
            held: 0,
            held_bytes: 0,
            held_bytes_max: HELD_MESSAGES.saturating_mul(max_frame),
            held_after: None,
            head: 0,
            history,
            bytes: 0,
            by_id: BTreeMap::new(),
            by_key: BTreeMap::new(),
        }
    }

    /// The position of the last event.
    pub(super) fn head(&self) -> u64 {
        self.head
    }

    /// The position before the oldest event of the history: who begins there misses nothing.
    pub(super) fn floor(&self) -> u64 {
        self.reach() + self.held as u64
    }

    /// The position before the oldest event that is there: who listens and has seen it misses
    /// nothing.
    pub(super) fn reach(&self) -> u64 {
        self.head - self.events.len() as u64
    }

    /// Somebody who listens has room for what follows this position, and was not sent it yet.
    pub(super) fn hold(&mut self, after: u64) {
        self.held_after = Some(self.held_after.map_or(after, |held| held.min(after)));
    }

    /// Nobody waits for what the history has lost.
    pub(super) fn release(&mut self) {
        self.held_after = None;
        self.trim_held();
    }

    /// A position of this log, as others see it.
    pub(super) fn position(&self, off: u64) -> Position {
        Position { epoch: self.epoch.clone(), off }
    }

    /// How many events the history has, those that are too old left out.
    pub(super) fn len(&self, now: Duration) -> usize {
        let gone = self.events.partition_point(|kept| self.is_too_old(kept, now));
        self.events.len() - gone.max(self.held)
    }

    /// Forgets the events that are older than the history may be.
    pub(super) fn expire(&mut self, now: Duration) {
        while self.events.front().is_some_and(|oldest| self.is_too_old(oldest, now)) {
            if self.held == 0 {
                self.lose_oldest();
            }
            self.forget_oldest();
        }
    }

    /// The event at a position, while it is kept.
    pub(super) fn get(&self, off: u64) -> Option<&Arc<Publication>> {
        let index = off.checked_sub(self.reach() + 1)?;
        self.events.get(usize::try_from(index).ok()?).map(|kept| &kept.event)
    }

    /// The place of an event that is a repetition of one still kept.
    pub(super) fn find(&self, stamp: &Stamp) -> Option<u64> {
        let by_key = || stamp.key.as_ref().and_then(|key| self.by_key.get(key));
        self.by_id.get(&stamp.id).or_else(by_key).copied()
    }

    /// Appends an event made for the position after the head; the history loses the oldest while
    /// there are too many, or too many bytes of them. The newest stays, however large. Gives its
    /// position.
    pub(super) fn append(
        &mut self,
        publication: Publication,
        key: Option<ByteString>,
        at: Duration,
    ) -> u64 {
        self.head += 1;
        self.by_id.insert(publication.head.id, self.head);
        if let Some(key) = &key {
            self.by_key.insert(key.clone(), self.head);
        }
        self.bytes += publication.size();
        self.events.push_back(Kept { event: Arc::new(publication), key, at });
        let History { count, bytes, .. } = self.history;
        let len = |log: &Self| log.events.len() - log.held;
        while len(self) > count || (self.bytes > bytes && len(self) > 1) {
            self.lose_oldest();
        }
        self.trim_held();
        self.head
    }

    /// Whether every event after a position is still kept.
    pub(super) fn can_recover(&self, since: &Position) -> Result<(), NotRecovered> {
        // A position above the head was never given by this log, whatever its epoch says.
        if since.epoch != self.epoch || since.off > self.head {
            return Err(NotRecovered::Epoch);
        }
        if since.off < self.floor() { Err(NotRecovered::Trimmed) } else { Ok(()) }
    }

    fn is_too_old(&self, kept: &Kept, now: Duration) -> bool {
        now.saturating_sub(kept.at) > self.history.age
    }

    /// The history loses its oldest event: who comes now neither finds it nor repeats it.
    fn lose_oldest(&mut self) {
        let Some(Kept { event, key, .. }) = self.events.get(self.held) else { return };
        self.held += 1;
        self.held_bytes += event.size();
        self.bytes -= event.size();
        self.by_id.remove(&event.head.id);
        if let Some(key) = key {
            self.by_key.remove(key);
        }
    }

    /// Forgets the oldest event that the history has lost.
    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.events.pop_front() {
            self.held -= 1;
            self.held_bytes -= oldest.event.size();
        }
    }

    fn trim_held(&mut self) {
        while self.held > 0
            && (self.held_after.is_none_or(|held| held > self.reach())
                || self.held > HELD
                || self.held_bytes > self.held_bytes_max)
        {
            self.forget_oldest();
        }
    }
}
