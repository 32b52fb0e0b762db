//! The error that the framework answers, and text that must not be seen.

use crate::code::{FaultCode, Retry};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

/// A fault of one message: the payload of `$err` (`docs/protocol.md`, section 7).
///
/// A typed error of the application (`join.err`) is not a fault: it is an answer.
///
/// ```
/// use ws_proto::{Fault, FaultCode, Retry};
/// let fault = Fault::forbidden("not a member of this room");
/// assert_eq!((fault.code, fault.retry), (FaultCode::Forbidden, Retry::Never));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, thiserror::Error)]
#[error("{code}: {message}")]
#[non_exhaustive]
pub struct Fault {
    /// What went wrong, for programs.
    pub code: FaultCode,
    /// What went wrong and what to do, for people.
    pub message: String,
    /// Whether the message may be sent again.
    pub retry: Retry,
    /// With `retry: after`: the delay, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_ms: Option<u64>,
    /// Facts about the fault, by name (`limit`, `since`, ..).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<String, String>,
}

impl Fault {
    /// A fault with the retry verdict that follows from its code.
    #[must_use]
    pub fn new(code: FaultCode, message: impl Into<String>) -> Self {
        let retry = match code {
            FaultCode::RateLimited => Retry::After,
            FaultCode::Overloaded | FaultCode::Draining => Retry::Safe,
            FaultCode::Deadline | FaultCode::Cancelled | FaultCode::Internal => Retry::Unknown,
            _ => Retry::Never,
        };
        Self { code, message: message.into(), retry, after_ms: None, details: BTreeMap::new() }
    }

    /// The sender may not do this.
    #[must_use]
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(FaultCode::Forbidden, message)
    }

    /// Who the sender is could not be established.
    #[must_use]
    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(FaultCode::Unauthorized, message)
    }

    /// The message's header or payload is not what its type says.
    #[must_use]
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(FaultCode::Invalid, message)
    }

    /// What the message names does not exist.
    #[must_use]
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(FaultCode::NotFound, message)
    }

    /// The receiver failed.
    #[must_use]
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(FaultCode::Internal, message)
    }

    /// The same fault with another retry verdict.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// The same fault, to be tried again after a delay.
    #[must_use]
    pub fn after_ms(mut self, after_ms: u64) -> Self {
        self.retry = Retry::After;
        self.after_ms = Some(after_ms);
        self
    }

    /// The same fault with one more fact.
    #[must_use]
    pub fn detail(mut self, name: impl Into<String>, value: impl fmt::Display) -> Self {
        self.details.insert(name.into(), value.to_string());
        self
    }
}

/// Text that travels but is never shown: tokens and tickets. Its `Debug` is `Secret(..)`.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Keeps a text from being shown.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself; do not log it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}
