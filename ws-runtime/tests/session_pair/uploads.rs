//! What must hold of the parts of uploads: each once, in order, and none after the end.

use super::{Pair, setup::numbered};
use std::collections::{BTreeMap, BTreeSet};
use ws_runtime::session::{CallId, Command, WorkId};

/// Parts of one upload are `call * MANY`, and then one more each.
const MANY: u64 = 1_000_000;

/// The parts that were sent and that arrived.
#[derive(Default)]
pub(crate) struct Uploads {
    /// The calls that take parts.
    pub(crate) calls: Vec<CallId>,
    /// How many parts of each call were taken from its application.
    taken: BTreeMap<CallId, u64>,
    /// How many arrived for each request of this session of the server.
    arrived: BTreeMap<WorkId, u64>,
    ended: BTreeSet<WorkId>,
}

impl Uploads {
    /// A new session of the server counts its requests anew.
    pub(crate) fn begin(&mut self) {
        self.arrived.clear();
        self.ended.clear();
    }

    /// A part came to the application of the server; without a call, its request was answered.
    pub(crate) fn arrived(&mut self, work: WorkId, call: Option<u64>, part: u64) {
        assert!(!self.ended.contains(&work), "{part} of {work:?} came after the end");
        let Some(call) = call.filter(|call| part / MANY == *call) else { return };
        let arrived = self.arrived.entry(work).or_default();
        assert_eq!(part, call * MANY + *arrived, "not the next part of {work:?}");
        *arrived += 1;
    }

    /// One of the last calls that take parts.
    fn recent(&self, number: u64) -> Option<CallId> {
        pick(&self.calls[self.calls.len().saturating_sub(2)..], number)
    }

    pub(crate) fn ended(&mut self, work: WorkId) {
        assert!(self.ended.insert(work), "{work:?} ended twice");
    }
}

impl Pair {
    pub(crate) fn part(&mut self, number: u64) {
        let Some(call) = self.uploads.recent(number) else { return };
        let taken = self.uploads.taken.get(&call).copied().unwrap_or_default();
        let part = Command::Part(call, numbered(call.0 * MANY + taken));
        if self.client.handle_command(part, self.now).is_ok() {
            self.uploads.taken.insert(call, taken + 1);
        }
    }

    pub(crate) fn end(&mut self, number: u64) {
        if let Some(call) = self.uploads.recent(number) {
            self.tell_client(Command::End(call));
        }
    }

    /// Most of what runs is no upload; those that are have read.
    pub(crate) fn read(&mut self, number: u64, n: u32) {
        let recent = self.works.keys().rev().take(3).copied().collect::<Vec<_>>();
        if let Some(work) = pick(&recent, number) {
            self.tell_server(Command::Read(work, n));
        }
    }
}

fn pick<T: Copy>(from: &[T], number: u64) -> Option<T> {
    from.get(usize::try_from(number).ok()?.checked_rem(from.len())?).copied()
}
