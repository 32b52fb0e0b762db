//! What the connections of one run have in common.

use crate::servers::Outcome;
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};
use tokio::sync::Notify;

/// Counts, and remembers what went wrong.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// Answers or deliveries so far.
    pub(crate) count: Cell<u64>,
    /// Who waits for the count is told when it reaches this.
    pub(crate) goal: Cell<u64>,
    /// Microseconds, where each is measured.
    pub(crate) times: RefCell<Vec<f64>>,
    pub(crate) reached: Notify,
    failure: RefCell<Option<String>>,
}

impl Meter {
    /// Adds to the count.
    pub(crate) fn add(&self, more: u64) {
        let count = self.count.get() + more;
        self.count.set(count);
        if count >= self.goal.get() && count - more < self.goal.get() {
            self.reached.notify_one();
        }
    }

    /// Waits until the count is at least this.
    pub(crate) async fn reach(&self, goal: u64) {
        self.goal.set(goal);
        while self.count.get() < goal && self.failure.borrow().is_none() {
            self.reached.notified().await;
        }
    }

    /// Runs a connection, and keeps its mistake.
    pub(crate) async fn watch(this: Rc<Self>, connection: impl Future<Output = Outcome>) {
        if let Err(error) = connection.await {
            this.failure.borrow_mut().get_or_insert(error.to_string());
            this.reached.notify_one();
        }
    }

    /// Fails where a connection did: its numbers mean nothing then.
    pub(crate) fn check(&self) -> Outcome {
        match self.failure.borrow().as_deref() {
            Some(failure) => Err(failure.into()),
            None => Ok(()),
        }
    }

    /// The value below which this share of all lies; 0 where there are none.
    pub(crate) fn quantile(values: &[f64], share: f64) -> f64 {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = (sorted.len().saturating_sub(1) as f64 * share).round() as usize;
        sorted.get(at).copied().unwrap_or_default()
    }
}
