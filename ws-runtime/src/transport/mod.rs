//! What moves whole messages between two sessions (`docs/protocol.md`, section 1).
//!
//! [`memory`] is for tests and for two sessions in one process; [`tungstenite`] speaks WebSocket
//! over any byte stream; [`upgrade`] turns an HTTP request into one; [`connect`] asks a server for
//! one. [`suite`] is what every transport has to pass.

#[cfg(feature = "net")]
mod ahead;
#[cfg(feature = "net")]
mod bell;
#[cfg(feature = "client")]
pub mod connect;
pub mod memory;
#[cfg(feature = "suite")]
pub mod suite;
#[cfg(feature = "net")]
mod plain;
#[cfg(feature = "net")]
pub mod tungstenite;
#[cfg(feature = "server")]
pub mod upgrade;
#[cfg(feature = "net")]
mod wire;

use bytes::Bytes;
use std::task::{Context, Poll};
use ws_proto::{Batch, CloseCode, Format};

/// One end of a connection: whole messages in, whole messages out.
///
/// A driver owns it, and one task makes every call. The polls are separate, so that one loop reads
/// all that is ready, queues all answers, and flushes once.
///
/// - **Order.** Messages arrive in the order of [`Transport::start_send`]. A close that the peer
///   sent arrives after every message that it queued before.
/// - **Atomicity.** A message arrives whole or not at all, as one [`Received::Message`], in the
///   agreed format. What is not whole is never shown.
/// - **Delivery.** None is promised. `start_send` queues; [`Transport::poll_flush`] hands over to
///   the operating system, which says nothing about the peer. Acknowledgements are the session's.
/// - **Bounds.** [`Transport::poll_ready`] is pending while the queue holds `write_buffer` bytes or
///   more; past it the queue never grows by more than the one message that readiness allowed and
///   by answers of the transport itself (4 KiB at most). A message that arrives is never longer
///   than `max_frame`, and nothing is allocated past that, whatever length was declared.
/// - **End.** [`Received::Closed`], [`Received::Lost`], [`Received::TooLarge`] and
///   [`Received::Malformed`] are the last thing that is received; afterwards `poll_recv` answers
///   `Lost` at once. `WrongKind` is not the end. After `TooLarge` and `Malformed` messages can still
///   be sent, so that the session says why it ends; then [`Transport::poll_close`] says it too.
/// - **Wakes.** A pending poll wakes the task of its last call. Dropping a transport drops the
///   connection: the peer sees `Lost`.
pub trait Transport: Send {
    /// The format that the two sides agreed on.
    fn format(&self) -> Format;

    /// The next thing that came from the peer.
    ///
    /// Protocol-level pings are answered by the transport; the answer leaves with the next receive
    /// or flush.
    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Received>;

    /// Whether there is room for one more message.
    ///
    /// # Errors
    ///
    /// [`Lost`] when nothing can be sent any more.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>>;

    /// Queues one message. Call it after `poll_ready` was ready, once for each time; a JSON message
    /// is UTF-8.
    ///
    /// # Errors
    ///
    /// [`Lost`] when nothing can be sent any more.
    fn start_send(&mut self, message: &[u8]) -> Result<(), Lost>;

    /// Queues a batch in the place of one message: its events are together no more bytes than one
    /// may have.
    ///
    /// # Errors
    ///
    /// [`Lost`] when nothing can be sent any more.
    fn start_send_batch(&mut self, batch: &Batch) -> Result<(), Lost> {
        let format = self.format();
        batch.events().iter().try_for_each(|event| self.start_send(event.bytes(format)))
    }

    /// Hands everything that is queued to the operating system. It may be called at any time, also
    /// while closing.
    ///
    /// # Errors
    ///
    /// [`Lost`] when it cannot be delivered any more.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>>;

    /// Sends what is queued and a close frame, then waits until the peer closes too. Ready when
    /// nothing is left to do; whoever does not want to wait drops the transport.
    ///
    /// The first call decides code and reason. A reason is cut to 123 bytes; a code that may not
    /// travel (see [`CloseCode::may_travel`]) and `None` send a frame without a code. After
    /// [`Received::Malformed`] the code that WebSocket demands is sent instead. Messages that still
    /// arrive are dropped.
    fn poll_close(&mut self, cx: &mut Context<'_>, close: Option<(CloseCode, &str)>) -> Poll<()>;

    /// Bytes that are queued and not handed over. A driver that sees it stay above zero knows that
    /// the peer does not read.
    fn unwritten(&self) -> usize;
}

impl<T: Transport + ?Sized> Transport for Box<T> {
    fn format(&self) -> Format {
        (**self).format()
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Received> {
        (**self).poll_recv(cx)
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        (**self).poll_ready(cx)
    }

    fn start_send(&mut self, message: &[u8]) -> Result<(), Lost> {
        (**self).start_send(message)
    }

    fn start_send_batch(&mut self, batch: &Batch) -> Result<(), Lost> {
        (**self).start_send_batch(batch)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        (**self).poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>, close: Option<(CloseCode, &str)>) -> Poll<()> {
        (**self).poll_close(cx, close)
    }

    fn unwritten(&self) -> usize {
        (**self).unwritten()
    }
}

/// What came from the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// One whole message in the agreed format. It is not decoded yet.
    Message(Bytes),
    /// A text message where binary was agreed, or the other way round.
    WrongKind,
    /// A message longer than `max_frame` was announced or begun. Nothing of it was kept. Last.
    TooLarge,
    /// The bytes are not WebSocket. Last.
    Malformed {
        /// What WebSocket demands as the answer: 1002 for the framing, 1007 for text that is not
        /// UTF-8. [`Transport::poll_close`] sends it.
        code: CloseCode,
        /// What was wrong, for logs. It holds nothing that the peer wrote.
        what: String,
    },
    /// A protocol-level ping or pong: it counts as life and towards the rate.
    Activity,
    /// The peer said goodbye. Last.
    Closed {
        /// Its code; `None` when its close frame had none.
        code: Option<CloseCode>,
        /// Its reason, at most 123 bytes, as the peer wrote it.
        reason: String,
    },
    /// The connection ended without a goodbye; why, for logs. Last.
    Lost(String),
}

impl Received {
    /// Whether nothing follows.
    #[cfg(feature = "net")]
    pub(crate) const fn is_last(&self) -> bool {
        match self {
            Self::TooLarge | Self::Malformed { .. } | Self::Closed { .. } | Self::Lost(_) => true,
            Self::Message(_) | Self::WrongKind | Self::Activity => false,
        }
    }
}

/// Nothing can be sent any more; why, for logs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the connection is gone: {0}")]
pub struct Lost(pub String);

/// What stands in a close frame: a code that may travel, and as much of the reason as fits.
fn closing_words(close: Option<(CloseCode, &str)>) -> Option<(CloseCode, &str)> {
    // A control frame holds 125 bytes, and the code takes two.
    const REASON: usize = 123;
    let (code, reason) = close.filter(|(code, _)| code.may_travel())?;
    let cut = (0..=REASON.min(reason.len())).rev().find(|end| reason.is_char_boundary(*end))?;
    Some((code, &reason[..cut]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let reason = "é".repeat(80);
        let (_, cut) = closing_words(Some((CloseCode::KICKED, &reason))).unwrap();
        assert_eq!(cut, "é".repeat(61));
    }

    #[test]
    fn a_code_that_may_not_travel_is_left_out() {
        for code in [0, 999, 1004, 1005, 1006, 1015, 2999, 5000] {
            assert_eq!(closing_words(Some((CloseCode(code), "why"))), None, "{code}");
        }
    }
}
