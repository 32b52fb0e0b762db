//! The ordered history of one channel.

use super::Stamp;
use bytestring::ByteString;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};
use ws_proto::{ChannelSpec, MessageId, Position, Publication, frame::NotRecovered};

/// The last events of one channel: positions rise by one, the oldest are forgotten.
#[derive(Debug)]
pub(super) struct Log {
    epoch: String,
    events: VecDeque<Kept>,
    /// The position of the last event ever; 0 before the first.
    head: u64,
    history: History,
    /// Bytes of the events kept.
    bytes: usize,
    /// The events kept, and no others, so that memory for repetitions ends with the history.
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
    /// An empty log.
    pub(super) fn new(epoch: String, history: History) -> Self {
        Self {
            epoch,
            events: VecDeque::new(),
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

    /// The position before the oldest event kept: whoever has seen it misses nothing.
    pub(super) fn floor(&self) -> u64 {
        self.head - self.events.len() as u64
    }

    /// A position of this log, as others see it.
    pub(super) fn position(&self, off: u64) -> Position {
        Position { epoch: self.epoch.clone(), off }
    }

    /// How many events are kept, and not too old.
    pub(super) fn len(&self, now: Duration) -> usize {
        self.events.len() - self.events.partition_point(|kept| self.is_too_old(kept, now))
    }

    /// Forgets the events that are older than the history may be.
    pub(super) fn expire(&mut self, now: Duration) {
        while self.events.front().is_some_and(|oldest| self.is_too_old(oldest, now)) {
            self.forget_oldest();
        }
    }

    /// The event at a position, while it is kept.
    pub(super) fn get(&self, off: u64) -> Option<&Arc<Publication>> {
        let index = off.checked_sub(self.floor() + 1)?;
        self.events.get(usize::try_from(index).ok()?).map(|kept| &kept.event)
    }

    /// The place of an event that is a repetition of one still kept.
    pub(super) fn find(&self, stamp: &Stamp) -> Option<u64> {
        let by_key = || stamp.key.as_ref().and_then(|key| self.by_key.get(key));
        self.by_id.get(&stamp.id).or_else(by_key).copied()
    }

    /// Appends an event made for the position after the head, and forgets the oldest while there
    /// are too many, or too many bytes of them. The newest stays, however large. Gives its
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
        while self.events.len() > count || (self.bytes > bytes && self.events.len() > 1) {
            self.forget_oldest();
        }
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

    fn forget_oldest(&mut self) {
        let Some(oldest) = self.events.pop_front() else { return };
        self.bytes -= oldest.event.size();
        self.by_id.remove(&oldest.event.head.id);
        if let Some(key) = &oldest.key {
            self.by_key.remove(key);
        }
    }
}
