//! Memory that a session needs while it works, and not between: whoever drives many of them lends
//! each the same, which a processor still has at hand.

use super::{
    Session,
    event::{Event, Request},
    line::Line,
    outbox::Queued,
    resting::relieve,
    work::Tables,
};
use bytestring::ByteString;
use std::{collections::VecDeque, mem};
use ws_proto::{Envelope, Format, Frame, Head, MessageId, Raw};

/// Entries for which each queue and table may keep room.
const ENTRIES: usize = 64;

/// Memory that sessions work in, one after another. It holds nothing but itself.
#[derive(Debug)]
pub struct Workspace {
    events: VecDeque<Event>,
    tables: Tables,
    queue: Line<Queued>,
    spare: Spare,
}

/// Memory of what is done with, for what comes next, where it was lent. Else all goes to the
/// allocator, and comes from there.
#[derive(Debug, Default)]
pub(super) struct Spare(Option<Box<Pools>>);

#[derive(Debug, Default)]
struct Pools {
    /// More wait only where the application is slow.
    requests: Pool<Request, { Workspace::STAGE }>,
    /// All that a turn reads is answered before any answer leaves.
    frames: Pool<Envelope, { Workspace::BATCH }>,
}

/// Boxes that hold nothing but their own memory, at most so many.
#[derive(Debug)]
struct Pool<T, const MOST: usize>(Vec<Box<T>>);

impl Workspace {
    /// Messages that a driver reads in one turn, at most, for their answers to find room here.
    pub const BATCH: usize = 64;
    /// Messages that go through the session together, at most, for their requests to do so.
    pub const STAGE: usize = 16;
}

impl Session {
    /// Exchanges the memory that the session works in for this. Nothing changes that can be seen
    /// from outside: what it has to tell stays with it.
    pub fn exchange(&mut self, workspace: &mut Workspace) {
        mem::swap(&mut self.spare, &mut workspace.spare);
        if self.events.is_empty() {
            mem::swap(&mut self.events, &mut workspace.events);
        }
        relieve(&mut workspace.events, ENTRIES);
        self.work.exchange(&mut workspace.tables);
        self.outbox.exchange_queue(&mut workspace.queue);
        if self.is_lent() {
            return;
        }
        workspace.tables.rest(ENTRIES);
        workspace.queue.rest(ENTRIES);
        // It may have had memory of its own when it was lent some.
        self.outbox.rest_queue(0);
        if self.work.is_idle() {
            self.work.rest(0);
        }
    }

    /// Whether the session works in memory that it was lent.
    pub(super) fn is_lent(&self) -> bool {
        self.spare.0.is_some()
    }
}

impl Default for Workspace {
    fn default() -> Self {
        let (events, tables, queue) = (VecDeque::new(), Tables::default(), Line::default());
        Self { events, tables, queue, spare: Spare::lent() }
    }
}

impl Spare {
    fn lent() -> Self {
        Self(Some(Box::default()))
    }

    /// A request that says nothing yet.
    pub(super) fn take_request(&mut self, format: Format) -> Box<Request> {
        let spare = self.0.as_mut().and_then(|pools| pools.requests.0.pop());
        spare.unwrap_or_else(|| Box::new(Request::blank(format)))
    }

    /// Takes a request that is done with.
    pub(super) fn put_request(&mut self, done: Box<Request>) {
        let Some(pools) = &mut self.0 else { return };
        pools.requests.put(done, |done| {
            done.kind = ByteString::new();
            done.payload = Raw::null(done.payload.format());
            (done.key, done.tp) = (None, None);
        });
    }

    /// A frame that says nothing yet.
    pub(super) fn take_frame(&mut self) -> Box<Envelope> {
        let spare = self.0.as_mut().and_then(|pools| pools.frames.0.pop());
        spare.unwrap_or_else(|| {
            let head = Head::new(ByteString::new(), MessageId::NIL, 0);
            Box::new(Envelope { head, frame: Frame::End })
        })
    }

    /// Takes a frame that is done with.
    pub(super) fn put_frame(&mut self, done: Box<Envelope>) {
        let Some(pools) = &mut self.0 else { return };
        pools.frames.put(done, |done| {
            done.head = Head::new(ByteString::new(), done.head.id, 0);
            done.frame = Frame::End;
        });
    }
}

impl<T, const MOST: usize> Pool<T, MOST> {
    /// Takes a box, and lets go of what it held where it is kept: else it goes with it.
    fn put(&mut self, mut done: Box<T>, empty: impl FnOnce(&mut T)) {
        if self.0.len() < MOST {
            empty(&mut done);
            self.0.push(done);
        }
    }
}

impl<T, const MOST: usize> Default for Pool<T, MOST> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_with_gives_its_memory_to_the_next_and_nothing_else() {
        let mut spare = Spare::lent();
        let payload = bytes::Bytes::from(vec![b'1'; 100]);
        let mut done = spare.take_frame();
        (done.head.kind, done.head.seq) = ("say.ok".into(), Some(1));
        done.frame = Frame::Message(Raw::new(Format::Json, payload.clone()));
        let memory = std::ptr::from_ref(&*done);
        assert!(!payload.is_unique());
        spare.put_frame(done);
        assert!(payload.is_unique(), "the payload is let go at once");
        let next = spare.take_frame();
        let blank = Spare::default().take_frame();
        assert_eq!((std::ptr::from_ref(&*next), &*next), (memory, &*blank));
    }

    #[test]
    fn few_are_kept() {
        let mut spare = Spare::lent();
        let blank = Spare::default;
        (0..100).for_each(|_| spare.put_frame(blank().take_frame()));
        (0..100).for_each(|_| spare.put_request(blank().take_request(Format::Json)));
        let pools = spare.0.unwrap();
        let kept = (pools.frames.0.len(), pools.requests.0.len());
        assert_eq!(kept, (Workspace::BATCH, Workspace::STAGE));
    }
}
