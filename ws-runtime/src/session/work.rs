//! Requests of the peer: in what order they start, how many run, and that each gets exactly one
//! terminal answer (`docs/protocol.md`, section 7).

use super::{Time, event::Request, flat::Flat, resting::relieve};
use std::{collections::VecDeque, mem};
use ws_proto::{Fault, FaultCode, Limits, MessageId, RequestSpec};

/// Names a request of the peer towards our application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkId(pub u64);

#[derive(Debug)]
pub(super) struct Work {
    tables: Tables,
    /// Requests that wait for their turn, in the order of `seq`.
    queue: VecDeque<WorkId>,
    /// The same for those that run one after another: a queue of their own, so that others need
    /// not look past them.
    ordered: VecDeque<WorkId>,
    running: usize,
    ordered_running: bool,
    next: u64,
    /// Bytes of the payloads of all entries, and of the parts that wait.
    bytes: usize,
    in_flight_max: usize,
    queued_max: usize,
    window: u32,
}

/// What a session knows of its peer's requests, or memory for it.
#[derive(Debug)]
pub(super) struct Tables {
    entries: Flat<WorkId, Entry>,
    by_id: Flat<MessageId, WorkId>,
    deadlines: Flat<(Time, WorkId), ()>,
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
    /// Present while parts may come. Boxed: what moves in the map is small.
    upload: Option<Box<Upload>>,
}

/// A request whose handler is done.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) id: MessageId,
    pub(super) seq: u64,
    pub(super) spec: &'static RequestSpec,
    /// Whether its answer is still waited for.
    pub(super) awaited: bool,
}

/// The parts of a request's upload.
#[derive(Debug, Default)]
struct Upload {
    /// How many more the peer may send.
    credit: u32,
    /// Bytes of each that the handler has not read.
    waiting: VecDeque<usize>,
    /// Read, and not yet made good by credit.
    owed: u32,
    /// The handler has begun to read.
    is_read: bool,
    is_ended: bool,
}

