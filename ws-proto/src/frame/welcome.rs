//! `$welcome` and `$reject` (`docs/protocol.md`, section 4).

use crate::{
    code::CloseCode,
    fault::{Fault, Secret},
    version::VersionRange,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The server takes the client in and announces every limit that it enforces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Welcome {
    /// The version of the application's protocol that both sides speak from here on.
    pub version: u32,
    /// A hash of the contract that the server was built from.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fingerprint: String,
    /// The session.
    pub session: SessionGrant,
    /// The highest `seq` of the client below which nothing is missing; 0 in a new session.
    pub recv: u64,
    /// How often both sides look for life.
    pub heartbeat: Heartbeat,
    /// What the server enforces.
    pub limits: ServerLimits,
    /// How long the credentials last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<AuthGrant>,
    /// Optional behaviour that both sides understand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caps: Vec<String>,
    /// Who the server is.
    pub server: ServerInfo,
}

/// The session that a welcome grants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SessionGrant {
    /// The session's id.
    pub id: String,
    /// The right to resume it once; the next welcome brings another.
    pub ticket: Secret,
    /// How long the session is kept after the connection was lost, in milliseconds.
    pub ttl_ms: u64,
    /// Whether this is the session that the client asked for.
    pub resumed: bool,
    /// Why it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<NotResumed>,
}

/// Why a session was not resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NotResumed {
    /// It was kept as long as promised and is gone.
    Expired,
    /// More was missed than the server kept.
    Overrun,
    /// The credentials name somebody else.
    PrincipalChanged,
    /// The version that both sides speak is another one now.
    VersionChanged,
    /// The server does not know it, or the ticket is not the right one.
    #[serde(other)]
    Unknown,
}

/// How often both sides look for life (section 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Heartbeat {
    /// Silence after which a side asks, in milliseconds.
    pub interval_ms: u64,
    /// How long it waits for an answer, in milliseconds.
    pub timeout_ms: u64,
}

/// What the server enforces (section 12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServerLimits {
    /// Bytes of one message.
    pub max_frame: u32,
    /// Requests worked on at once.
    pub max_in_flight: u32,
    /// Subscriptions of this connection.
    pub max_subs: u32,
    /// Unacknowledged events of one subscription.
    pub window: u32,
    /// Messages from the client.
    pub rate: Rate,
}

/// A rate and how far it may be exceeded for a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rate {
    /// Messages per second.
    pub per_s: u32,
    /// Messages at once.
    pub burst: u32,
}

/// How long the credentials last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuthGrant {
    /// In milliseconds from now; absent when they do not expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_ms: Option<u64>,
}

/// Who the server is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServerInfo {
    /// The name of the node, for logs.
    pub node: String,
    /// The server's clock, in milliseconds since the Unix epoch.
    pub now: u64,
}

/// The server does not take the client in; the close with the same code follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reject {
    /// The code that the connection is closed with.
    pub close: CloseCode,
    /// Why.
    pub error: Fault,
    /// The name of the protocol that the server speaks.
    pub protocol: String,
    /// The versions of it that the server speaks.
    pub supported: VersionRange,
}
