//! Plain counters of one session, for whoever observes it.

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

impl Counters {
    /// Frames that show that the peer had the welcome: a farewell does not, for a peer that waited
    /// for the welcome in vain says it too.
    #[must_use]
    pub fn heard(&self) -> u64 {
        self.received.saturating_sub(self.farewells)
    }
}
