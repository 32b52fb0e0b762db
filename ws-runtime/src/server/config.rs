//! What a server is told when it is made.

use crate::transport::upgrade::UpgradePolicy;
use std::time::Duration;
use ws_proto::Limits;

/// What a server is told when it is made. Every field has a default that is safe in production.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// The bounds of each connection, announced to its client.
    pub limits: Limits,
    /// Silence after which both sides ask for life; default 30 s, below the idle time of proxies.
    pub heartbeat_interval: Duration,
    /// How long they wait for an answer then; default 10 s.
    pub heartbeat_timeout: Duration,
    /// How long the upgrade, and then the hello, may take; default 5 s each.
    pub handshake_timeout: Duration,
    /// How long a session is kept after its connection was lost; default 120 s. Zero: not at all,
    /// and clients begin anew after every loss.
    pub session_ttl: Duration,
    /// Sessions kept without a connection, at most; default 10,000. Past it a lost connection ends
    /// its session. Each may cost what a connection may.
    pub max_kept_sessions: usize,
    /// Connections at once; default 10,000. Past it the upgrade is answered with HTTP 503.
    pub max_connections: usize,
    /// How long a call of a client waits for its answer unless it says otherwise; default 30 s,
    /// `None` for ever.
    pub call_timeout: Option<Duration>,
    /// Channels whose history is kept; default 100,000. Past it those without subscribers are
    /// forgotten, the least recently published first.
    pub max_logs: usize,
    /// The name of this node, for logs; default `node-1`.
    pub node: String,
    /// Which web pages may connect, and where credentials may stand. The default lets in pages of
    /// the server's own host only.
    pub upgrade: UpgradePolicy,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            heartbeat_interval: Duration::from_secs(30),
            heartbeat_timeout: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(5),
            session_ttl: Duration::from_secs(120),
            max_kept_sessions: 10_000,
            max_connections: 10_000,
            call_timeout: Some(Duration::from_secs(30)),
            max_logs: 100_000,
            node: "node-1".to_owned(),
            upgrade: UpgradePolicy::default(),
        }
    }
}

impl ServerConfig {
    /// Says which value makes no sense, and why.
    ///
    /// # Errors
    ///
    /// A sentence that names the field.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.limits.check().map_err(ConfigError)?;
        let times = [
            ("heartbeat_interval", self.heartbeat_interval),
            ("heartbeat_timeout", self.heartbeat_timeout),
            ("handshake_timeout", self.handshake_timeout),
        ];
        for (name, time) in times {
            if time.is_zero() {
                return Err(ConfigError(format!("{name} must be longer than zero")));
            }
        }
        if self.max_connections == 0 || self.max_logs == 0 {
            return Err(ConfigError("max_connections and max_logs must be at least 1".into()));
        }
        Ok(())
    }
}

/// A value of the configuration makes no sense; the sentence names it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub(crate) String);
