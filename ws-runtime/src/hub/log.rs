//! The ordered history of one channel.

use super::Stamp;
use bytestring::ByteString;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};
use ws_proto::{MessageId, Position, Publication, frame::NotRecovered};

/// The last events of one channel: positions rise by one, the oldest are forgotten.
#[derive(Debug)]
pub(super) struct Log {
    epoch: String,
    events: VecDeque<Kept>,
    /// The position of the last event ever; 0 before the first.
    head: u64,
    history: usize,
    /// The events kept, and no others, so that memory for repetitions ends with the history.
    by_id: BTreeMap<MessageId, u64>,
    by_key: BTreeMap<ByteString, u64>,
}

/// One event, and the key that its publisher gave. The key is nobody else's business: whoever knows
/// it could keep a later event with it out of the log.
#[derive(Debug)]
struct Kept {
    event: Arc<Publication>,
    key: Option<ByteString>,
}

impl Log {
    /// An empty log that keeps the last `history` events, at least one.
    pub(super) fn new(epoch: String, history: u32) -> Self {
        Self {
            epoch,
            events: VecDeque::new(),
            head: 0,
            history: history.max(1) as usize,
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

    /// How many events are kept.
    pub(super) fn len(&self) -> usize {
        self.events.len()
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

    /// Appends an event made for the position after the head, and forgets the oldest if there are
    /// too many. Gives its position.
    pub(super) fn append(&mut self, publication: Publication, key: Option<ByteString>) -> u64 {
        self.head += 1;
        self.by_id.insert(publication.head.id, self.head);
        if let Some(key) = &key {
            self.by_key.insert(key.clone(), self.head);
        }
        self.events.push_back(Kept { event: Arc::new(publication), key });
        if self.events.len() > self.history
            && let Some(oldest) = self.events.pop_front()
        {
            self.by_id.remove(&oldest.event.head.id);
            if let Some(key) = &oldest.key {
                self.by_key.remove(key);
            }
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
}
