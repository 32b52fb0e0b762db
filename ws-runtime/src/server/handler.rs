//! A piece of the application's work: begun where it is asked for, and gone on with in a task only
//! when it waits. Most handlers and decisions are ready at once, and a task for each would cost
//! more than their work.

use crate::answering::handler_failed;
use futures_util::future::BoxFuture;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    task::{Context, Poll, Waker},
};
use tracing::Span;
use ws_proto::Answer;

/// A handler that works on a request; not started yet.
pub(super) struct Handler {
    pub(super) serving: BoxFuture<'static, Answer>,
    pub(super) span: Span,
}

impl Handler {
    /// Lets it run up to where it waits for the first time; `None` when it does.
    pub(super) fn start(&mut self) -> Option<Answer> {
        let Self { serving, span } = self;
        let failed = || Answer::Fault(handler_failed());
        span.in_scope(|| begin(serving, failed))
    }
}

/// Lets it run up to where it waits for the first time. `None` when it does: whoever goes on with
/// it polls it again, which tells it whom to wake.
pub(super) fn begin<T>(work: &mut BoxFuture<'static, T>, failed: impl FnOnce() -> T) -> Option<T> {
    let mut unwoken = Context::from_waker(Waker::noop());
    // A panic is the end of this one piece: the connection and everything else go on.
    match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(&mut unwoken))) {
        Ok(Poll::Ready(result)) => Some(result),
        Ok(Poll::Pending) => None,
        Err(_) => Some(failed()),
    }
}
