//! Tasks that wait for one thing which several of them may wait for at once.

use std::task::{Context, Waker};

/// At most `BOUND` of them: more is a loop that leaks, and its oldest is woken to ask again.
#[derive(Default)]
pub(crate) struct Wakers<const BOUND: usize>(Vec<Waker>);

impl<const BOUND: usize> Wakers<BOUND> {
    /// Remembers whom to wake, once.
    pub(crate) fn remember(&mut self, cx: &Context<'_>) {
        if !self.0.iter().any(|waker| waker.will_wake(cx.waker())) {
            if self.0.len() == BOUND {
                self.0.remove(0).wake();
            }
            self.0.push(cx.waker().clone());
        }
    }

    /// Those who wait, to be woken when no lock is held.
    #[must_use]
    pub(crate) fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    /// Wakes them all.
    pub(crate) fn wake(self) {
        self.0.into_iter().for_each(Waker::wake);
    }
}