/// What became of a part of the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It waits for the handler.
    Held(WorkId),
    /// There is no such upload any more.
    Stray,
    /// The peer was not asked for it.
    NoCredit,
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
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            tables: Tables::default(),
            queue: VecDeque::new(),
            ordered: VecDeque::new(),
            running: 0,
            ordered_running: false,
            next: 0,
            bytes: 0,
            in_flight_max: limits.max_in_flight,
            queued_max: limits.max_queued,
            window: limits.upload_window,
        }
    }

    pub(super) fn rest(&mut self, kept: usize) {
        relieve(&mut self.queue, kept);
        relieve(&mut self.ordered, kept);
        self.tables.rest(kept);
    }

    /// Exchanges the memory of the tables, where nothing uses it.
    pub(super) fn exchange(&mut self, tables: &mut Tables) {
        if self.is_idle() {
            mem::swap(&mut self.tables, tables);
        }
    }

    /// Names the next request.
    pub(super) fn name(&mut self) -> WorkId {
        self.next += 1;
        WorkId(self.next)
    }

    /// Takes a request in. Given back, it starts now, which it may only where
    /// [`Work::starts_at_once`]; else in its turn.
    pub(super) fn admit(
        &mut self,
        request: Box<Request>,
        seq: u64,
        spec: &'static RequestSpec,
        starts: bool,
    ) -> Result<Option<Box<Request>>, Fault> {
        if self.queue.len() + self.ordered.len() >= self.queued_max {
            return Err(self.refusal(request.id));
        }
        let (work, id, deadline) = (request.work, request.id, request.deadline);
        if !self.tables.by_id.insert(id, work) {
            return Err(self.refusal(id));
        }
        if let Some(deadline) = deadline {
            self.tables.deadlines.insert((deadline, work), ());
        }
        let bytes = request.payload.bytes().len();
        self.bytes += bytes;
        let (now, request) = if starts { (Some(request), None) } else { (None, Some(request)) };
        let upload = spec.part.map(|_| Box::default());
        let answered = false;
        let entry = Entry { id, seq, spec, credit: 0, bytes, deadline, request, answered, upload };
        // Names grow.
        self.tables.entries.push(work, entry);
        if starts {
            self.running += 1;
            self.ordered_running |= spec.ordered;
        } else {
            let queue = if spec.ordered { &mut self.ordered } else { &mut self.queue };
            queue.push_back(work);
        }
        Ok(now)
    }

    /// Whether a request that came now would start before anything else happens.
    pub(super) fn starts_at_once(&self, spec: &RequestSpec) -> bool {
        let has_turn = !(spec.ordered && self.ordered_running);
        !self.has_waiting() && has_turn && self.running < self.in_flight_max
    }

    /// Whether any request waits for its turn.
    pub(super) fn has_waiting(&self) -> bool {
        !(self.queue.is_empty() && self.ordered.is_empty())
    }

    /// The next request that may start.
    pub(super) fn start(&mut self) -> Option<Box<Request>> {
        if self.running >= self.in_flight_max {
            return None;
        }
        let ordered = self.ordered.front().filter(|_| !self.ordered_running);
        // What came first starts first.
        let is_ordered = match (ordered, self.queue.front()) {
            (Some(ordered), Some(other)) => ordered < other,
            (ordered, _) => ordered.is_some(),
        };
        let queue = if is_ordered { &mut self.ordered } else { &mut self.queue };
        let work = queue.pop_front()?;
        let entry = self.tables.entries.get_mut(work)?;
        self.running += 1;
        self.ordered_running |= entry.spec.ordered;
        let mut request = entry.request.take()?;
        request.credit = entry.credit;
        Some(request)
    }

    /// The handler is done.
    pub(super) fn finish(&mut self, work: WorkId) -> Option<Finished> {
        // A request that has not started has nobody who could answer it.
        self.tables.entries.get(work).filter(|entry| entry.request.is_none())?;
        let entry = self.remove(work)?;
        self.running -= 1;
        if entry.spec.ordered {
            self.ordered_running = false;
        }
        let Entry { id, seq, spec, answered, .. } = entry;
        Some(Finished { id, seq, spec, awaited: !answered })
    }

    /// The peer no longer wants the answer.
    pub(super) fn cancel(&mut self, id: MessageId) -> Option<Ended> {
        let work = *self.tables.by_id.get(id)?;
        let entry = self.tables.entries.get(work).filter(|entry| !entry.answered)?;
        if entry.request.is_some() {
            self.withdraw(work);
            return self.remove(work).map(Ended::Waiting);
        }
        self.end_upload(work);
        Some(Ended::Running(work))
    }

    /// A request whose time is up. A running one counts as answered from here on.
    pub(super) fn expire(&mut self, now: Time) -> Option<Ended> {
        let (due, work) = self.tables.deadlines.first()?;
        if due > now {
            return None;
        }
        self.tables.deadlines.remove((due, work));
        let entry = self.tables.entries.get_mut(work)?;
        entry.deadline = None;
        if entry.request.is_some() {
            self.withdraw(work);
            return self.remove(work).map(Ended::Waiting);
        }
        entry.answered = true;
        self.end_upload(work);
        Some(Ended::Running(work))
    }

    /// A part of the upload `id`, of this type and size.
    pub(super) fn take_part(&mut self, id: MessageId, kind: &str, bytes: usize) -> Taken {
        let Some((work, entry)) = self.uploading(id) else { return Taken::Stray };
        let Some(upload) = entry.upload.as_mut().filter(|_| entry.spec.part == Some(kind)) else {
            return Taken::Stray;
        };
        if upload.credit == 0 {
            return Taken::NoCredit;
        }
        upload.credit -= 1;
        upload.waiting.push_back(bytes);
        entry.bytes += bytes;
        self.bytes += bytes;
        Taken::Held(work)
    }

    /// The handler has read this many parts; gives how many more the peer may be asked for.
    pub(super) fn parts_read(&mut self, work: WorkId, n: u32) -> Option<(MessageId, u32)> {
        let window = self.window;
        let entry = self.tables.entries.get_mut(work)?;
        let upload = entry.upload.as_mut()?;
        let count = upload.waiting.len().min(n as usize);
        let bytes: usize = upload.waiting.drain(..count).sum();
        entry.bytes -= bytes;
        self.bytes -= bytes;
        let owed = if upload.is_read { u32::try_from(count).unwrap_or(n) } else { window };
        upload.owed += owed;
        upload.is_read = true;
        // A frame for each part would double the messages.
        if upload.is_ended || upload.owed < window.div_ceil(2) {
            return None;
        }
        let more = mem::take(&mut upload.owed);
        upload.credit += more;
        Some((entry.id, more))
    }

    /// The peer sent its last part; `None` when there is no such upload any more.
    pub(super) fn last_part(&mut self, id: MessageId) -> Option<WorkId> {
        let (work, entry) = self.uploading(id)?;
        let upload = entry.upload.as_mut().filter(|upload| !upload.is_ended)?;
        upload.is_ended = true;
        upload.credit = 0;
        Some(work)
    }

    /// Whether the request waits for its turn.
    pub(super) fn is_waiting(&self, work: WorkId) -> bool {
        self.tables.entries.get(work).is_some_and(|entry| entry.request.is_some())
    }

    /// Whether the last part of its upload came.
    pub(super) fn has_all_parts(&self, work: WorkId) -> bool {
        let upload = self.tables.entries.get(work).and_then(|entry| entry.upload.as_ref());
        upload.is_some_and(|upload| upload.is_ended)
    }

    /// The request counts as answered from here on, while its handler still runs.
    pub(super) fn answered(&mut self, work: WorkId) -> Option<MessageId> {
        self.end_upload(work);
        let entry = self.tables.entries.get_mut(work).filter(|entry| !entry.answered)?;
        entry.answered = true;
        if let Some(deadline) = entry.deadline.take() {
            self.tables.deadlines.remove((deadline, work));
        }
        Some(entry.id)
    }

    /// Every request that has not started: a draining server refuses them.
    pub(super) fn dismiss_waiting(&mut self) -> Vec<Entry> {
        let mut waiting: Vec<_> = self.queue.drain(..).chain(self.ordered.drain(..)).collect();
        waiting.sort_unstable();
        waiting.into_iter().filter_map(|work| self.remove(work)).collect()
    }

    /// The session of these requests is lost: those that wait are gone, those that run count as
    /// answered, and are given. They hold their place among those that run until they end.
    pub(super) fn abandon(&mut self) -> Vec<WorkId> {
        self.dismiss_waiting();
        self.tables.deadlines.clear();
        let mut running = Vec::new();
        for (work, entry) in self.tables.entries.iter_mut() {
            entry.deadline = None;
            // The new session counts from 1 again.
            entry.seq = 0;
            if !entry.answered {
                entry.answered = true;
                running.push(work);
            }
        }
        for work in &running {
            self.end_upload(*work);
        }
        running
    }

    /// Adds credit; gives the request if it runs.
    pub(super) fn credit(&mut self, id: MessageId, n: u32) -> Option<WorkId> {
        let work = *self.tables.by_id.get(id)?;
        let entry = self.tables.entries.get_mut(work)?;
        entry.credit = entry.credit.saturating_add(n);
        entry.request.is_none().then_some(work)
    }

    pub(super) fn entry(&mut self, work: WorkId) -> Option<&mut Entry> {
        self.tables.entries.get_mut(work).filter(|entry| !entry.answered)
    }

    pub(super) fn id(&self, work: WorkId) -> Option<MessageId> {
        self.tables.entries.get(work).map(|entry| entry.id)
    }

    /// Bytes of the requests that are not answered.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many run or wait.
    pub(super) fn count(&self) -> usize {
        self.tables.entries.count()
    }

    /// Whether nothing runs and nothing waits.
    pub(super) fn is_idle(&self) -> bool {
        self.tables.entries.is_empty()
    }

    pub(super) fn due(&self) -> Option<Time> {
        self.tables.deadlines.first().map(|(due, _)| due)
    }

    /// Why a request is not taken in.
    #[cold]
    fn refusal(&self, id: MessageId) -> Fault {
        if self.tables.by_id.get(id).is_some() {
            return Fault::invalid("a request with this `id` is being worked on");
        }
        let text = "too many requests of this connection wait for their turn";
        Fault::new(FaultCode::Overloaded, text).detail("limit", self.queued_max)
    }

    /// A request that waits does so no more.
    fn withdraw(&mut self, work: WorkId) {
        for queue in [&mut self.queue, &mut self.ordered] {
            if let Ok(place) = queue.binary_search(&work) {
                queue.remove(place);
            }
        }
    }

    fn uploading(&mut self, id: MessageId) -> Option<(WorkId, &mut Entry)> {
        let work = *self.tables.by_id.get(id)?;
        let entry = self.tables.entries.get_mut(work).filter(|entry| entry.upload.is_some())?;
        Some((work, entry))
    }

    /// Nobody reads what waits of an upload: its room is free again.
    fn end_upload(&mut self, work: WorkId) {
        let Some(entry) = self.tables.entries.get_mut(work) else { return };
        let waiting = entry.upload.take().map(|upload| upload.waiting).unwrap_or_default();
        let bytes: usize = waiting.iter().sum();
        entry.bytes -= bytes;
        self.bytes -= bytes;
    }

    fn remove(&mut self, work: WorkId) -> Option<Entry> {
        let entry = self.tables.entries.remove(work)?;
        self.bytes -= entry.bytes;
        self.tables.by_id.remove(entry.id);
        if let Some(deadline) = entry.deadline {
            self.tables.deadlines.remove((deadline, work));
        }
        Some(entry)
    }
}

impl Tables {
    pub(super) fn rest(&mut self, kept: usize) {
        self.entries.rest(kept);
        self.by_id.rest(kept);
        self.deadlines.rest(kept);
    }
}

impl Default for Tables {
    fn default() -> Self {
        Self { entries: Flat::new(), by_id: Flat::new(), deadlines: Flat::new() }
    }
}
