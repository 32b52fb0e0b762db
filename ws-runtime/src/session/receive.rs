//! Where each frame of the peer goes: one `match`, without `_`.

use super::{Session, Side, fault::PeerFault, state::State};
use ws_proto::{
    Address, Envelope, Frame, Head,
    frame::{Ack, Pong},
};

/// Who may send a frame.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sender {
    Client,
    Server,
    Both,
}

impl Session {
    /// Takes a frame where it stands: a header is large. What is left there is nobody's.
    pub(super) fn receive(&mut self, envelope: &mut Envelope) -> Result<(), PeerFault> {
        self.expect_greeting(&envelope.frame)?;
        if self.hold_early(envelope)? {
            return Ok(());
        }
        let Envelope { head, frame } = envelope;
        let peer = match self.side {
            Side::Client => Sender::Server,
            Side::Server => Sender::Client,
        };
        let sender = sender_of(frame);
        if sender != Sender::Both && sender != peer {
            return Err(PeerFault::WrongDirection);
        }
        if let Some(ack) = head.ack {
            if !self.outbox.acked(ack) {
                return Err(PeerFault::AckAboveSent);
            }
            // Requests that waited for room for their answers.
            self.start_work();
        }
        let is_event = self.side == Side::Client && head.ch.is_some() && head.re.is_none();
        // A frame of a newer peer has a place if it says so: else the next one would be a hole.
        let is_newer = matches!(frame, Frame::Unknown(_)) && head.seq.is_some();
        if is_newer || is_sequenced(frame, is_event) {
            let seq = head.seq.ok_or(PeerFault::MissingField)?;
            if !self.inbox.receive(seq, self.now)? {
                self.counters.duplicates += 1;
                return self.spend_duplicate();
            }
        }
        if self.side == Side::Server && self.is_over_rate(head, frame)? {
            return Ok(());
        }
        let frame = std::mem::replace(frame, Frame::End);
        self.dispatch(head, frame)?;
        self.close_when_drained();
        Ok(())
    }

    fn dispatch(&mut self, head: &mut Head, frame: Frame) -> Result<(), PeerFault> {
        match frame {
            Frame::Hello(hello) => self.on_hello(*hello)?,
            Frame::Welcome(welcome) => self.on_welcome(*welcome)?,
            Frame::Reject(reject) => self.on_reject(*reject),
            Frame::Ping(ping) => {
                let now = self.wall_ms();
                self.push_urgent(Frame::Pong(Pong { t: ping.t, now }), |_| {});
                self.bound_urgent()?;
            }
            // Being heard was all that the session needs it for.
            Frame::Pong(pong) => self.alive.answered(pong.t, self.now),
            Frame::Ack(ack) => self.on_ack(&ack)?,
            Frame::Close(close) => {
                self.counters.farewells += 1;
                self.on_close(close);
            }
            Frame::Auth(auth) => self.on_auth(head, auth.token),
            Frame::AuthOk(grant) => self.on_auth_ok(answered(head)?, grant),
            Frame::AuthRequired(_) => self.on_auth_required(),
            Frame::Cancel => self.on_cancel(answered(head)?),
            Frame::Credit(credit) => self.on_credit(answered(head)?, credit.n),
            Frame::End => self.on_end(answered(head)?),
            Frame::Subscribe(subscribe) => self.on_subscribe(head, subscribe.since)?,
            Frame::Unsubscribe => self.on_unsubscribe(head)?,
            Frame::Done(done) => self.on_done(answered(head)?, done),
            Frame::Fault(fault) => self.on_fault(answered(head)?, fault),
            Frame::Unsubscribed(why) => self.on_unsubscribed(&channel(head)?, why),
            Frame::Live => {
                let off = head.off.ok_or(PeerFault::MissingField)?;
                self.on_live(&channel(head)?, off);
            }
            Frame::Gap(gap) => self.on_gap(&channel(head)?, gap),
            Frame::Unknown(_) => self.counters.strays += 1,
            Frame::Message(payload) => match (self.side, head.re, head.ch.is_some()) {
                (Side::Client, Some(re), true) => self.on_snapshot(head, re, payload)?,
                (_, Some(re), _) => self.on_related(re, &head.kind, payload)?,
                (_, None, false) => self.on_request(head, payload),
                (Side::Client, None, true) => self.on_event(head, payload)?,
                (Side::Server, None, true) => self.on_publish(head, &payload)?,
            },
        }
        Ok(())
    }

