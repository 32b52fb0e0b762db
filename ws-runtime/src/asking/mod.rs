//! Calls as their caller sees them, on either side: the builder, the future, and why there is no
//! answer (`docs/protocol.md`, section 7).
//!
//! Knows neither client nor server: each hands calls to its driver through its own [`Line`].

mod calling;
mod error;

pub use calling::{CallBuilder, Calling};
pub use error::CallError;

pub(crate) use calling::Plan;
#[cfg(feature = "client")]
pub(crate) use calling::{Read, outcome, send, unencodable};

use crate::session::{Call, CallId, Reply};
use futures_util::future::BoxFuture;
use std::{fmt, time::Duration};
use tokio::{sync::oneshot, time::Instant};

/// The way from a handle to the driver of its session.
pub(crate) trait Line: fmt::Debug + Send + Sync {
    /// Names the next call.
    fn name(&self) -> CallId;

    /// Hands a call over as soon as there is room; false when nobody takes calls any more.
    fn place(&self, order: CallOrder) -> BoxFuture<'_, bool>;

    /// Nobody waits for the answer to a call that was handed over.
    fn cancel(&self, call: CallId);
}

/// A call on its way to the driver.
#[derive(Debug)]
pub(crate) struct CallOrder {
    pub(crate) call: Box<Call>,
    pub(crate) deadline: Option<Instant>,
    pub(crate) to: oneshot::Sender<Reply>,
}

/// The deadline has passed.
pub(crate) struct Passed;

/// What is left of a deadline, if there is one.
pub(crate) fn remaining(deadline: Option<Instant>) -> Result<Option<Duration>, Passed> {
    let Some(deadline) = deadline else { return Ok(None) };
    let left = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero());
    left.map(Some).ok_or(Passed)
}
