//! What waits for one connection: put there by handlers and publishers, taken by its driver.
//!
//! Bounded by what its session grants: answers by requests in flight, decisions by questions asked.
//! Items wait for room, whatever credit the client gave; news of a log is one address however many
//! events there are, and best-effort events drop the oldest, or the older of two that say the same.

use super::{
    calling::CallLine,
    guest::Guest,
    keeping::{Ask, Claim, Denied},
    passing::Passing,
    snapshots::Made,
};
use crate::{
    session::{Command, Ticket},
    wakers::Wakers,
};
use std::{
    collections::{BTreeSet, VecDeque},
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};
use ws_proto::{
    Address, Batch, EncodedEvent, Fault, Limits, Position, Publication,
    frame::{ClientLimits, Unsubscribed},
};

/// Stream items that wait; past it their handlers do.
const ITEMS: usize = 64;
/// Handlers that may wait for that at once; more is a loop that leaks.
const WAITING: usize = 256;

/// What waits for one connection.
pub(crate) struct Mailbox {
    letters: Mutex<Letters>,
    /// Bytes of best-effort events, past which the oldest are dropped.
    passing_bytes: usize,
    /// Bytes of stream items, past which their handlers wait.
    item_bytes: usize,
    /// The way for calls of the client.
    pub(crate) calls: Arc<CallLine>,
}

#[derive(Default)]
pub(crate) struct Letters {
    /// Closes, drains and revocations: taken before everything else.
    pub(crate) urgent: VecDeque<Command>,
    /// Clients that want to go on with the session.
    pub(crate) asks: Vec<Ask>,
    /// Whose the token is that the client brought: at most one per question.
    pub(crate) renewals: Vec<Renewal>,
    /// Decisions, answers and items, in their order.
    regular: VecDeque<Letter>,
    /// How many of them are items, and their bytes.
    items: (usize, usize),
    /// Channels whose log has events for this connection.
    pub(crate) news: News,
    passing: Passing,
    waker: Option<Waker>,
    /// Handlers that wait for room for an item.
    item_wakers: Wakers<WAITING>,
    closed: bool,
}

impl Letters {
    /// Whether commands, questions or decisions wait that do not need room in the session.
    pub(crate) fn is_pressing(&self) -> bool {
        !(self.urgent.is_empty() && self.asks.is_empty() && self.renewals.is_empty())
    }

    /// Whether decisions, answers or items wait.
    pub(crate) fn has_regular(&self) -> bool {
        !self.regular.is_empty()
    }

    /// The best-effort events that a session takes: all where it is behind, so that it drops the
    /// oldest, else as many as it keeps. `None` where nothing is to be said.
    pub(crate) fn take_passing(&mut self, is_behind: bool) -> Option<Passing> {
        if self.passing.is_empty() {
            return None;
        }
        Some(if is_behind { mem::take(&mut self.passing) } else { self.passing.take_some() })
    }
}

/// Channels, each once. Most often it is one, and a tree has room for eleven.
#[derive(Default)]
pub(crate) struct News {
    one: Option<Address>,
    others: BTreeSet<Address>,
}

impl News {
    fn insert(&mut self, address: &Address) {
        if self.one.is_none() {
            self.one = Some(address.clone());
        } else if self.one.as_ref() != Some(address) {
            self.others.insert(address.clone());
        }
    }

    /// One of them.
    pub(crate) fn pop(&mut self) -> Option<Address> {
        if let Some(next) = self.others.pop_first() {
            if self.others.is_empty() {
                self.others = BTreeSet::new();
            }
            return Some(next);
        }
        self.one.take()
    }
}

/// What the application decided or made for one connection.
pub(crate) enum Letter {
    /// An answer or a stream item.
    Work(Command),
    /// Who the client is.
    Greeted(Box<Greeting>),
    /// May the client, who has resumed its session, go on listening?
    Reauthorized(Address, Result<(), Fault>),
    /// May the client listen, after the position that it named?
    Subscribe(Ticket, Address, Result<Option<Position>, Fault>),
    /// The state of a channel.
    Snapshot(Box<Made>),
    /// May the client publish? If so, what.
    Publish(Ticket, Address, Result<EncodedEvent, Fault>),
}

/// The decision about a token that a client brought over a living connection.
pub(crate) struct Renewal {
    pub(crate) ticket: Ticket,
    pub(crate) decision: Result<Arc<dyn Guest>, Fault>,
}

/// The decision about a hello.
pub(crate) struct Greeting {
    pub(crate) decision: Result<Arc<dyn Guest>, Fault>,
    pub(crate) version: u32,
    /// Whether the session that the client named goes on, if it named one.
    pub(crate) resumption: Option<Result<Claim, Denied>>,
    pub(crate) recv: u64,
    pub(crate) limits: Option<ClientLimits>,
}

