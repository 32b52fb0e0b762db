//! `$auth_required` (`docs/protocol.md`, section 11). `$auth` carries the [`AuthToken`] of a hello,
//! and `$auth_ok` the [`AuthGrant`] of a welcome.
//!
//! [`AuthToken`]: super::AuthToken
//! [`AuthGrant`]: super::AuthGrant

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The credentials have expired, and the connection goes on for a little.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuthRequired {
    /// In milliseconds from now: when the connection is closed with 4200, unless a `$auth` came.
    pub within_ms: u64,
}
