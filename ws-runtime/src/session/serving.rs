//! Requests of the peer: taking them in, and their one terminal answer
//! (`docs/protocol.md`, section 7).

use super::{
    Session,
    calling::too_large,
    command::Misuse,
    event::{Event, Request, Stop},
    handshake::draining,
    state::State,
    work::{Ended, Entry, Finished, WorkId},
};
use bytestring::ByteString;
use std::time::Duration;
use ws_proto::{
    AckMeaning, Answer, Fault, FaultCode, Frame, Head, MessageId, Raw, RequestSpec, Retry,
};

impl Session {
    pub(super) fn on_request(&mut self, head: &Head, payload: Raw) {
        let id = head.id;
        match self.check_request(head) {
            Err(fault) => self.push_fault(id, fault),
            Ok((place, spec)) => {
                let seq = self.inbox.last();
                let room = self.inbound_room(payload.bytes().len());
                // It may wait long. A slice would keep its message, and whatever else was read into
                // the same memory: what is counted is what is kept.
                let starts = self.outbox.has_room() && self.work.starts_at_once(spec);
                let payload = if starts { payload } else { payload.detached() };
                let request = self.request(head, place, spec, payload);
                let admitted = room.and_then(|()| self.work.admit(request, seq, spec, starts));
                let started = match admitted {
                    Ok(started) => started,
                    Err(fault) => return self.push_fault(id, fault),
                };
                if spec.ack == AckMeaning::Handled {
                    self.inbox.hold_last();
                }
                match started {
                    Some(request) => self.tell_request(request),
                    None => self.start_work(),
                }
            }
        }
    }

    /// A request as it came, in memory of one before.
    fn request(
        &mut self,
        head: &Head,
        place: usize,
        spec: &'static RequestSpec,
        payload: Raw,
    ) -> Box<Request> {
        self.was_asked = true;
        let mut request = self.spare.take_request(payload.format());
        request.work = self.work.name();
        request.id = head.id;
        request.kind = ByteString::from_static(spec.kind);
        request.place = place;
        request.payload = payload;
        request.key = head.key.as_ref().map(copied);
        request.tp = head.tp.as_ref().map(copied);
        request.deadline = head.ttl.map(|ttl| self.now + Duration::from_millis(ttl));
        request.credit = 0;
        request
    }

    /// Takes back the memory of a request, for the next ones: whoever has taken what it said and
    /// drops it loses only that.
    pub fn reuse(&mut self, request: Box<Request>) {
        self.spare.put_request(request);
    }

    pub(super) fn on_cancel(&mut self, re: MessageId) {
        match self.work.cancel(re) {
            None => self.counters.strays += 1,
            Some(Ended::Running(work)) => {
                self.events.push_back(Event::Stop(work, Stop::Cancelled));
            }
            Some(Ended::Waiting(entry)) => {
                let fault = Fault::new(FaultCode::Cancelled, "cancelled before it was started");
                self.end_unstarted(&entry, fault.retry(Retry::Safe));
            }
        }
    }

    pub(super) fn on_credit(&mut self, re: MessageId, n: u32) {
        if let Some(work) = self.work.credit(re, n) {
            self.events.push_back(Event::Credit(work, n));
        } else {
            self.granted(re, n);
        }
    }

    pub(super) fn item(&mut self, work: WorkId, item: Raw) -> Result<(), Misuse> {
        // A request whose time ran out takes no more items; its handler does not know yet.
        let Some(entry) = self.work.entry(work) else { return Ok(()) };
        if entry.credit == 0 {
            return Err(Misuse::NoCredit);
        }
        entry.credit -= 1;
        let (id, kind) = (entry.id, entry.spec.item.unwrap_or_default());
        self.push_message(kind, id, item);
        Ok(())
    }

    pub(super) fn answer(&mut self, work: WorkId, answer: Answer) {
        let Some(Finished { id, seq, spec, awaited }) = self.work.finish(work) else { return };
        self.inbox.handled(seq, self.now);
        if awaited {
            match answer {
                Answer::Ok(payload) => self.push_message(spec.ok, id, payload),
                Answer::Err(payload) => self.push_message(spec.err, id, payload),
                Answer::Fault(fault) => self.push_fault(id, fault),
            }
        }
        self.start_work();
        self.close_when_drained();
    }

    /// Client: the session that asked is lost, and nobody waits for the answers any more.
    pub(super) fn abandon_work(&mut self) {
        for work in self.work.abandon() {
            self.events.push_back(Event::Stop(work, Stop::Cancelled));
        }
    }

    pub(super) fn work_expired(&mut self, ended: Ended) {
        let text = "the time of this request ran out";
        let fault = Fault::new(FaultCode::Deadline, text);
        match ended {
            Ended::Waiting(entry) => self.end_unstarted(&entry, fault.retry(Retry::Safe)),
            Ended::Running(work) => {
                self.events.push_back(Event::Stop(work, Stop::Deadline));
                if let Some(id) = self.work.id(work) {
                    self.push_fault(id, fault);
                }
            }
        }
    }

    fn check_request(&self, head: &Head) -> Result<(usize, &'static RequestSpec), Fault> {
        if matches!(self.state, State::Draining { .. }) {
            return Err(draining());
        }
        let unimplemented = |text| Err(Fault::new(FaultCode::Unimplemented, text));
        let Some((place, spec)) = self.config.contract.request(&head.kind) else {
            return unimplemented(format!("no request `{}` in this protocol", head.kind));
        };
        let version = self.state.version().unwrap_or_default();
        if version < spec.since || spec.removed.is_some_and(|removed| version >= removed) {
            return unimplemented(format!("no request `{}` in version {version}", head.kind));
        }
        Ok((place, spec))
    }

    /// Whether there is room for this many bytes more of what the peer asks.
    pub(super) fn inbound_room(&self, bytes: usize) -> Result<(), Fault> {
        let limit = self.config.limits.inbound_bytes;
        if self.work.bytes() + self.channels.bytes() + bytes <= limit {
            return Ok(());
        }
        let text = "too much of this connection waits to be answered";
        Err(Fault::new(FaultCode::Overloaded, text).detail("limit", limit))
    }

    /// Starts what may start. While the peer leaves no room for answers, nothing does: what runs
    /// bounds the answers that can still come.
    pub(super) fn start_work(&mut self) {
        while self.work.has_waiting()
            && self.outbox.has_room()
            && let Some(request) = self.work.start()
        {
            let work = request.work;
            self.tell_request(request);
            if self.work.has_all_parts(work) {
                self.events.push_back(Event::End(work));
            }
        }
    }

    fn tell_request(&mut self, request: Box<Request>) {
        self.events.push_back(Event::Request(request));
    }

    fn end_unstarted(&mut self, entry: &Entry, fault: Fault) {
        self.inbox.handled(entry.seq, self.now);
        self.push_fault(entry.id, fault);
    }

    fn push_message(&mut self, kind: &'static str, re: MessageId, payload: Raw) {
        let ts = self.wall_ms();
        // Built where it stays: a header is large.
        let mut envelope = self.spare.take_frame();
        let head = &mut envelope.head;
        head.kind = ByteString::from_static(kind);
        (head.id, head.ts, head.re) = (self.ids.next(ts), ts, Some(re));
        envelope.frame = Frame::Message(payload);
        match too_large(&envelope, self.peer_frame) {
            None => self.outbox.push_boxed(envelope, None),
            Some(fault) => self.push_fault(re, fault.retry(Retry::Unknown)),
        }
    }
}

/// The same text in memory of its own.
pub(super) fn copied(text: &ByteString) -> ByteString {
    ByteString::from(&**text)
}
