//! What a server is told when it is made.

use crate::transport::upgrade::UpgradePolicy;
use std::time::Duration;
use ws_proto::Limits;

/// What a server is told when it is made. Every field has a default that is safe in production.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// The bounds of each connection, announced to its client.
    pub limits: Limits,
    /// Silence after which the server asks for life; default 30 s, below the idle time of proxies.
    /// For each client it is something between nine tenths of it and all of it, so that those who
    /// connected together are not asked all at once. The client is told to ask a little later.
    pub heartbeat_interval: Duration,
    /// How long it waits for an answer then; default 10 s. Both sides notice a lost connection
    /// within the sum.
    pub heartbeat_timeout: Duration,
    /// How long the upgrade, and then the hello, may take; default 5 s each.
    pub handshake_timeout: Duration,
    /// How long the application may take to authenticate a client, to authorize what it asks, and
    /// to make the snapshot of a channel; default 10 s each. Past it: no.
    pub decision_timeout: Duration,
    /// How long credentials that expire count beyond that, so that the client can bring others;
    /// default 25 s. Past it: 4200. Zero: they end when they say.
    pub auth_grace: Duration,
    /// How long a session is kept after its connection was lost; default 120 s. Zero: not at all,
    /// and clients begin anew after every loss.
    pub session_ttl: Duration,
    /// Sessions kept without a connection, at most; default 10,000. Past it a lost connection ends
    /// its session. Each may cost what a connection may.
    pub max_kept_sessions: usize,
    /// Connections at once, from the moment that each is accepted until its goodbye is over;
    /// default 10,000. Past it a few are answered with HTTP 503, and the others dropped. A server
    /// that is mounted into another one counts from the upgrade on: what comes before it is that
    /// server's.
    pub max_connections: usize,
    /// Connections at once from one IPv4 address, or one IPv6 network of 64 bits; default 256. Past
    /// it the same, with HTTP 429. `None` where everybody comes through the same proxy, which then
    /// has to count.
    pub max_connections_per_address: Option<usize>,
    /// Sessions of one principal at once, those without a connection included; default 64. Past it
    /// a new one takes the place of the one that has been without a connection for longest; where
    /// each has one, the client is refused with 4301. A principal type that holds nothing, as `()`,
    /// is not one person and has no such bound.
    pub max_sessions_per_principal: Option<usize>,
    /// How long a call of a client waits for its answer unless it says otherwise; default 30 s,
    /// `None` for ever.
    pub call_timeout: Option<Duration>,
    /// How long the answer to a request declared `dedup` is kept under its key; default 5 min. At
    /// least `session_ttl` and `longest_ttl` together, so that whoever asks again finds it.
    pub dedup_window: Duration,
    /// The longest `ttl` of a request declared `dedup`; default 2 min. Past it, or without one, the
    /// request is refused as invalid.
    pub longest_ttl: Duration,
    /// Kept answers, at most; default 100,000. Past it further requests of that kind are refused:
    /// no answer is forgotten before its time.
    pub max_results: usize,
    /// Bytes of kept answers, at most; default 64 MiB. A request that is worked on counts as the
    /// largest message until it is answered.
    pub max_result_bytes: usize,
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
            decision_timeout: Duration::from_secs(10),
            auth_grace: Duration::from_secs(25),
            session_ttl: Duration::from_secs(120),
            max_kept_sessions: 10_000,
            max_connections: 10_000,
            max_connections_per_address: Some(256),
            max_sessions_per_principal: Some(64),
            call_timeout: Some(Duration::from_secs(30)),
            dedup_window: Duration::from_secs(300),
            longest_ttl: Duration::from_secs(120),
            max_results: 100_000,
            max_result_bytes: 64 * 1024 * 1024,
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
            ("decision_timeout", self.decision_timeout),
        ];
        for (name, time) in times {
            if time.is_zero() {
                return Err(ConfigError(format!("{name} must be longer than zero")));
            }
        }
        if self.max_connections == 0 || self.max_logs == 0 {
            return Err(ConfigError("max_connections and max_logs must be at least 1".into()));
        }
        let per_key = [
            ("max_connections_per_address", self.max_connections_per_address),
            ("max_sessions_per_principal", self.max_sessions_per_principal),
        ];
        if let Some((name, _)) = per_key.iter().find(|(_, most)| *most == Some(0)) {
            return Err(ConfigError(format!("{name} must be at least 1, or `None` for no bound")));
        }
        Ok(())
    }

    /// The same for a server that keeps the answers of its `dedup` requests.
    pub(super) fn check_dedup(&self) -> Result<(), ConfigError> {
        let Self { dedup_window, session_ttl, longest_ttl, .. } = self;
        let needed = session_ttl.saturating_add(*longest_ttl);
        if *dedup_window < needed {
            return Err(ConfigError(format!(
                "dedup_window is {dedup_window:?}, and must be at least session_ttl ({session_ttl:?}) \
                 and longest_ttl ({longest_ttl:?}) together: a client that asks again would find \
                 its answer gone, and be served twice"
            )));
        }
        if self.max_results == 0 || self.max_result_bytes < 2 * self.limits.max_frame {
            let text = "max_results must be at least 1, and max_result_bytes two messages";
            return Err(ConfigError(text.into()));
        }
        Ok(())
    }
}

/// A value of the configuration makes no sense; the sentence names it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub(crate) String);
