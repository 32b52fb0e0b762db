//! Uploads: requests whose caller sends parts before the answer (`docs/protocol.md`, section 7).
//!
//! Parts are messages of the session stream like all others. Credit bounds them, so that an upload
//! takes no more memory than its window, and small frames pass between them.

use super::{
    Session,
    calling::too_large,
    command::{CallId, Misuse},
    event::{Event, Outcome, Reply, Stop},
    fault::PeerFault,
    work::{Taken, WorkId},
};
use ws_proto::{Envelope, Fault, FaultCode, Frame, MessageId, Raw, Retry, frame::Credit};

impl Session {
    pub(super) fn part(&mut self, call: CallId, part: Raw) -> Result<(), Misuse> {
        // A call that was answered takes no more parts; its application does not know yet.
        let Some(open) = self.calls.get(call) else { return Ok(()) };
        if open.parts == 0 {
            return Err(Misuse::NoCredit);
        }
        if !self.outbox.has_room() {
            return Err(Misuse::OutboxFull);
        }
        open.parts -= 1;
        let (id, kind) = (open.id, format!("{}.part", open.kind));
        let mut head = self.head(kind);
        head.re = Some(id);
        // Tied to its call: the parts of a call that is over do not leave.
        self.outbox.push(Envelope { head, frame: Frame::Message(part) }, Some(call));
        Ok(())
    }

    pub(super) fn end_parts(&mut self, call: CallId) {
        let Some(open) = self.calls.get(call).filter(|open| !open.ended) else { return };
        open.ended = true;
        open.parts = 0;
        let id = open.id;
        let end = self.control(Frame::End, |head| head.re = Some(id));
        self.outbox.push(end, Some(call));
    }

    /// The handler has taken parts, or waits for the first ones.
    pub(super) fn parts_read(&mut self, work: WorkId, n: u32) {
        if let Some((id, more)) = self.work.parts_read(work, n) {
            self.push(Frame::Credit(Credit { n: more }), |head| head.re = Some(id));
        }
    }

    /// The last check before a part leaves.
    pub(super) fn part_ready_to_leave(
        &mut self,
        envelope: Box<Envelope>,
        call: CallId,
    ) -> Option<Box<Envelope>> {
        let open = self.calls.get(call).filter(|open| !open.cancelled)?;
        let id = open.id;
        let Some(fault) = too_large(&envelope, self.peer_frame) else { return Some(envelope) };
        // An upload with a hole is worth nothing.
        self.resolve(call, Reply::Fault(fault.retry(Retry::Unknown), Outcome::Unknown));
        self.push(Frame::Cancel, |head| head.re = Some(id));
        None
    }

    /// The peer takes more parts of the upload `re`.
    pub(super) fn granted(&mut self, re: MessageId, n: u32) {
        let Some((call, _)) = self.calls.by_id(re) else { return };
        if let Some(open) = self.calls.get(call).filter(|open| !open.ended) {
            open.parts = open.parts.saturating_add(n);
            self.events.push_back(Event::Granted(call, n));
        }
    }

    /// A message about another one: an answer to a call of ours, else a part of an upload.
    pub(super) fn on_related(
        &mut self,
        re: MessageId,
        kind: &str,
        payload: Raw,
    ) -> Result<(), PeerFault> {
        if self.calls.by_id(re).is_some() {
            self.on_answer(re, kind, payload);
            return Ok(());
        }
        let bytes = payload.bytes().len();
        let room = self.inbound_room(bytes);
        match self.work.take_part(re, kind, bytes) {
            Taken::Stray => self.counters.strays += 1,
            Taken::NoCredit => return Err(PeerFault::NoCredit),
            Taken::Held(work) if room.is_ok() => {
                // It may wait long, and would keep the whole message that it came in.
                self.events.push_back(Event::Part(work, payload.detached()));
            }
            Taken::Held(work) => self.refuse_upload(work),
        }
        Ok(())
    }

    pub(super) fn on_end(&mut self, re: MessageId) {
        match self.work.last_part(re) {
            // Without parts it needs no credit: its request may wait, and tells when it starts.
            Some(work) if self.work.is_waiting(work) => {}
            Some(work) => self.events.push_back(Event::End(work)),
            None => self.counters.strays += 1,
        }
    }

    fn refuse_upload(&mut self, work: WorkId) {
        if let Some(id) = self.work.answered(work) {
            self.events.push_back(Event::Stop(work, Stop::NoRoom));
            let text = "too much of this connection waits to be read";
            let fault = Fault::new(FaultCode::Overloaded, text)
                .retry(Retry::Unknown)
                .detail("limit", self.config.limits.inbound_bytes);
            self.push_fault(id, fault);
        }
    }
}
