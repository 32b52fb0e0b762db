//! The runtime behind a `Caller`: one request, or one question about a channel.

use super::{
    mailbox::{Letter, Mailbox},
    publishing::Hubs,
};
use crate::{
    session::{Command, WorkId},
    wakers::Wakers,
};
use std::{
    any::Any,
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};
use ws_proto::{
    Address, Answer, EncodedEvent, Fault, Format, MessageId, Raw,
    serve::{Cancelled, Link, Publishing},
};

/// What a handler's `Caller` reaches.
pub(crate) struct RequestLink {
    pub(crate) connection: Arc<ConnectionFacts>,
    pub(crate) work: Option<WorkId>,
    pub(crate) message: MessageId,
    state: Mutex<State>,
}

/// What stays the same for all requests of a connection.
pub(crate) struct ConnectionFacts {
    pub(crate) hubs: Arc<Hubs>,
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) format: Format,
    pub(crate) version: u32,
    pub(crate) session: String,
}

#[derive(Default)]
struct State {
    cancelled: bool,
    credit: u32,
    wakers: Wakers<WAITING>,
    /// Made for the first part: most requests have none.
    upload: Option<Box<Upload>>,
}

impl State {
    fn upload(&mut self) -> &mut Upload {
        self.upload.get_or_insert_default()
    }
}

/// The parts of an upload that wait for their handler: at most a window of them.
#[derive(Default)]
struct Upload {
    waiting: VecDeque<Raw>,
    is_read: bool,
    is_ended: bool,
    /// What is wrong with a part that was read.
    refusal: Option<Fault>,
}

/// Tasks of one handler that may wait on its link at once; more than this is a loop that leaks.
const WAITING: usize = 64;

impl RequestLink {
    pub(crate) fn new(
        connection: Arc<ConnectionFacts>,
        work: Option<WorkId>,
        message: MessageId,
        credit: u32,
    ) -> Self {
        let state = State { credit, ..State::default() };
        Self { connection, work, message, state: Mutex::new(state) }
    }

    /// The same for another request. False, and nothing is changed, while anybody still has it.
    pub(crate) fn renew(
        self: &mut Arc<Self>,
        work: WorkId,
        message: MessageId,
        credit: u32,
    ) -> bool {
        let Some(link) = Arc::get_mut(self) else { return false };
        (link.work, link.message) = (Some(work), message);
        let state = link.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        *state = State { credit, ..State::default() };
        true
    }

    /// Nobody waits for the answer any more.
    pub(crate) fn cancel(&self) {
        self.change(|state| {
            state.cancelled = true;
            if let Some(upload) = &mut state.upload {
                upload.waiting.clear();
            }
        });
    }

    /// The peer takes more items.
    pub(crate) fn credit(&self, n: u32) {
        self.change(|state| state.credit = state.credit.saturating_add(n));
    }

    /// A part of the upload came.
    pub(crate) fn part(&self, part: Raw) {
        // Nobody reads on after a part that was refused.
        self.change(|state| {
            let upload = state.upload();
            if upload.refusal.is_none() {
                upload.waiting.push_back(part);
            }
        });
    }

    /// The last part came.
    pub(crate) fn parts_end(&self) {
        self.change(|state| state.upload().is_ended = true);
    }

    /// The answer, which is a fault where a part was not what its type says.
    pub(crate) fn judged(&self, answer: Answer) -> Answer {
        let refusal = self.lock().upload.as_mut().and_then(|upload| upload.refusal.take());
        refusal.map_or(answer, Answer::Fault)
    }

    fn read(&self, n: u32) {
        if let Some(work) = self.work {
            self.connection.mailbox.put(Letter::Work(Command::Read(work, n)));
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        let waiting = state.wakers.take();
        drop(state);
        waiting.wake();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link for RequestLink {
    fn format(&self) -> Format {
        self.connection.format
    }

    fn version(&self) -> u32 {
        self.connection.version
    }

    fn session(&self) -> &str {
        &self.connection.session
    }

    fn message(&self) -> MessageId {
        self.message
    }

    fn publish(&self, address: Address, event: EncodedEvent) -> Publishing {
        Publishing::ready(self.connection.hubs.publish(&address, &event))
    }

    fn poll_cancelled(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.cancelled {
            return Poll::Ready(());
        }
        state.wakers.remember(cx);
        Poll::Pending
    }

    fn poll_item(&self, cx: &mut Context<'_>) -> Poll<Result<(), Cancelled>> {
        let mut state = self.lock();
        if state.cancelled {
            return Poll::Ready(Err(Cancelled));
        }
        // A client that gives credit and does not read takes memory all the same.
        if state.credit > 0 && self.connection.mailbox.poll_item_room(cx).is_ready() {
            state.credit -= 1;
            return Poll::Ready(Ok(()));
        }
        state.wakers.remember(cx);
        Poll::Pending
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }

    fn send_item(&self, item: Raw) {
        if let Some(work) = self.work {
            self.connection.mailbox.put(Letter::Work(Command::Item(work, item)));
        }
    }

    fn poll_part(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Raw, Cancelled>>> {
        let mut state = self.lock();
        if state.cancelled {
            return Poll::Ready(Some(Err(Cancelled)));
        }
        if let Some(part) = state.upload().waiting.pop_front() {
            drop(state);
            self.read(1);
            return Poll::Ready(Some(Ok(part)));
        }
        if state.upload().is_ended {
            return Poll::Ready(None);
        }
        state.wakers.remember(cx);
        let is_first = !std::mem::replace(&mut state.upload().is_read, true);
        drop(state);
        if is_first {
            self.read(0);
        }
        Poll::Pending
    }

    fn refuse_part(&self, fault: Fault) {
        let mut state = self.lock();
        let upload = state.upload();
        upload.waiting.clear();
        upload.refusal.get_or_insert(fault);
    }
}
