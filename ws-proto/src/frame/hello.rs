//! `$hello` (`docs/protocol.md`, section 4).

use crate::{fault::Secret, version::VersionRange};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The client's first frame, within 5 s of the upgrade.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hello {
    /// The name of the application's protocol.
    pub protocol: String,
    /// The versions of it that the client speaks.
    pub version: VersionRange,
    /// A hash of the contract that the client was built from; a difference is logged.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fingerprint: String,
    /// What the client is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientInfo>,
    /// Who the client is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<AuthToken>,
    /// The session to go on with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<Resume>,
    /// Optional behaviour that the client understands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caps: Vec<String>,
    /// What the client can take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<ClientLimits>,
}

impl Hello {
    /// Who speaks the versions of a protocol, and says nothing else: without credentials, for a new
    /// session. The other fields are public.
    #[must_use]
    pub fn new(protocol: impl Into<String>, version: VersionRange) -> Self {
        Self {
            protocol: protocol.into(),
            version,
            fingerprint: String::new(),
            client: None,
            auth: None,
            resume: None,
            caps: Vec::new(),
            limits: None,
        }
    }
}

/// What a client is, for logs and statistics.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClientInfo {
    /// The name of the client software.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// A bearer token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuthToken {
    /// Opaque to the framework; never logged.
    pub token: Secret,
}

/// The session that a client wants to go on with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Resume {
    /// The session's id, from the last welcome.
    pub session: String,
    /// The right to resume it, from the last welcome; used once.
    pub ticket: Secret,
    /// The highest `seq` of the server below which nothing is missing.
    pub recv: u64,
}

/// What a client can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClientLimits {
    /// Bytes of one message.
    pub max_frame: u32,
    /// Unacknowledged events of one subscription.
    pub window: u32,
}
