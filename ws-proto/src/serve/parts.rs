//! The parts of an upload, as its handler reads them (`docs/protocol.md`, section 7).

use super::{Cancelled, Link};
use crate::{code::Retry, fault::Fault, message::Payload, raw::Raw};
use std::{fmt, future::poll_fn, sync::Arc};

/// The parts of an upload, in the order sent. Reading them is what makes more of them come: the
/// caller is asked for the first ones by the first read.
pub struct Parts<T> {
    link: Arc<dyn Link>,
    read: fn(&Raw) -> Result<T, crate::DecodeError>,
    is_over: bool,
}

/// Why an upload ends before its end. Whatever the handler answers then is dropped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Broken {
    /// Nobody waits for the answer any more: the caller cancelled or is gone, the deadline passed,
    /// or its parts found no room.
    #[error("the upload was cancelled")]
    Cancelled,
    /// A part is not what its type says. The caller is answered `$err invalid` when the handler
    /// returns.
    #[error("a part of the upload could not be read: {0}")]
    Invalid(String),
}

impl From<Cancelled> for Broken {
    fn from(_: Cancelled) -> Self {
        Self::Cancelled
    }
}

impl<T: Payload> Parts<T> {
    pub(super) fn new(link: Arc<dyn Link>) -> Self {
        Self { link, read: T::from_raw, is_over: false }
    }
}

impl<T> Parts<T> {
    /// The next part; `None` when the caller sent the last one. A broken upload is said once, and
    /// then there is nothing more.
    pub async fn next(&mut self) -> Option<Result<T, Broken>> {
        if self.is_over {
            return None;
        }
        let part = poll_fn(|cx| self.link.poll_part(cx)).await;
        let read = part.map(|raw| (self.read)(&raw?).map_err(|error| self.refuse(&error)));
        self.is_over = !matches!(read, Some(Ok(_)));
        read
    }

    fn refuse(&self, error: &crate::DecodeError) -> Broken {
        let text = error.to_string();
        // The parts before it were worked on.
        let fault = Fault::invalid(format!("a part of the upload: {text}"));
        self.link.refuse_part(fault.retry(Retry::Unknown));
        Broken::Invalid(text)
    }
}

impl<T> fmt::Debug for Parts<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Parts")
    }
}
