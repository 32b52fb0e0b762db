//! The queue between the connection and one subscription.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};
use ws_proto::{Raw, frame::Unsubscribed};

/// Best-effort events that wait for a slow application; past it the oldest are dropped.
const PASSING_EVENTS: usize = 256;

/// The queue of one subscription. Bounded by its window where events are acknowledged; where they
/// are not, the oldest are dropped and counted.
#[derive(Debug, Default)]
pub(super) struct Feed {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    items: VecDeque<Item>,
    dropped: u64,
    ended: bool,
    waker: Option<Waker>,
}

/// What a subscription is told.
#[derive(Clone, Debug)]
pub(super) enum Item {
    Event {
        kind: String,
        off: Option<u64>,
        payload: Raw,
    },
    Gap(super::Gap, Option<u64>),
    /// A gap behind which the subscription goes on from this state.
    Snapshot(super::Gap, Option<u64>, Raw),
    /// Events up to this position are not part of the negotiated version: nothing is missing.
    Skipped(u64),
    Live,
    Ended(Unsubscribed),
}

impl Feed {
    /// How many items wait.
    pub(super) fn len(&self) -> usize {
        self.lock().items.len()
    }

    pub(super) fn push(&self, item: Item) {
        self.change(|state| state.items.push_back(item));
    }

    /// An event that may be dropped.
    pub(super) fn pass(&self, item: Item) {
        self.change(|state| {
            if state.items.len() >= PASSING_EVENTS {
                state.items.pop_front();
                state.dropped += 1;
            }
            state.items.push_back(item);
        });
    }

    /// Nothing more will come.
    pub(super) fn end(&self) {
        self.change(|state| state.ended = true);
    }

    /// The next item; `None` when nothing more will come.
    pub(super) fn poll(&self, cx: &Context<'_>) -> Poll<Option<Item>> {
        let mut state = self.lock();
        if state.dropped > 0 {
            let dropped = std::mem::take(&mut state.dropped);
            return Poll::Ready(Some(Item::Gap(super::Gap::Dropped(dropped), None)));
        }
        if let Some(item) = state.items.pop_front() {
            return Poll::Ready(Some(item));
        }
        if state.ended {
            return Poll::Ready(None);
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
