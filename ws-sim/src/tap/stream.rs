//! What a tap remembers of a session and of one connection.

use super::renewal::Renewal;
use std::collections::{BTreeMap, VecDeque};
use ws_proto::MessageId;
use ws_runtime::session::Time;

/// Both directions of the session stream.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// What was sent, by place.
    pub(super) sent: BTreeMap<u64, (MessageId, String, Option<String>)>,
    /// The highest place that the peer acknowledged.
    pub(super) acked: u64,
    /// The last place received without a hole.
    pub(super) got: u64,
    /// The highest place of the peer that was acknowledged.
    pub(super) told: u64,
    pub(super) owed_since: Option<Time>,
}

/// One connection.
#[derive(Debug, Default)]
pub(super) struct Talk {
    /// The next place; none before the welcome, but behind the hello of a new session.
    pub(super) next: Option<u64>,
    /// That hello has left, and its welcome has not come.
    pub(super) is_early: bool,
    pub(super) pings: VecDeque<u64>,
    pub(super) heard: Time,
    /// `$close` or `$reject` has left.
    pub(super) said_bye: bool,
    /// The transport failed before the session ended the connection.
    pub(super) cut: bool,
    pub(super) renewal: Renewal,
}
