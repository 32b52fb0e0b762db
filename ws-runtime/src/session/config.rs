//! What a session is told when it is made.

use std::time::Duration;
use ws_proto::{Limits, Protocol, RequestSet, RequestSpec, VersionRange};

/// Which end of the conversation a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The end that connects and greets.
    Client,
    /// The end that takes clients in.
    Server,
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Client => "client",
            Self::Server => "server",
        })
    }
}

/// The facts about the application's protocol that the session acts on.
#[derive(Clone, Debug)]
pub struct Contract {
    /// The name.
    pub name: &'static str,
    /// The versions spoken by this build.
    pub versions: VersionRange,
    /// The requests that this side serves.
    pub requests: &'static [RequestSpec],
}

impl Contract {
    /// The facts of a protocol for its server. A client serves other requests: the callbacks, if
    /// its application answers them, or none.
    #[must_use]
    pub fn of<P: Protocol>() -> Self {
        Self { name: P::NAME, versions: P::versions(), requests: P::Requests::SPECS }
    }

    /// The request of this `type`, and its place among them.
    pub(super) fn request(&self, kind: &str) -> Option<(usize, &'static RequestSpec)> {
        self.requests.iter().enumerate().find(|(_, spec)| spec.kind == kind)
    }
}

/// What a session is told when it is made.
#[derive(Clone, Debug)]
pub struct Config {
    /// The application's protocol.
    pub contract: Contract,
    /// Every bound.
    pub limits: Limits,
    /// Silence after which we ask for life; default 30 s. The server's choice: a client follows
    /// the welcome.
    pub heartbeat_interval: Duration,
    /// Server: how much longer its clients are told to wait before they ask, and how much shorter
    /// for the answer; default zero. The server asks first then, and its question is life for both.
    pub heartbeat_lag: Duration,
    /// Server: asks when the time is a multiple of this, at the last one within the interval, so
    /// that sessions that share a clock ask together; default zero: each at its own moment.
    pub heartbeat_step: Duration,
    /// How long we wait for an answer then; default 10 s. Both sides notice a lost connection
    /// within the sum.
    pub heartbeat_timeout: Duration,
    /// How long the peer may take to greet, and to answer a greeting; default 5 s.
    pub handshake_timeout: Duration,
    /// Server: how long credentials count after they have expired, so that the client can bring
    /// others; default 25 s. Past it: 4200.
    pub auth_grace: Duration,
    /// A hash of the contract, for the handshake; empty when nobody looks.
    pub fingerprint: String,
    /// The wall clock at [`super::Time::ZERO`], in milliseconds since the Unix epoch: for `ts`.
    pub wall_ms: u64,
    /// Makes the ids; no two sessions may share one.
    pub seed: u64,
}

impl Config {
    /// The defaults of `docs/protocol.md`, sections 9 and 12.
    #[must_use]
    pub fn new(contract: Contract) -> Self {
        Self {
            contract,
            limits: Limits::default(),
            heartbeat_interval: Duration::from_secs(30),
            heartbeat_lag: Duration::ZERO,
            heartbeat_step: Duration::ZERO,
            heartbeat_timeout: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(5),
            auth_grace: Duration::from_secs(25),
            fingerprint: String::new(),
            wall_ms: 0,
            seed: 0,
        }
    }
}
