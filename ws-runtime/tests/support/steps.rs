//! Turns of the runtime, counted.

use std::{future::poll_fn, task::Poll};

/// Lets what is ready run a number of times, unlike `yield_now`, which waits until all rest.
pub(crate) async fn steps(count: usize) {
    for _ in 0..count {
        let mut has_run = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut has_run, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}
