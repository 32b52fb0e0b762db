//! `$ping`, `$pong`, `$ack` and `$close` (`docs/protocol.md`, sections 6, 9 and 10).

use crate::code::CloseCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Are you there? The header's `ack` says what was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ping {
    /// Any number; the pong repeats it. We send the sender's monotonic clock in milliseconds.
    pub t: u64,
}

/// The answer to a ping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pong {
    /// The ping's number.
    pub t: u64,
    /// The answering side's clock, in milliseconds since the Unix epoch.
    pub now: u64,
}

/// What was received (the header's `ack`) or consumed (by channel).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ack {
    /// By channel address: the position up to which the application consumed its events.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ch: BTreeMap<String, u64>,
}

/// Why the connection is about to close; the WebSocket close frame follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Close {
    /// What the client does next follows from the range alone.
    pub code: CloseCode,
    /// For people.
    pub reason: String,
    /// The window from which the client draws its first delay, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<(u64, u64)>,
    /// Where to connect instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
}
