//! What can become of a call. The error says whose it is and whether the other side may have acted.

use crate::session::Outcome;
use ws_proto::{Fault, Retry};

/// Why a call has no successful answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError<E> {
    /// The application's own answer: the typed error of the request.
    #[error("rejected: {0:?}")]
    Rejected(E),
    /// The negotiated version does not have this request; nothing was sent.
    #[error("`{kind}` is not part of version {negotiated}, which both sides speak")]
    Unsupported {
        /// The request.
        kind: &'static str,
        /// The first version that has it.
        since: u32,
        /// The negotiated version.
        negotiated: u32,
    },
    /// A fault of the framework, here or at the other side.
    #[error("{0}")]
    Fault(Fault, Outcome),
    /// The time that the caller gave ran out.
    #[error("no answer in time")]
    Timeout(Outcome),
    /// The session was lost, or closed here.
    #[error("the connection was lost")]
    Disconnected(Outcome),
    /// The answer is not what its type says: the other side was built from another contract.
    #[error("the answer could not be read: {0}")]
    Undecodable(String),
}

impl<E> CallError<E> {
    /// Whether the other side may have acted.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        match self {
            Self::Rejected(_) | Self::Undecodable(_) => Outcome::Processed,
            Self::Unsupported { .. } => Outcome::NotSent,
            Self::Fault(_, outcome) | Self::Timeout(outcome) | Self::Disconnected(outcome) => {
                *outcome
            }
        }
    }

    /// The same, after an attempt that may have had an effect.
    pub(crate) fn after(self, may_have_run: bool) -> Self {
        let known = |outcome| match outcome {
            Outcome::NotSent | Outcome::NotProcessed if may_have_run => Outcome::Unknown,
            outcome => outcome,
        };
        match self {
            Self::Fault(fault, outcome) => Self::Fault(fault, known(outcome)),
            Self::Timeout(outcome) => Self::Timeout(known(outcome)),
            Self::Disconnected(outcome) => Self::Disconnected(known(outcome)),
            other => other,
        }
    }

    /// Whether the same request may be sent again without harm to anything but time.
    pub(crate) fn is_worth_retrying(&self, may_run_twice: bool) -> bool {
        let may = match self.outcome() {
            Outcome::NotSent | Outcome::NotProcessed => true,
            Outcome::Unknown => may_run_twice,
            Outcome::Processed => false,
        };
        match self {
            Self::Fault(fault, _) => may && fault.retry != Retry::Never,
            Self::Disconnected(_) => may,
            _ => false,
        }
    }
}
