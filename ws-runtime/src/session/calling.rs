//! Sending our own requests and publishes, and taking their answers
//! (`docs/protocol.md`, section 7).

use super::{
    Session, Side,
    calls::{AnswerKind, Open},
    command::{Call, CallId, Misuse, Publish},
    event::{Event, Outcome, Reply},
};
use bytestring::ByteString;
use std::time::Duration;
use ws_proto::{
    Envelope, Fault, FaultCode, Frame, Head, MessageId, Raw, Retry,
    frame::{Credit, Done},
};

/// A header's share of a message's size, generously.
const HEAD_SIZE: usize = 512;

impl Session {
    pub(super) fn call(&mut self, call: Call) -> Result<(), Misuse> {
        let head = self.call_head(&call.kind, call.ttl, call.key);
        let open = self.open_call(head.id, call.kind, call.versions, call.ttl);
        self.send_call(call.call, open, Envelope { head, frame: Frame::Message(call.payload) })?;
        if call.credit > 0 {
            self.grant(call.call, call.credit);
        }
        Ok(())
    }

    pub(super) fn publish(&mut self, publish: Publish) -> Result<(), Misuse> {
        self.expect_side(Side::Client)?;
        let mut head = self.call_head(&publish.kind, publish.ttl, publish.key);
        head.ch = Some(publish.address.text().clone());
        let open = self.open_call(head.id, publish.kind, (0, None), publish.ttl);
        self.send_call(
            publish.call,
            open,
            Envelope { head, frame: Frame::Message(publish.payload) },
        )
    }

    pub(super) fn cancel(&mut self, call: CallId) {
        if self.withdraw(call) {
            let fault = Fault::new(FaultCode::Cancelled, "cancelled before it was sent");
            self.resolve(call, Reply::Fault(fault.retry(Retry::Safe), Outcome::NotSent));
        } else if let Some(open) = self.calls.get(call).filter(|open| !open.cancelled) {
            open.cancelled = true;
            let id = open.id;
            self.push(Frame::Cancel, |head| head.re = Some(id));
        }
    }

    pub(super) fn grant(&mut self, call: CallId, n: u32) {
        let Some(id) = self.calls.get(call).map(|open| open.id) else { return };
        if !self.outbox.add_credit(call, n) {
            // Tied to its call: a call that is withdrawn takes its credit along.
            self.push_for(Some(call), Frame::Credit(Credit { n }), |head| head.re = Some(id));
        }
    }

    /// The last check before a queued frame leaves: `None` when it does not, because its call was
    /// settled here.
    pub(super) fn ready_to_leave(
        &mut self,
        mut envelope: Box<Envelope>,
        call: Option<CallId>,
    ) -> Option<Box<Envelope>> {
        let Some(call) = call else { return Some(envelope) };
        let is_message = matches!(envelope.frame, Frame::Message(_));
        let version = self.state.version().unwrap_or_default();
        // The credit of a settled call has nothing to credit.
        let open = self.calls.get(call)?;
        // Nor does the end of an upload leave whose parts do not: it would be a shorter one.
        if open.cancelled && matches!(envelope.frame, Frame::End) {
            return None;
        }
        if !is_message {
            return Some(envelope);
        }
        if envelope.head.re.is_some() {
            return self.part_ready_to_leave(envelope, call);
        }
        if !open.is_supported(version) {
            self.resolve(call, Reply::Unsupported { negotiated: version });
            return None;
        }
        if let Some(fault) = too_large(&envelope, self.peer_frame) {
            self.resolve(call, Reply::Fault(fault, Outcome::NotSent));
            return None;
        }
        if open.deadline.is_some_and(|deadline| deadline <= self.now) {
            self.resolve(call, Reply::Timeout(Outcome::NotSent));
            return None;
        }
        open.sent = true;
        envelope.head.ttl = open.deadline.map(|deadline| self.now.millis_until(deadline));
        Some(envelope)
    }

