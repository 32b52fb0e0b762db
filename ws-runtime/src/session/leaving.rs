//! What leaves, in which order, and what rides on it (`docs/protocol.md`, section 6).

use super::{Initiator, Session, Side, Time, outbox::Next};
use std::sync::Arc;
use ws_proto::{Batch, CloseCode, Envelope, Format, Frame, Publication, frame::Ack};

/// What the driver sends.
#[derive(Clone, Debug)]
pub enum Transmit {
    /// To be encoded.
    Envelope(Box<Envelope>),
    /// Already encoded, once for all subscribers.
    Shared(Arc<Publication>),
    /// Several of those, each a message of its own, in this order.
    Batch(Arc<Batch>),
}

/// The same for whoever encodes: a session keeps most messages until they are acknowledged, and
/// encodes those itself.
#[derive(Debug)]
pub enum Leaving {
    /// The message is encoded.
    Encoded,
    /// To be sent like this. The session keeps nothing of it.
    Given(Transmit),
}

/// What leaves now.
pub(super) enum Left {
    /// A frame of the session stream, for the first time: it is to be kept.
    Placed(Box<Envelope>),
    Given(Transmit),
}

impl Session {
    /// The next message to send at this moment: what waited longer than it is worth does not leave.
    /// A closing session gives its last frames here and then nothing.
    #[must_use]
    pub fn poll_transmit(&mut self, now: Time) -> Option<Transmit> {
        self.tell_time(now);
        Some(match self.next_left()? {
            Left::Placed(envelope) => {
                let format = match &envelope.frame {
                    Frame::Message(payload) => payload.format(),
                    _ => Format::Json,
                };
                self.keep(&envelope, format, &mut Vec::new());
                Transmit::Envelope(envelope)
            }
            Left::Given(transmit) => transmit,
        })
    }

    /// [`Session::poll_transmit`] for whoever sends messages of this format: what is kept until it
    /// is acknowledged is encoded once, and left in `out` in the place of what was there. What
    /// cannot be encoded is given, and ends the session.
    #[must_use]
    pub fn poll_leaving(
        &mut self,
        now: Time,
        format: Format,
        out: &mut Vec<u8>,
    ) -> Option<Leaving> {
        self.tell_time(now);
        Some(match self.next_left()? {
            Left::Placed(envelope) if self.keep(&envelope, format, out) => {
                self.spare.put_frame(envelope);
                Leaving::Encoded
            }
            Left::Placed(envelope) => Leaving::Given(Transmit::Envelope(envelope)),
            Left::Given(transmit) => Leaving::Given(transmit),
        })
    }

    fn next_left(&mut self) -> Option<Left> {
        if let Some(envelope) = self.next_urgent() {
            return Some(self.leave(envelope));
        }
        if let Some(left) = self.next_in_turn() {
            return Some(left);
        }
        // The last frame of a draining session has left: `$close` follows it.
        self.close_when_drained();
        self.next_urgent().map(|envelope| self.leave(envelope))
    }

    fn leave(&mut self, mut envelope: Box<Envelope>) -> Left {
        self.stamp(&mut envelope);
        Left::Given(Transmit::Envelope(envelope))
    }

    /// A frame of the session stream leaves for the first time: it gets its place.
    pub(super) fn leave_placed(&mut self, mut envelope: Box<Envelope>) -> Left {
        self.outbox.place(&mut envelope);
        self.stamp(&mut envelope);
        Left::Placed(envelope)
    }

    /// Encodes a frame that has its place, and keeps it; false when it cannot be encoded.
    fn keep(&mut self, envelope: &Envelope, format: Format, out: &mut Vec<u8>) -> bool {
        out.clear();
        let is_encoded = envelope.encode(format, out).is_ok();
        if !is_encoded {
            self.leave_out();
        }
        // Nothing is kept as nothing: each place has its own.
        self.outbox.keep(out, format);
        is_encoded
    }

    /// The last touch before a frame leaves: what we have received rides on it.
    fn stamp(&mut self, envelope: &mut Envelope) {
        self.is_stirred = true;
        let says_nothing_yet = matches!(envelope.frame, Frame::Hello(_) | Frame::Reject(_));
        if !says_nothing_yet {
            envelope.head.ack = self.inbox.tell();
        }
        self.counters.sent += 1;
    }

    /// What passes the queue: urgent frames, and an acknowledgement that waited long enough.
    fn next_urgent(&mut self) -> Option<Box<Envelope>> {
        let is_pressing = self.inbox.is_pressing() || self.listening.is_pressing();
        let envelope = match self.urgent.pop_front() {
            Some(envelope) => envelope,
            None if self.state.is_open() && is_pressing => {
                let ch = self.listening.tell(self.peer_frame);
                Box::new(self.control(Frame::Ack(Ack { ch }), |_| {}))
            }
            None => return None,
        };
        self.pace_spend();
        Some(envelope)
    }

    fn next_in_turn(&mut self) -> Option<Left> {
        if !self.state.is_open() {
            return self.next_early();
        }
        if self.side == Side::Client && !self.pace.has(self.now) {
            return None;
        }
        loop {
            match self.outbox.next()? {
                Next::Again(Some(envelope)) => {
                    self.pace_spend();
                    return Some(self.leave(envelope));
                }
                Next::Again(None) => {
                    self.leave_out();
                    let reason = "internal error".to_owned();
                    self.end(Initiator::Application, CloseCode::INTERNAL, reason);
                    return None;
                }
                Next::Frame(envelope, call) => {
                    let Some(envelope) = self.ready_to_leave(envelope, call) else { continue };
                    self.pace_spend();
                    return Some(self.leave_placed(envelope));
                }
                Next::Delivery(address, delivery) => {
                    self.counters.sent += delivery.messages() as u64;
                    return Some(Left::Given(self.transmit_delivery(&address, delivery)));
                }
            }
        }
    }

    /// A client keeps to the server's rate, which counts every frame.
    fn pace_spend(&mut self) {
        if self.side == Side::Client {
            self.pace.spend(self.now);
        }
    }
}
