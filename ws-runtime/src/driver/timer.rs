//! When a connection is to come back without anything having happened.

use super::Clock;
use crate::session::{Session, Time};
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Waker},
    time::Duration,
};
use tokio::time::{Sleep, sleep_until};

/// How much too early a timer may fire, so that it is not moved with each message.
const SLACK: Duration = Duration::from_secs(1);

/// One timer per connection, for the session's earliest deadline.
pub(super) struct Timer {
    clock: Clock,
    at: Option<Time>,
    /// Whom it wakes.
    task: Option<Waker>,
    /// Nothing of the session was due before it when the session was last asked.
    is_first: bool,
    sleep: Pin<Box<Sleep>>,
}

impl Timer {
    pub(super) fn new(clock: Clock) -> Self {
        let sleep = Box::pin(sleep_until(clock.start));
        Self { clock, at: None, task: None, is_first: false, sleep }
    }

    /// Whether it is set for what is due first, and that is still to come. A turn that only
    /// delivers leaves it so, and need not ask the session.
    pub(super) fn stands(&self, cx: &Context<'_>, session: &Session, now: Time) -> bool {
        self.is_first && !session.is_stirred() && self.at > Some(now) && self.wakes(cx)
    }

    /// Remembers to come back for what the session says is due, if that is after this moment, which
    /// is the same for the whole turn: a clock that runs on must not keep the turn from ending.
    /// Called when everything is written, since most deadlines end with that.
    pub(super) fn arm(&mut self, cx: &mut Context<'_>, due: Option<Time>, now: Time) {
        // What is still due needs an output to be taken first.
        let due = due.filter(|due| *due > now);
        self.is_first = due.is_some();
        let Some(due) = due else { return };
        // Most deadlines move away before they come. A little too early, the timer only asks again;
        // to move it further away costs less than to be woken for nothing.
        if self.at.is_none_or(|at| at > due || due - at >= SLACK) {
            self.at = Some(due);
            self.sleep.as_mut().reset(self.clock.instant(due));
        } else if self.at > Some(now) && self.wakes(cx) {
            return;
        }
        self.task = Some(cx.waker().clone());
        if self.sleep.as_mut().poll(cx).is_ready() {
            self.at = None;
            cx.waker().wake_by_ref();
        }
    }

    fn wakes(&self, cx: &Context<'_>) -> bool {
        self.task.as_ref().is_some_and(|task| task.will_wake(cx.waker()))
    }
}
