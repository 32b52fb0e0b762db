//! Identifiers: of messages, and of places in a channel.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;

/// The `id` of a message: a UUID, version 7 where we make it. Unique per message; the correlation
/// id of a request; the de-duplication key (`docs/protocol.md`, section 2).
///
/// JSON shows it as text, MessagePack as 16 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MessageId(pub Uuid);

impl MessageId {
    /// Names nothing: no message has it.
    pub const NIL: Self = Self(Uuid::nil());
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Makes message ids without reading a clock or the system's randomness: both are given.
///
/// Ids of one source rise, also within a millisecond and when the clock steps back.
///
/// ```
/// let mut ids = ws_proto::IdSource::new(7);
/// let (a, b) = (ids.next(1_700_000_000_000), ids.next(1_700_000_000_000));
/// assert!(a < b);
/// assert_eq!(a.0.get_version_num(), 7);
/// ```
#[derive(Clone, Debug)]
pub struct IdSource {
    random: fastrand::Rng,
    last_ms: u64,
    counter: u16,
}

/// The twelve bits after the version: a counter that keeps ids of one millisecond in order.
const COUNTER_END: u16 = 1 << 12;

impl IdSource {
    /// A source whose ids follow from `seed`; two sources must not share a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { random: fastrand::Rng::with_seed(seed), last_ms: 0, counter: 0 }
    }

    /// The next id, at `now_ms` milliseconds since the Unix epoch.
    pub fn next(&mut self, now_ms: u64) -> MessageId {
        if now_ms > self.last_ms {
            self.last_ms = now_ms;
            // Start low, so that the counter has room to rise within the millisecond.
            self.counter = self.random.u16(..COUNTER_END / 2);
        } else {
            self.counter += 1;
            if self.counter == COUNTER_END {
                self.last_ms += 1;
                self.counter = 0;
            }
        }
        let mut tail = [0; 10];
        tail[..2].copy_from_slice(&self.counter.to_be_bytes());
        tail[2..].copy_from_slice(&self.random.u64(..).to_be_bytes());
        MessageId(uuid::Builder::from_unix_timestamp_millis(self.last_ms, &tail).into_uuid())
    }
}

/// A place in the history of a channel (`docs/protocol.md`, section 8).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Position {
    /// Names the log; another epoch means that the history was lost or made anew.
    pub epoch: String,
    /// The last event seen; 0 is before the first one.
    pub off: u64,
}
