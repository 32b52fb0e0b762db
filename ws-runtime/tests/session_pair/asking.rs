//! A server that asks its client, and a client that answers.

use super::{Pair, setup::numbered};
use bytestring::ByteString;
use std::{collections::BTreeMap, time::Duration};
use ws_proto::Answer;
use ws_runtime::session::{Call, CallId, Command, Request, WorkId};

/// The number of no call.
const UNKNOWN: u64 = 1 << 40;

/// What the server's session asked, and what became of it.
#[derive(Default)]
pub(crate) struct Asked {
    calls: u64,
    /// How often each call of this session of the server was answered.
    pub(crate) answers: BTreeMap<CallId, u32>,
    /// How often the client started each.
    started: BTreeMap<u64, u32>,
    works: BTreeMap<WorkId, u64>,
}

impl Asked {
    /// A new session of the server: nobody waits for the answers to what the last one asked.
    pub(crate) fn begin(&mut self) {
        self.answers.clear();
        self.started.clear();
    }

    pub(crate) fn answered(&mut self, call: CallId) {
        let count = self.answers.get_mut(&call).expect("an answer to a call of the server");
        *count += 1;
        assert_eq!(*count, 1, "{call:?} was answered twice");
    }

    pub(crate) fn start(&mut self, request: &Request) {
        // A frame that was made up asks nothing that the server knows.
        let call = request.payload.decode().unwrap_or(UNKNOWN);
        self.works.insert(request.work, call);
        if call == UNKNOWN {
            return;
        }
        let count = self.started.entry(call).or_default();
        *count += 1;
        let is_known = self.answers.contains_key(&CallId(call));
        assert!(!is_known || *count == 1, "what the server asked was started twice: {call}");
    }
}

impl Pair {
    /// The server asks, if a client was ever taken in.
    pub(crate) fn ask(&mut self, ttl_ms: Option<u64>) {
        let is_open = self.server.version().is_some();
        let is_begun = self.kept.as_ref().map_or(is_open, |kept| kept.current.is_some());
        if !is_begun || !self.server.has_room() {
            return;
        }
        let call = CallId(self.asked.calls);
        self.asked.calls += 1;
        self.asked.answers.insert(call, 0);
        let command = Command::Call(Box::new(Call {
            call,
            kind: ByteString::from_static("join"),
            payload: numbered(call.0),
            ttl: ttl_ms.map(Duration::from_millis),
            key: None,
            versions: (1, None),
            credit: 0,
        }));
        self.server.handle_command(command, self.now).expect("there was room");
    }

    /// The client answers what it was asked in this turn.
    pub(crate) fn answer_asked(&mut self, turn: usize) {
        let work = self.asked.works.keys().nth(turn).copied();
        if let Some((work, call)) = work.and_then(|work| self.asked.works.remove_entry(&work)) {
            self.tell_client(Command::Answer(work, Answer::Ok(numbered(call))));
        }
    }

    /// Whether every call of the server's session has its outcome.
    pub(crate) fn is_all_answered(&self) -> bool {
        self.asked.answers.values().all(|count| *count == 1)
    }
}
