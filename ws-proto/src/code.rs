//! The only home of numbers that travel: close codes and their ranges, and the codes of faults.
//! Specified in `docs/protocol.md`, sections 7 and 10.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a connection was closed: the WebSocket close code.
///
/// The range alone tells a client of any language what to do, see [`CloseCode::advice`]; the
/// named constants are the codes this implementation sends.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct CloseCode(pub u16);

/// What a client does after a close: a function of the code's range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Advice {
    /// Connect again and resume the session.
    Resume,
    /// Connect again; the session is gone.
    FreshSession,
    /// Ask the application for new credentials, then connect again and resume.
    NewCredentials,
    /// Connect again after the delay that the server named, or the usual backoff.
    Delay,
    /// Do not connect again until the application says so.
    Stop,
}

/// One line of the table of close codes.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CloseCodeSpec {
    /// The number.
    pub code: CloseCode,
    /// The name used in documents and logs.
    pub name: &'static str,
    /// What happened, as a sentence for people.
    pub text: &'static str,
}

macro_rules! close_codes {
    ($($(#[doc = $text:literal])+ $name:ident = $code:literal, $snake:literal;)+) => {
        impl CloseCode {
            $($(#[doc = $text])+ pub const $name: Self = Self($code);)+
        }
        /// Every close code of the protocol, ascending.
        pub const CLOSE_CODES: &[CloseCodeSpec] = &[
            $(CloseCodeSpec { code: CloseCode::$name, name: $snake, text: concat!($($text),+) },)+
        ];
    };
}

close_codes! {
    /// The session is over; both sides are content.
    NORMAL = 1000, "normal";
    /// The server stops or restarts.
    DRAINING = 4000, "draining";
    /// Another endpoint serves this client.
    REDIRECT = 4001, "redirect";
    /// The other side was silent for longer than interval and timeout.
    HEARTBEAT_MISSED = 4002, "heartbeat_missed";
    /// Nothing that was written could be delivered for too long.
    TOO_SLOW = 4003, "too_slow";
    /// The sender of this code failed; the other side did nothing wrong.
    INTERNAL = 4005, "internal";
    /// A frame skipped a place in the session stream, or acknowledged one never sent.
    SEQUENCE_FAULT = 4006, "sequence_fault";
    /// The session was kept as long as promised and is gone.
    SESSION_EXPIRED = 4100, "session_expired";
    /// The server forgot the state behind the session.
    STATE_INVALIDATED = 4101, "state_invalidated";
    /// The credentials expired and were not renewed in time.
    TOKEN_EXPIRED = 4200, "token_expired";
    /// The server asked for new credentials and none came.
    AUTHENTICATION_OVERDUE = 4201, "authentication_overdue";
    /// More messages than the announced rate.
    RATE_LIMITED = 4300, "rate_limited";
    /// The server has no room for this connection now.
    OVERLOADED = 4301, "overloaded";
    /// The address or the principal has too many connections.
    TOO_MANY_CONNECTIONS = 4302, "too_many_connections";
    /// The upgrade or the hello took too long.
    HANDSHAKE_TIMEOUT = 4303, "handshake_timeout";
    /// A message that is not an envelope of this protocol.
    MALFORMED = 4500, "malformed";
    /// The first frame was not a hello.
    NO_HELLO = 4501, "no_hello";
    /// A second hello.
    SECOND_HELLO = 4502, "second_hello";
    /// A message larger than the announced limit.
    TOO_LARGE = 4503, "too_large";
    /// A text frame where binary was agreed, or the other way round.
    WRONG_FORMAT = 4504, "wrong_format";
    /// No wire version in common.
    WIRE_VERSION = 4510, "wire_version";
    /// No version of the application's protocol in common: the older side needs an upgrade.
    VERSION = 4511, "version";
    /// The credentials were refused.
    BAD_CREDENTIALS = 4600, "bad_credentials";
    /// The principal may not do this at all.
    FORBIDDEN = 4601, "forbidden";
    /// A refreshed token or a resumed session named another principal.
    PRINCIPAL_CHANGED = 4602, "principal_changed";
    /// The rights were taken away.
    REVOKED = 4603, "revoked";
    /// A newer connection of the same session took over.
    TAKEN_OVER = 4700, "taken_over";
    /// The server's application ended the session.
    KICKED = 4701, "kicked";
    /// The principal logged out.
    LOGGED_OUT = 4702, "logged_out";
}

impl CloseCode {
    /// What a client does after this code. Unknown codes follow their range; codes outside every
    /// range stop.
    ///
    /// ```
    /// use ws_proto::{Advice, CloseCode};
    /// assert_eq!(CloseCode::DRAINING.advice(), Advice::Resume);
    /// assert_eq!(CloseCode(4399).advice(), Advice::Delay);
    /// assert_eq!(CloseCode(1006).advice(), Advice::Resume);
    /// ```
    #[must_use]
    pub const fn advice(self) -> Advice {
        match self.0 {
            1001 | 1005 | 1006 | 1011 | 1012 | 1013 | 4000..=4099 => Advice::Resume,
            4100..=4199 => Advice::FreshSession,
            4200..=4299 => Advice::NewCredentials,
            4300..=4499 => Advice::Delay,
            _ => Advice::Stop,
        }
    }

    /// The name in the table, `None` for a code that is not in it.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        CLOSE_CODES.iter().find(|spec| spec.code == self).map(|spec| spec.name)
    }

    /// Whether this number may stand in a WebSocket close frame (RFC 6455, section 7.4).
    #[must_use]
    pub const fn may_travel(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{} {name}", self.0),
            None => write!(f, "{}", self.0),
        }
    }
}

/// What went wrong with one message, where the framework and not the application says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FaultCode {
    /// The message's type is unknown to the receiver, or not part of the negotiated version.
    Unimplemented,
    /// The message's header or payload is not what its type says.
    Invalid,
    /// Who the sender is could not be established.
    Unauthorized,
    /// The sender may not do this.
    Forbidden,
    /// What the message names does not exist.
    NotFound,
    /// More messages than the announced rate.
    RateLimited,
    /// No room for this message now.
    Overloaded,
    /// The message's `ttl` ran out.
    Deadline,
    /// The sender cancelled the request.
    Cancelled,
    /// The receiver stops and takes no new work.
    Draining,
    /// The answer was larger than a message may be.
    TooLarge,
    /// The receiver failed.
    #[serde(other)]
    Internal,
}

impl FaultCode {
    /// The word that travels.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unimplemented => "unimplemented",
            Self::Invalid => "invalid",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::RateLimited => "rate_limited",
            Self::Overloaded => "overloaded",
            Self::Deadline => "deadline",
            Self::Cancelled => "cancelled",
            Self::Draining => "draining",
            Self::TooLarge => "too_large",
            Self::Internal => "internal",
        }
    }

    /// Every code, in the order of the document.
    pub const ALL: &'static [Self] = &[
        Self::Unimplemented,
        Self::Invalid,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::RateLimited,
        Self::Overloaded,
        Self::Deadline,
        Self::Cancelled,
        Self::Draining,
        Self::TooLarge,
        Self::Internal,
    ];
}

impl fmt::Display for FaultCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether the failed message may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Retry {
    /// Sending it again cannot help.
    Never,
    /// It was not worked on: sending it again is safe.
    Safe,
    /// It was not worked on: send it again after the named delay.
    After,
    /// It may have been worked on.
    #[serde(other)]
    Unknown,
}
