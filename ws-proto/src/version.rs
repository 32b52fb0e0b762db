//! Versions of the application's protocol, and how two sides agree on one
//! (`docs/protocol.md`, section 5).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The version of the wire itself: the number in the WebSocket sub-protocol `wsp1.json`.
pub const WIRE_VERSION: u32 = 1;

/// The versions a side speaks, both ends included. Travels as `[min, max]`.
///
/// ```
/// use ws_proto::VersionRange;
/// let (server, client) = (VersionRange::new(2, 4), VersionRange::new(1, 3));
/// assert_eq!(server.highest_common(client), Some(3));
/// assert_eq!(server.highest_common(VersionRange::new(1, 1)), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "(u32, u32)", into = "(u32, u32)")]
#[schemars(with = "(u32, u32)")]
pub struct VersionRange {
    /// The oldest version spoken.
    pub min: u32,
    /// The newest version spoken.
    pub max: u32,
}

impl VersionRange {
    /// The range from `min` to `max`, both included.
    #[must_use]
    pub const fn new(min: u32, max: u32) -> Self {
        Self { min, max }
    }

    /// Whether the range holds this version.
    #[must_use]
    pub const fn contains(self, version: u32) -> bool {
        self.min <= version && version <= self.max
    }

    /// The newest version that both ranges hold.
    #[must_use]
    pub fn highest_common(self, other: Self) -> Option<u32> {
        let highest = self.max.min(other.max);
        (highest >= self.min.max(other.min)).then_some(highest)
    }
}

impl From<(u32, u32)> for VersionRange {
    fn from((min, max): (u32, u32)) -> Self {
        Self { min, max }
    }
}

impl From<VersionRange> for (u32, u32) {
    fn from(range: VersionRange) -> Self {
        (range.min, range.max)
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.min, self.max)
    }
}