    /// The first frame is the greeting, and it comes once.
    fn expect_greeting(&self, frame: &Frame) -> Result<(), PeerFault> {
        let is_hello = matches!(frame, Frame::Hello(_));
        let is_greeting_answer =
            matches!(frame, Frame::Welcome(_) | Frame::Reject(_) | Frame::Close(_));
        match self.state {
            State::Expecting { .. } if !is_hello => Err(PeerFault::NoHello),
            State::Greeting { .. } if !is_greeting_answer => Err(PeerFault::NoHello),
            State::Deciding { .. } | State::Open { .. } | State::Draining { .. } if is_hello => {
                Err(PeerFault::SecondHello)
            }
            State::Open { .. }
                if self.side == Side::Client
                    && matches!(frame, Frame::Welcome(_) | Frame::Reject(_)) =>
            {
                Err(PeerFault::SecondHello)
            }
            _ => Ok(()),
        }
    }

    /// True when the message came too fast and was answered with that. What has no answer is taken
    /// all the same; a peer that goes on regardless is closed.
    fn is_over_rate(&mut self, head: &Head, frame: &Frame) -> Result<bool, PeerFault> {
        if self.pace.take(self.now) {
            self.excess = self.excess.saturating_sub(1);
            return Ok(false);
        }
        self.excess += 1;
        if self.excess > self.config.limits.rate_burst {
            return Err(PeerFault::RateExceeded);
        }
        let is_answerable = matches!(frame, Frame::Message(_) | Frame::Subscribe(_));
        if !is_answerable || head.re.is_some() {
            return Ok(false);
        }
        self.counters.rate_limited += 1;
        let wait = super::millis(self.pace.wait()).max(1);
        let text = "more messages than the announced rate";
        let fault = ws_proto::Fault::new(ws_proto::FaultCode::RateLimited, text).after_ms(wait);
        self.push_fault(head.id, fault);
        Ok(true)
    }

    /// A duplicate needs no answer, but it counts: otherwise it would be a message for nothing.
    fn spend_duplicate(&mut self) -> Result<(), PeerFault> {
        if self.side == Side::Server && !self.pace.take(self.now) {
            self.excess += 1;
            if self.excess > self.config.limits.rate_burst {
                return Err(PeerFault::RateExceeded);
            }
        }
        Ok(())
    }

    /// Pongs are owed by the peer's pings: a peer that does not read them gets no more.
    fn bound_urgent(&self) -> Result<(), PeerFault> {
        let bound = self.config.limits.outbox_frames;
        if self.urgent.len() > bound { Err(PeerFault::TooSlow) } else { Ok(()) }
    }

    fn on_ack(&mut self, ack: &Ack) -> Result<(), PeerFault> {
        for (ch, off) in &ack.ch {
            let address = Address::parse(ch.as_str()).map_err(|_| PeerFault::Malformed)?;
            self.on_consumed(address, *off)?;
        }
        Ok(())
    }
}

/// The message that a frame answers or is about.
fn answered(head: &Head) -> Result<ws_proto::MessageId, PeerFault> {
    head.re.ok_or(PeerFault::MissingField)
}

/// The channel that a frame of the server is about.
pub(super) fn channel(head: &Head) -> Result<Address, PeerFault> {
    let text = head.ch.clone().ok_or(PeerFault::MissingField)?;
    Address::parse(text).map_err(|_| PeerFault::Malformed)
}

/// Whether the frame has a place in its sender's session stream.
fn is_sequenced(frame: &Frame, is_event: bool) -> bool {
    match frame {
        Frame::Cancel
        | Frame::Credit(_)
        | Frame::End
        | Frame::Subscribe(_)
        | Frame::Unsubscribe
        | Frame::Done(_)
        | Frame::Fault(_)
        | Frame::Unsubscribed(_) => true,
        Frame::Message(_) => !is_event,
        Frame::Hello(_)
        | Frame::Welcome(_)
        | Frame::Reject(_)
        | Frame::Ping(_)
        | Frame::Pong(_)
        | Frame::Ack(_)
        | Frame::Close(_)
        | Frame::Auth(_)
        | Frame::AuthOk(_)
        | Frame::AuthRequired(_)
        | Frame::Live
        | Frame::Gap(_)
        | Frame::Unknown(_) => false,
    }
}

fn sender_of(frame: &Frame) -> Sender {
    match frame {
        Frame::Hello(_) | Frame::Auth(_) | Frame::Subscribe(_) | Frame::Unsubscribe => {
            Sender::Client
        }
        Frame::Welcome(_)
        | Frame::Reject(_)
        | Frame::AuthOk(_)
        | Frame::AuthRequired(_)
        | Frame::Done(_)
        | Frame::Unsubscribed(_)
        | Frame::Live
        | Frame::Gap(_) => Sender::Server,
        Frame::Ping(_)
        | Frame::Pong(_)
        | Frame::Ack(_)
        | Frame::Close(_)
        | Frame::Cancel
        | Frame::Credit(_)
        | Frame::End
        | Frame::Fault(_)
        | Frame::Unknown(_)
        | Frame::Message(_) => Sender::Both,
    }
}
