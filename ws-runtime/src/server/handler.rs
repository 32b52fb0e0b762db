//! A handler of the application at work on one request.

use futures_util::future::BoxFuture;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    task::{Context, Poll, Waker},
};
use tracing::Span;
use ws_proto::{Answer, Fault};

/// A handler that works on a request; not started yet.
pub(super) struct Handler {
    pub(super) serving: BoxFuture<'static, Answer>,
    pub(super) span: Span,
}

impl Handler {
    /// Lets it run up to where it waits for the first time. Most handlers answer before that, and a
    /// task for each would cost more than their work. `None` when it waits: whoever goes on with it
    /// polls it again, which tells it whom to wake.
    pub(super) fn start(&mut self) -> Option<Answer> {
        let Self { serving, span } = self;
        let mut unwoken = Context::from_waker(Waker::noop());
        // A panic is the answer of this one request: the connection and its others go on.
        let poll = || span.in_scope(|| serving.as_mut().poll(&mut unwoken));
        match catch_unwind(AssertUnwindSafe(poll)) {
            Ok(Poll::Ready(answer)) => Some(answer),
            Ok(Poll::Pending) => None,
            Err(_) => Some(Answer::Fault(Fault::internal("the handler failed"))),
        }
    }
}