    pub(super) fn on_answer(&mut self, re: MessageId, kind: &str, payload: Raw) {
        let Some((call, open)) = self.calls.by_id(re) else {
            self.counters.strays += 1;
            return;
        };
        match open.answer_kind(kind) {
            Some(AnswerKind::Item) => self.events.push_back(Event::Item(call, payload)),
            Some(AnswerKind::Ok) => self.resolve(call, Reply::Ok(payload)),
            Some(AnswerKind::Err) => self.resolve(call, Reply::Err(payload)),
            None => {
                let text = format!("`{}` was answered with a `{kind}`", open.kind);
                self.resolve(call, Reply::Fault(Fault::internal(text), Outcome::Processed));
            }
        }
    }

    pub(super) fn on_done(&mut self, re: MessageId, done: Done) {
        if let Some((call, _)) = self.calls.by_id(re) {
            self.resolve(call, Reply::Published(done));
        } else {
            self.listening_done(re, done);
        }
    }

    pub(super) fn on_fault(&mut self, re: MessageId, fault: Fault) {
        if let Some((call, _)) = self.calls.by_id(re) {
            let outcome = match fault.retry {
                Retry::Never | Retry::Safe | Retry::After => Outcome::NotProcessed,
                Retry::Unknown => Outcome::Unknown,
            };
            self.resolve(call, Reply::Fault(fault, outcome));
        } else if !self.on_auth_refused(re, &fault) {
            self.listening_refused(re, fault);
        }
    }

    pub(super) fn call_expired(&mut self, call: CallId) {
        if self.withdraw(call) {
            self.resolve(call, Reply::Timeout(Outcome::NotSent));
            return;
        }
        let id = self.calls.get(call).filter(|open| !open.cancelled).map(|open| open.id);
        self.resolve(call, Reply::Timeout(Outcome::Unknown));
        // While away, too: the request may be sent again, and nobody waits for its answer.
        if let Some(id) = id {
            self.push(Frame::Cancel, |head| head.re = Some(id));
        }
    }

    /// The session is lost: every call that left has its outcome now.
    pub(super) fn settle_lost_calls(&mut self) {
        for call in self.calls.sent() {
            self.resolve(call, Reply::Lost(Outcome::Unknown));
        }
    }

    /// True when the call had not left; it will not leave any more.
    fn withdraw(&mut self, call: CallId) -> bool {
        let waiting = self.calls.get(call).is_some_and(|open| !open.sent);
        if waiting {
            self.outbox.withdraw(call);
        }
        waiting
    }

    pub(super) fn resolve(&mut self, call: CallId, reply: Reply) {
        if self.calls.close(call).is_some() {
            self.events.push_back(Event::Answered(call, reply));
        }
    }

    fn call_head(
        &mut self,
        kind: &ByteString,
        ttl: Option<Duration>,
        key: Option<ByteString>,
    ) -> Head {
        let mut head = self.head(kind.clone());
        head.ttl = ttl.map(super::millis);
        head.key = key;
        head
    }

    fn open_call(
        &self,
        id: MessageId,
        kind: ByteString,
        versions: (u32, Option<u32>),
        ttl: Option<Duration>,
    ) -> Open {
        let deadline = ttl.map(|ttl| self.now + ttl);
        Open { id, kind, versions, deadline, sent: false, cancelled: false, parts: 0, ended: false }
    }

    fn send_call(&mut self, call: CallId, open: Open, envelope: Envelope) -> Result<(), Misuse> {
        if !self.outbox.has_room() {
            return Err(Misuse::OutboxFull);
        }
        if !self.calls.open(call, open) {
            return Err(Misuse::CallInUse);
        }
        self.outbox.push(envelope, Some(call));
        Ok(())
    }
}

/// The fault of a message that the peer would not take.
pub(super) fn too_large(envelope: &Envelope, peer_frame: usize) -> Option<Fault> {
    let Frame::Message(payload) = &envelope.frame else { return None };
    let bytes = payload.bytes().len() + HEAD_SIZE;
    (bytes > peer_frame).then(|| {
        Fault::new(FaultCode::TooLarge, "the message is larger than the other side takes")
            .detail("bytes", bytes)
            .detail("limit", peer_frame)
    })
}
