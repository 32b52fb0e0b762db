//! `$sub`, `$ok`, `$unsubbed` and `$gap` (`docs/protocol.md`, section 8).

use crate::{
    code::{FaultCode, Retry},
    ids::Position,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Listen to a channel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Subscribe {
    /// Go on after this position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Position>,
}

/// A subscribe, unsubscribe or publish succeeded.
///
/// To `$sub` on an `at_least_once` channel: `epoch`, `off` (the position that the events to come
/// follow) and `recovered`. To a publish on one: `epoch` and `off` of the event. Otherwise empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Done {
    /// Names the log of the channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<String>,
    /// A position in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub off: Option<u64>,
    /// Whether the events after `since` follow without a hole; absent when there was no `since`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered: Option<bool>,
    /// Why they do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<NotRecovered>,
}

/// Why a subscription could not go on after its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NotRecovered {
    /// The history is another one now.
    Epoch,
    /// Events after the position are no longer kept.
    #[serde(other)]
    Trimmed,
}

/// The server ended a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Unsubscribed {
    /// Why, for programs.
    pub code: FaultCode,
    /// Why, for people.
    pub reason: String,
    /// Whether it may be asked for again.
    pub retry: Retry,
}

/// Events of a channel that will never come. Loss is said, never silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Gap {
    /// Why.
    pub reason: GapReason,
    /// `at_least_once`: nothing after this position ..
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// .. up to and including this one will come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
    /// `best_effort`: how many were dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped: Option<u64>,
}

/// Why events will never come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// The log no longer kept them when the subscriber was ready for them.
    Trimmed,
    /// They are not part of the negotiated version: nothing is missing.
    Version,
    /// The connection was behind, and the channel is `best_effort`.
    #[serde(other)]
    Slow,
}
