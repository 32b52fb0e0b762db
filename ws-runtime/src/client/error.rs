//! What can become of a subscription and a connection. Each error says whose it is.

use crate::session::Closed;
use ws_proto::{CloseCode, Fault, frame::Reject};

/// Why a subscription does not stand.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The server refused.
    #[error("refused: {0}")]
    Refused(Fault),
    /// The channel's fields make no address.
    #[error(transparent)]
    Address(#[from] ws_proto::AddressError),
    /// This client already listens to the channel: share its subscription.
    #[error("this client already listens to this channel: share its subscription")]
    AlreadySubscribed,
    /// The client was closed, or gave up.
    #[error("the client is closed")]
    Closed,
}

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The address is no WebSocket address, or the transport cannot serve it.
    #[error("cannot connect: {0}")]
    Unreachable(String),
    /// The server, or a proxy before it, answered the upgrade with another HTTP status than 101.
    /// Redirects are not followed.
    #[error("refused with HTTP {status}: {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The first line of what it said, at most 256 characters, without control characters.
        message: String,
    },
    /// The server refused the hello.
    #[error("refused: {}", .0.error)]
    Rejected(Box<Reject>),
    /// The connection ended before the welcome, or the server told us to stay away.
    #[error("closed: {} ({})", .0.code, .0.reason)]
    Closed(Closed),
    /// As many attempts as configured failed.
    #[error("gave up after {attempts} attempts; the last one: {last}")]
    GaveUp {
        /// How many failed in a row.
        attempts: u32,
        /// Why the last one failed.
        last: String,
    },
}

impl ConnectError {
    /// Whether the server speaks another version: this program needs an upgrade, or the server.
    #[must_use]
    pub fn is_version_mismatch(&self) -> bool {
        matches!(self, Self::Rejected(reject) if reject.close == CloseCode::VERSION)
    }
}

/// Where the connection stands; see [`super::Client::state`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ConnState {
    /// An attempt is under way; the first is number 1.
    Connecting {
        /// Attempts in a row, this one included.
        attempt: u32,
    },
    /// Both sides talk.
    Ready {
        /// The negotiated version.
        version: u32,
    },
    /// The connection was lost; the next attempt follows by itself.
    Waiting {
        /// How long.
        delay: std::time::Duration,
        /// Why there is no connection.
        last: String,
    },
    /// The client will not connect by itself any more.
    Closed(Option<ConnectError>),
}
