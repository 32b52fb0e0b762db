//! Where the conversation stands. Only this file writes the state.
//!
//! ```text
//!            connect                $welcome
//!   Idle ──────────────▶ Greeting ───────────▶ Open ──────▶ Draining
//!    ▲                      │                    │              │
//!    │ (client)             │ $reject, too late  │ fault, close, lost
//!    └──────────── Over ◀── Closing ◀────────────┴──────────────┘
//!                             ▲
//!   Expecting ──$hello──▶ Deciding ──accept──▶ Open             (server)
//! ```
//!
//! `Closing` waits until `$close` was taken by the driver; `Over` is the end of a connection. A
//! client's session may connect again, a server's ends here.

use super::{Time, event::Closed};

#[derive(Clone, Debug)]
pub(super) enum State {
    /// Client: no connection.
    Idle,
    /// Client: the hello is sent.
    Greeting { until: Time },
    /// Server: the hello is awaited.
    Expecting { until: Time },
    /// Server: the application decides about the hello.
    Deciding { version: u32 },
    /// Both sides talk.
    Open { version: u32 },
    /// Server: no new requests.
    Draining { version: u32, until: Time, closed: Box<Closed> },
    /// `$close` or `$reject` is on its way out.
    Closing { closed: Box<Closed> },
    /// The connection is over.
    Over,
}

impl State {
    /// Whether application frames may travel.
    pub(super) const fn is_open(&self) -> bool {
        matches!(self, Self::Open { .. } | Self::Draining { .. })
    }

    /// Whether there is a connection that frames of the peer can come from.
    pub(super) const fn is_connected(&self) -> bool {
        !matches!(self, Self::Idle | Self::Closing { .. } | Self::Over)
    }

    /// Whether the connection is over or about to be.
    pub(super) const fn is_ending(&self) -> bool {
        matches!(self, Self::Closing { .. } | Self::Over)
    }

    /// The negotiated version, once there is one.
    pub(super) const fn version(&self) -> Option<u32> {
        match self {
            Self::Open { version } | Self::Draining { version, .. } => Some(*version),
            _ => None,
        }
    }

    /// The deadline of the state itself.
    pub(super) const fn until(&self) -> Option<Time> {
        match self {
            Self::Greeting { until } | Self::Expecting { until } | Self::Draining { until, .. } => {
                Some(*until)
            }
            _ => None,
        }
    }

    pub(super) fn greet(&mut self, until: Time) {
        *self = Self::Greeting { until };
    }

    pub(super) fn decide(&mut self, version: u32) {
        *self = Self::Deciding { version };
    }

    pub(super) fn open(&mut self, version: u32) {
        *self = Self::Open { version };
    }

    pub(super) fn drain(&mut self, until: Time, closed: Closed) {
        if let Self::Open { version } = *self {
            *self = Self::Draining { version, until, closed: Box::new(closed) };
        }
    }

    pub(super) fn close(&mut self, closed: Closed) {
        *self = Self::Closing { closed: Box::new(closed) };
    }

    /// Leaves `Closing`, with what there is to tell.
    pub(super) fn finish(&mut self) -> Option<Closed> {
        if !matches!(self, Self::Closing { .. }) {
            return None;
        }
        match std::mem::replace(self, Self::Over) {
            Self::Closing { closed } => Some(*closed),
            _ => None,
        }
    }
}