impl Letter {
    /// Bytes of a stream item; `None` for everything else.
    fn item_size(&self) -> Option<usize> {
        match self {
            Self::Work(Command::Item(_, item)) => Some(item.bytes().len()),
            _ => None,
        }
    }
}

impl Mailbox {
    /// An empty mailbox of a connection with these bounds.
    pub(crate) fn new(limits: &Limits, calls: Arc<CallLine>) -> Self {
        Self {
            letters: Mutex::default(),
            passing_bytes: limits.write_buffer,
            item_bytes: limits.outbox_bytes,
            calls,
        }
    }

    /// Puts a letter in.
    pub(crate) fn put(&self, letter: Letter) {
        self.change(|letters| {
            if let Some(bytes) = letter.item_size() {
                letters.items.0 += 1;
                letters.items.1 += bytes;
            }
            letters.regular.push_back(letter);
        });
    }

    /// The next letter.
    pub(crate) fn take(&self) -> Option<Letter> {
        let mut letters = self.lock();
        let letter = letters.regular.pop_front()?;
        let Some(bytes) = letter.item_size() else { return Some(letter) };
        letters.items.0 -= 1;
        letters.items.1 -= bytes;
        let waiting = self.takes_items(&letters).then(|| letters.item_wakers.take());
        drop(letters);
        waiting.unwrap_or_default().wake();
        Some(letter)
    }

    /// Ready when there is room for one more item. A mailbox that is closed takes, and drops, all.
    pub(crate) fn poll_item_room(&self, cx: &Context<'_>) -> Poll<()> {
        let mut letters = self.lock();
        if letters.closed || self.takes_items(&letters) {
            return Poll::Ready(());
        }
        letters.item_wakers.remember(cx);
        Poll::Pending
    }

    /// Wakes the driver, though there is nothing new.
    #[cfg(feature = "inspect")]
    pub(crate) fn nudge(&self) {
        self.change(|_| {});
    }

    /// Puts a command in that must not wait.
    pub(crate) fn urge(&self, command: Command) {
        self.change(|letters| letters.urgent.push_back(command));
    }

    /// Why the application takes away the right to listen to a channel, if it does.
    pub(crate) fn revokes(&self, address: &Address) -> Option<Unsubscribed> {
        self.lock().urgent.iter().find_map(|command| match command {
            Command::EndSubscription(revoked, why) if revoked == address => Some(why.clone()),
            _ => None,
        })
    }

    /// Asks the session whether a client may go on with it.
    pub(crate) fn ask(&self, ask: Ask) {
        self.change(|letters| letters.asks.push(ask));
    }

    /// Puts a decision in that does not wait for the session to have room: a client that
    /// acknowledges nothing must not put off the end of its credentials.
    pub(crate) fn renew(&self, renewal: Renewal) {
        self.change(|letters| letters.renewals.push(renewal));
    }

    /// The log of a channel has events for this connection.
    pub(crate) fn tell_news(&self, address: &Address) {
        self.change(|letters| {
            letters.news.insert(address);
        });
    }

    /// Puts best-effort events of one channel in, each in the place of an older one that says the
    /// same thing; so many were replaced before by others of these.
    pub(crate) fn pass(&self, address: &Address, events: &[Arc<Publication>], replaced: u64) {
        self.change(|letters| {
            letters.passing.lose(address, replaced);
            for event in events {
                letters.passing.put(address, event);
            }
            letters.passing.bound(self.passing_bytes);
        });
    }

    /// More best-effort events: see [`Letters::take_passing`].
    pub(crate) fn take_passing(&self, is_behind: bool) -> Option<Passing> {
        self.lock().take_passing(is_behind)
    }

    /// Puts best-effort events of one channel in, none of which replaces another.
    pub(crate) fn pass_batch(&self, address: &Address, batch: &Arc<Batch>) {
        self.change(|letters| {
            letters.passing.put_batch(address, batch);
            letters.passing.bound(self.passing_bytes);
        });
    }

    /// What does not need room in the session.
    pub(crate) fn take_pressing(&self) -> (VecDeque<Command>, Vec<Renewal>, Vec<Ask>) {
        let mut letters = self.lock();
        let Letters { urgent, renewals, asks, .. } = &mut *letters;
        (mem::take(urgent), mem::take(renewals), mem::take(asks))
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
        let mut dropped = mem::replace(&mut *letters, closed);
        drop(letters);
        dropped.item_wakers.take().wake();
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

    fn takes_items(&self, letters: &Letters) -> bool {
        let (count, bytes) = letters.items;
        count < ITEMS && bytes < self.item_bytes
    }

    fn lock(&self) -> MutexGuard<'_, Letters> {
        // No code of the application runs under this lock; nothing is left half done.
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
