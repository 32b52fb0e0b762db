//! Plain counters of one session, and how it stands, for whoever observes it.

use super::Session;
use std::time::Duration;

/// What happened so far. All of them only rise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Frames received.
    pub received: u64,
    /// `$close` frames among them.
    pub farewells: u64,
    /// Frames sent.
    pub sent: u64,
    /// Frames of the peer's session stream that had been received before.
    pub duplicates: u64,
    /// Answers to nothing, parts of an upload that is over, events of no subscription, control
    /// frames of a newer peer.
    pub strays: u64,
    /// Requests and publishes that were refused because the peer was too fast.
    pub rate_limited: u64,
}

/// How a session stands at one moment. Nothing in it is needed to go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Figures {
    /// Messages that wait to be sent, events included.
    pub queued: usize,
    /// Their bytes, roughly: a header counts as much as any other.
    pub queued_bytes: usize,
    /// Messages that were sent and are not acknowledged. Events are none of them: their positions
    /// are acknowledged by channel.
    pub unacknowledged: usize,
    /// Their bytes, roughly.
    pub unacknowledged_bytes: usize,
    /// When the oldest of those was made, in milliseconds of the wall clock since the Unix epoch.
    pub oldest_ts: Option<u64>,
    /// Requests of the peer that wait or are worked on.
    pub requests: usize,
    /// Calls and publishes of our own that wait for their outcome.
    pub calls: usize,
    /// How long the last answer to a ping took. Pings leave only after silence.
    pub round_trip: Option<Duration>,
}

impl Counters {
    /// Frames that show that the peer had the welcome: a farewell does not, for a peer that waited
    /// for the welcome in vain says it too.
    #[must_use]
    pub fn heard(&self) -> u64 {
        self.received.saturating_sub(self.farewells)
    }
}

impl Session {
    /// How this session stands. The cost is a look at each message that is not acknowledged.
    #[must_use]
    pub fn figures(&self) -> Figures {
        Figures {
            requests: self.work.count(),
            calls: self.calls.count(),
            round_trip: self.alive.round_trip(),
            ..self.outbox.figures()
        }
    }
}
