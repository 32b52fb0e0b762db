//! A server that keeps its sessions, a log that sends again, and what must hold over losses.

use super::{Pair, acceptance, opened, setup::room};
use bytestring::ByteString;
use std::{collections::BTreeMap, sync::Arc};
use ws_proto::{
    CloseCode, DecodeError, EncodeError, EncodedEvent, Envelope, EventSet, EventSpec, Format, Head,
    IdSource, MessageId, Publication, Raw, frame::Hello,
};
use ws_runtime::session::{Command, Delivery, Event, Resumption, Session, Transmit};

/// The session that lost its connection, and the one that has it.
#[derive(Default)]
pub(crate) struct Kept {
    /// Its name, and what the old connection still carries to it.
    pub(crate) session: Option<(u64, Session, Vec<Envelope>)>,
    /// The name of the session that has the connection.
    pub(crate) current: Option<u64>,
    late: Vec<Envelope>,
}

impl Kept {
    /// A session loses its connection; one that never began is nothing to keep.
    pub(crate) fn keep(&mut self, session: Session) {
        if let Some(name) = self.current.take() {
            self.session = Some((name, session, std::mem::take(&mut self.late)));
        }
    }

    pub(crate) fn session_mut(&mut self) -> Option<&mut Session> {
        self.session.as_mut().map(|(_, session, _)| session)
    }
}

/// What one side sent in its session stream.
#[derive(Default)]
pub(crate) struct Places {
    by_seq: BTreeMap<u64, (MessageId, ByteString, Option<ByteString>, String)>,
    last_of_connection: Option<u64>,
}

impl Places {
    /// Places rise by one from one, also over losses, and what is sent again is the same. True when
    /// the frame is sent for the first time, or has no place.
    pub(crate) fn check(&mut self, envelope: &Envelope) -> bool {
        let Envelope { head, frame } = envelope;
        let Some(seq) = head.seq else { return true };
        let said = (head.id, head.kind.clone(), head.key.clone(), format!("{frame:?}"));
        let next = self.by_seq.last_key_value().map_or(1, |(last, _)| last + 1);
        assert!(seq <= next, "a hole in the session stream: {envelope:?}");
        assert!(
            self.last_of_connection.is_none_or(|last| seq == last + 1),
            "out of order on one connection: {envelope:?}"
        );
        self.last_of_connection = Some(seq);
        let first = self.by_seq.entry(seq).or_insert_with(|| said.clone());
        assert_eq!(*first, said, "sent again, but changed");
        seq == next
    }

    /// On the next connection, what the other side has is not sent again, and the rest is.
    pub(crate) fn go_on_after(&mut self, recv: u64) {
        self.last_of_connection = Some(recv);
    }
}

/// The room's events, as a hub sends them to its one subscriber.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) head: u64,
    /// What was sent to the subscriber.
    pub(crate) at: Option<u64>,
    acked: u64,
    /// What the client's application was told last.
    told: u64,
}

impl Log {
    /// A subscription begins at the end.
    pub(crate) fn begin(&mut self) {
        self.at = Some(self.head);
        self.acked = self.head;
    }

    pub(crate) fn consumed(&mut self, off: u64) {
        assert!(self.at.is_none_or(|at| off <= at.max(self.head)), "consumed what never was");
        self.acked = self.acked.max(off);
    }

    /// The client's application is told each event once and in order.
    pub(crate) fn check(&mut self, event: &Event) {
        match event {
            Event::Subscribed(_, done) => self.told = done.off.unwrap_or_default(),
            Event::Delivered(delivered) => {
                let Some(off) = delivered.off else { return };
                assert_eq!(off, self.told + 1, "not the next event");
                self.told = off;
            }
            _ => {}
        }
    }
}

impl Pair {
    /// The connection goes to the session that was kept; false when that is not the one.
    pub(crate) fn resume(&mut self, hello: &Hello) -> bool {
        let Some(resume) = &hello.resume else { return false };
        let Some(kept) = &mut self.kept else { return false };
        let Some((name, mut session, late)) =
            kept.session.take_if(|(name, ..)| name.to_string() == resume.session)
        else {
            return false;
        };
        for envelope in late {
            session.handle_frame(envelope, self.now);
        }
        let taken = Command::Close(CloseCode(4700), "taken over".to_owned());
        session.handle_command(taken, self.now).expect("a close is no misuse");
        self.server = session;
        // What the old connection still takes goes nowhere.
        while let Some(transmit) = self.server.poll_transmit(self.now) {
            self.check_place(1, &opened(transmit));
        }
        self.take_events();
        let recv = resume.recv;
        self.server.can_resume(1, recv).expect("nothing was dropped");
        let mut acceptance = acceptance();
        acceptance.session = name.to_string();
        let limits = hello.limits;
        let resume = Command::Resume(Box::new(Resumption { acceptance, recv, limits }));
        self.server.handle_command(resume, self.now).expect("asked before");
        if let Some(kept) = &mut self.kept {
            kept.current = Some(name);
        }
        self.places[1].go_on_after(recv);
        // As a hub does: what was not consumed is sent again.
        self.log.at = self.log.at.map(|_| self.log.acked);
        true
    }

    /// The client notices the loss, the server does not, and gets some messages late.
    pub(crate) fn lose_late(&mut self, count: usize) {
        let mut late = Vec::new();
        while late.len() < count
            && let Some(Transmit::Envelope(envelope)) = self.client.poll_transmit(self.now)
        {
            self.check_place(0, &envelope);
            late.push(*envelope);
        }
        if let Some(kept) = &mut self.kept {
            kept.late = late;
        }
        let lost = Command::Disconnected(None, "lost".to_owned());
        self.client.handle_command(lost, self.now).expect("a loss is no misuse");
    }

    pub(crate) fn deliver(&mut self) {
        if !self.server.wants_deliveries() || !self.server.subscriptions().contains(&room()) {
            return;
        }
        let Some(at) = &mut self.log.at else { return };
        let prev = *at;
        *at += 1;
        self.log.head = self.log.head.max(*at);
        let event = publication(&mut self.ids, prev);
        let deliver = Command::Deliver(room(), Delivery::Kept(Arc::new(event)));
        self.server.handle_command(deliver, self.now).expect("there is a subscription");
    }
}

fn publication(ids: &mut IdSource, prev: u64) -> Publication {
    let encoded = EncodedEvent::new("room", &Said).expect("no payload");
    let mut head = Head::new(ByteString::from_static("room.said"), ids.next(0), 0);
    head.ch = Some(room().text().clone());
    head.off = Some(prev + 1);
    head.prev = Some(prev);
    Publication::new(head, &encoded).expect("a small event")
}

/// The one event of the room.
#[derive(Clone, Debug)]
struct Said;

impl EventSet for Said {
    const SPECS: &'static [EventSpec] = &[];

    fn kind(&self) -> &'static str {
        "said"
    }

    fn encode(&self, format: Format) -> Result<Raw, EncodeError> {
        Ok(Raw::null(format))
    }

    fn decode(kind: &str, _: &Raw) -> Result<Self, DecodeError> {
        Err(DecodeError::UnknownKind(kind.to_owned()))
    }
}
