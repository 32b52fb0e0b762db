//! Requests of the peer: in what order they start, how many run, and that each gets exactly one
//! terminal answer (`docs/protocol.md`, section 7).

use super::{Time, event::Request};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use ws_proto::{Fault, FaultCode, MessageId, RequestSpec};

/// Names a request of the peer towards our application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkId(pub u64);

#[derive(Debug)]
pub(super) struct Work {
    entries: BTreeMap<WorkId, Entry>,
    by_id: BTreeMap<MessageId, WorkId>,
    /// Requests that wait for their turn, in the order of `seq`.
    queue: VecDeque<WorkId>,
    deadlines: BTreeSet<(Time, WorkId)>,
    running: usize,
    ordered_running: bool,
    next: u64,
    /// Bytes of the payloads of all entries.
    bytes: usize,
    in_flight_max: usize,
    queued_max: usize,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: MessageId,
    pub(super) seq: u64,
    pub(super) spec: &'static RequestSpec,
    pub(super) credit: u32,
    bytes: usize,
    deadline: Option<Time>,
    /// Present until the request starts.
    request: Option<Box<Request>>,
    /// The terminal answer is out; only the handler is still running.
    answered: bool,
}

/// What became of a request whose time is up, or that was cancelled.
#[derive(Debug)]
pub(super) enum Ended {
    /// It had not started and is gone.
    Waiting(Entry),
    /// Its handler runs.
    Running(WorkId),
}

impl Work {
    pub(super) fn new(in_flight_max: usize, queued_max: usize) -> Self {
        Self {
            entries: BTreeMap::new(),
            by_id: BTreeMap::new(),
            queue: VecDeque::new(),
            deadlines: BTreeSet::new(),
            running: 0,
            ordered_running: false,
            next: 0,
            bytes: 0,
            in_flight_max,
            queued_max,
        }
    }

    /// Names the next request.
    pub(super) fn name(&mut self) -> WorkId {
        self.next += 1;
        WorkId(self.next)
    }

    /// Takes a request in, to be started in its turn.
    pub(super) fn admit(
        &mut self,
        request: Request,
        seq: u64,
        spec: &'static RequestSpec,
    ) -> Result<(), Fault> {
        if self.by_id.contains_key(&request.id) {
            return Err(Fault::invalid("a request with this `id` is being worked on"));
        }
        if self.queue.len() >= self.queued_max {
            let text = "too many requests of this connection wait for their turn";
            return Err(Fault::new(FaultCode::Overloaded, text).detail("limit", self.queued_max));
        }
        let (work, id, deadline) = (request.work, request.id, request.deadline);
        if let Some(deadline) = deadline {
            self.deadlines.insert((deadline, work));
        }
        self.by_id.insert(id, work);
        let bytes = request.payload.bytes().len();
        self.bytes += bytes;
        let request = Some(Box::new(request));
        let entry = Entry { id, seq, spec, credit: 0, bytes, deadline, request, answered: false };
        self.entries.insert(work, entry);
        self.queue.push_back(work);
        Ok(())
    }

    /// The next request that may start.
    pub(super) fn start(&mut self) -> Option<Box<Request>> {
        if self.running >= self.in_flight_max {
            return None;
        }
        let turn = self.queue.iter().position(|work| {
            let ordered = self.entries.get(work).is_some_and(|entry| entry.spec.ordered);
            !(ordered && self.ordered_running)
        })?;
        let work = self.queue.remove(turn)?;
        let entry = self.entries.get_mut(&work)?;
        self.running += 1;
        self.ordered_running |= entry.spec.ordered;
        let mut request = entry.request.take()?;
        request.credit = entry.credit;
        Some(request)
    }

    /// The handler is done; gives its entry, and whether the answer is still awaited.
    pub(super) fn finish(&mut self, work: WorkId) -> Option<(Entry, bool)> {
        // A request that has not started has nobody who could answer it.
        self.entries.get(&work).filter(|entry| entry.request.is_none())?;
        let entry = self.remove(work)?;
        self.running -= 1;
        if entry.spec.ordered {
            self.ordered_running = false;
        }
        let awaited = !entry.answered;
        Some((entry, awaited))
    }

    /// The peer no longer wants the answer.
    pub(super) fn cancel(&mut self, id: MessageId) -> Option<Ended> {
        let work = *self.by_id.get(&id)?;
        let entry = self.entries.get(&work).filter(|entry| !entry.answered)?;
        if entry.request.is_some() {
            self.queue.retain(|other| *other != work);
            return self.remove(work).map(Ended::Waiting);
        }
        Some(Ended::Running(work))
    }

    /// A request whose time is up. A running one counts as answered from here on.
    pub(super) fn expire(&mut self, now: Time) -> Option<Ended> {
        let (due, work) = *self.deadlines.first()?;
        if due > now {
            return None;
        }
        self.deadlines.pop_first();
        let entry = self.entries.get_mut(&work)?;
        entry.deadline = None;
        if entry.request.is_some() {
            self.queue.retain(|other| *other != work);
            return self.remove(work).map(Ended::Waiting);
        }
        entry.answered = true;
        Some(Ended::Running(work))
    }

    /// Every request that has not started: a draining server refuses them.
    pub(super) fn dismiss_waiting(&mut self) -> Vec<Entry> {
        let waiting: Vec<_> = self.queue.drain(..).collect();
        waiting.into_iter().filter_map(|work| self.remove(work)).collect()
    }

    /// The session of these requests is lost: those that wait are gone, those that run count as
    /// answered, and are given. They hold their place among those that run until they end.
    pub(super) fn abandon(&mut self) -> Vec<WorkId> {
        self.dismiss_waiting();
        self.deadlines.clear();
        let mut running = Vec::new();
        for (work, entry) in &mut self.entries {
            entry.deadline = None;
            // The new session counts from 1 again.
            entry.seq = 0;
            if !entry.answered {
                entry.answered = true;
                running.push(*work);
            }
        }
        running
    }

    /// Adds credit; gives the request if it runs.
    pub(super) fn credit(&mut self, id: MessageId, n: u32) -> Option<WorkId> {
        let work = *self.by_id.get(&id)?;
        let entry = self.entries.get_mut(&work)?;
        entry.credit = entry.credit.saturating_add(n);
        entry.request.is_none().then_some(work)
    }

    pub(super) fn entry(&mut self, work: WorkId) -> Option<&mut Entry> {
        self.entries.get_mut(&work).filter(|entry| !entry.answered)
    }

    pub(super) fn id(&self, work: WorkId) -> Option<MessageId> {
        self.entries.get(&work).map(|entry| entry.id)
    }

    /// Bytes of the requests that are not answered.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether nothing runs and nothing waits.
    pub(super) fn is_idle(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn due(&self) -> Option<Time> {
        self.deadlines.first().map(|(due, _)| *due)
    }

    fn remove(&mut self, work: WorkId) -> Option<Entry> {
        let entry = self.entries.remove(&work)?;
        self.bytes -= entry.bytes;
        self.by_id.remove(&entry.id);
        if let Some(deadline) = entry.deadline {
            self.deadlines.remove(&(deadline, work));
        }
        Some(entry)
    }
}
