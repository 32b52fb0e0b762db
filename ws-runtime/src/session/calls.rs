//! Our own requests and publishes: each resolves exactly once (`docs/protocol.md`, section 7).

use super::{Time, command::CallId};
use bytestring::ByteString;
use std::collections::{BTreeMap, BTreeSet};
use ws_proto::MessageId;

#[derive(Debug, Default)]
pub(super) struct Calls {
    open: BTreeMap<CallId, Open>,
    by_id: BTreeMap<MessageId, CallId>,
    deadlines: BTreeSet<(Time, CallId)>,
}

#[derive(Clone, Debug)]
pub(super) struct Open {
    pub(super) id: MessageId,
    pub(super) kind: ByteString,
    pub(super) versions: (u32, Option<u32>),
    pub(super) deadline: Option<Time>,
    /// It left this process: the peer may have worked on it.
    pub(super) sent: bool,
    /// The peer was told that the answer is no longer wanted.
    pub(super) cancelled: bool,
    /// Parts of its upload that the peer takes.
    pub(super) parts: u32,
    /// Its last part was given to us.
    pub(super) ended: bool,
}

/// Which of the answers of a request a `type` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AnswerKind {
    Ok,
    Err,
    Item,
}

impl Open {
    /// Which answer of this request the `type` is, `None` when it is none.
    pub(super) fn answer_kind(&self, kind: &str) -> Option<AnswerKind> {
        match kind.strip_prefix(&*self.kind)? {
            ".ok" => Some(AnswerKind::Ok),
            ".err" => Some(AnswerKind::Err),
            ".item" => Some(AnswerKind::Item),
            _ => None,
        }
    }

    /// Whether the negotiated version has this request.
    pub(super) fn is_supported(&self, version: u32) -> bool {
        let (since, removed) = self.versions;
        version >= since && removed.is_none_or(|removed| version < removed)
    }
}

impl Calls {
    /// False when the id is in use.
    pub(super) fn open(&mut self, call: CallId, open: Open) -> bool {
        if self.open.contains_key(&call) {
            return false;
        }
        if let Some(deadline) = open.deadline {
            self.deadlines.insert((deadline, call));
        }
        self.by_id.insert(open.id, call);
        self.open.insert(call, open);
        true
    }

    pub(super) fn get(&mut self, call: CallId) -> Option<&mut Open> {
        self.open.get_mut(&call)
    }

    pub(super) fn by_id(&self, id: MessageId) -> Option<(CallId, &Open)> {
        let call = *self.by_id.get(&id)?;
        Some((call, self.open.get(&call)?))
    }

    /// The call has its outcome.
    pub(super) fn close(&mut self, call: CallId) -> Option<Open> {
        let open = self.open.remove(&call)?;
        self.by_id.remove(&open.id);
        if let Some(deadline) = open.deadline {
            self.deadlines.remove(&(deadline, call));
        }
        Some(open)
    }

    /// A call whose time is up.
    pub(super) fn expired(&self, now: Time) -> Option<CallId> {
        self.deadlines.first().filter(|(due, _)| *due <= now).map(|(_, call)| *call)
    }

    pub(super) fn is_sent(&self, call: CallId) -> bool {
        self.open.get(&call).is_some_and(|open| open.sent)
    }

    /// Every call that left this process.
    pub(super) fn sent(&self) -> Vec<CallId> {
        self.open.iter().filter(|(_, open)| open.sent).map(|(call, _)| *call).collect()
    }

    /// How many calls wait for their outcome.
    pub(super) fn count(&self) -> usize {
        self.open.len()
    }

    /// Whether no call waits for its outcome.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    pub(super) fn due(&self) -> Option<Time> {
        self.deadlines.first().map(|(due, _)| *due)
    }
}
