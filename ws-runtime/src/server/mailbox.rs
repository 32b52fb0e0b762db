//! What waits for one connection: put there by handlers and publishers, taken by its driver.
//!
//! Bounded by what its session grants: answers by requests in flight, items by credit, decisions by
//! questions asked; news of a log is one address however many events there are, and best-effort
//! events drop the oldest.

use super::guest::Guest;
use crate::session::{Command, Ticket};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Waker},
};
use ws_proto::{Address, EncodedEvent, Fault, Position, Publication, frame::NotResumed};

/// Best-effort events that wait for a driver that does not come; past it the oldest are dropped.
const PASSING_EVENTS: usize = 1024;

/// What waits for one connection.
#[derive(Default)]
pub(crate) struct Mailbox {
    letters: Mutex<Letters>,
}

#[derive(Default)]
pub(crate) struct Letters {
    /// Closes and drains: taken before everything else.
    pub(crate) urgent: VecDeque<Command>,
    /// Decisions, answers and items, in their order.
    pub(crate) regular: VecDeque<Letter>,
    /// Channels whose log has events for this connection.
    pub(crate) news: BTreeSet<Address>,
    passing: Passing,
    waker: Option<Waker>,
    closed: bool,
}

/// Best-effort events on their way, and how many were dropped here, by channel.
#[derive(Default)]
pub(crate) struct Passing {
    pub(crate) events: VecDeque<(Address, Arc<Publication>)>,
    pub(crate) dropped: BTreeMap<Address, u64>,
}

impl Letters {
    pub(crate) fn take_passing(&mut self) -> Passing {
        std::mem::take(&mut self.passing)
    }
}

/// What the application decided or made for one connection.
pub(crate) enum Letter {
    /// An answer or a stream item.
    Work(Command),
    /// Who the client is.
    Greeted {
        decision: Result<Arc<dyn Guest>, Fault>,
        session: String,
        not_resumed: Option<NotResumed>,
        version: u32,
    },
    /// May the client listen, after the position that it named?
    Subscribe(Ticket, Address, Result<Option<Position>, Fault>),
    /// May the client publish? If so, what.
    Publish(Ticket, Address, Result<EncodedEvent, Fault>),
}

impl Mailbox {
    /// Puts a letter in.
    pub(crate) fn put(&self, letter: Letter) {
        self.change(|letters| letters.regular.push_back(letter));
    }

    /// Puts a command in that must not wait.
    pub(crate) fn urge(&self, command: Command) {
        self.change(|letters| letters.urgent.push_back(command));
    }

    /// The log of a channel has events for this connection.
    pub(crate) fn tell_news(&self, address: &Address) {
        self.change(|letters| {
            letters.news.insert(address.clone());
        });
    }

    /// Puts a best-effort event in.
    pub(crate) fn pass(&self, address: &Address, event: &Arc<Publication>) {
        self.change(|letters| {
            let passing = &mut letters.passing;
            passing.events.push_back((address.clone(), Arc::clone(event)));
            if passing.events.len() > PASSING_EVENTS
                && let Some((address, _)) = passing.events.pop_front()
            {
                *passing.dropped.entry(address).or_default() += 1;
            }
        });
    }

    /// The letters, to take from; remembers whom to wake for more.
    pub(crate) fn open(&self, cx: &Context<'_>) -> MutexGuard<'_, Letters> {
        let mut letters = self.lock();
        match &mut letters.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            waker @ None => *waker = Some(cx.waker().clone()),
        }
        letters
    }

    /// Nobody takes letters any more: what is there and what comes is dropped.
    pub(crate) fn close(&self) {
        let mut letters = self.lock();
        let closed = Letters { closed: true, ..Letters::default() };
        let dropped = std::mem::replace(&mut *letters, closed);
        drop(letters);
        // What a letter's drop does must not find the lock held.
        drop(dropped);
    }

    fn change(&self, change: impl FnOnce(&mut Letters)) {
        let mut letters = self.lock();
        if letters.closed {
            return;
        }
        change(&mut letters);
        let waker = letters.waker.take();
        drop(letters);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Letters> {
        // No code of the application runs under this lock; nothing is left half done.
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
