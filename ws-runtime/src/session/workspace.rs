//! Memory that a session needs while it works, and not between: whoever drives many of them lends
//! each the same, which a processor still has at hand.

use super::{
    Session,
    event::{Event, Request},
    resting::relieve,
};
use bytestring::ByteString;
use std::{collections::VecDeque, mem};
use ws_proto::{Envelope, Format, Frame, Head, MessageId, Raw};

/// Entries for which the queue of events may keep room.
const EVENTS: usize = 64;
/// As many as are worked on together; more wait only where the application is slow.
const REQUESTS: usize = 16;
/// A peer that acknowledges many at once leaves no more behind.
const FRAMES: usize = 32;

/// Memory that sessions work in, one after another. It holds nothing but itself.
#[derive(Debug, Default)]
pub struct Workspace {
    events: VecDeque<Event>,
    spare: Spare,
}

/// Memory of what is done with, for what comes next.
#[derive(Debug, Default)]
pub(super) struct Spare {
    pub(super) requests: Pool<Request, REQUESTS>,
    pub(super) frames: Pool<Envelope, FRAMES>,
}

/// Boxes that hold nothing but their own memory, at most so many.
#[derive(Debug)]
pub(super) struct Pool<T, const MOST: usize>(Vec<Box<T>>);

impl Session {
    /// Exchanges the memory that the session works in for this. Nothing changes that can be seen
    /// from outside: what it has to tell stays with it.
    pub fn exchange(&mut self, workspace: &mut Workspace) {
        mem::swap(&mut self.spare, &mut workspace.spare);
        if self.events.is_empty() {
            mem::swap(&mut self.events, &mut workspace.events);
        }
        relieve(&mut workspace.events, EVENTS);
    }
}

impl Pool<Request, REQUESTS> {
    /// A request that says nothing yet.
    pub(super) fn take(&mut self, format: Format) -> Box<Request> {
        self.0.pop().unwrap_or_else(|| Box::new(Request::blank(format)))
    }

    /// Takes a request that is done with, and lets go of what it held.
    pub(super) fn put(&mut self, mut done: Box<Request>) {
        if self.0.len() < REQUESTS {
            done.kind = ByteString::new();
            done.payload = Raw::null(done.payload.format());
            (done.key, done.tp) = (None, None);
            self.0.push(done);
        }
    }
}

impl Pool<Envelope, FRAMES> {
    /// A frame that says nothing yet.
    pub(super) fn take(&mut self) -> Box<Envelope> {
        self.0.pop().unwrap_or_else(|| {
            let head = Head::new(ByteString::new(), MessageId::NIL, 0);
            Box::new(Envelope { head, frame: Frame::End })
        })
    }

    /// Takes a frame that is done with, and lets go of what it held.
    pub(super) fn put(&mut self, mut done: Box<Envelope>) {
        if self.0.len() < FRAMES {
            done.head = Head::new(ByteString::new(), done.head.id, 0);
            done.frame = Frame::End;
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
    fn what_is_acknowledged_gives_its_memory_to_the_next_and_nothing_else() {
        let mut frames = Spare::default().frames;
        let payload = bytes::Bytes::from(vec![b'1'; 100]);
        let mut done = frames.take();
        (done.head.kind, done.head.seq) = ("say.ok".into(), Some(1));
        done.frame = Frame::Message(Raw::new(Format::Json, payload.clone()));
        let memory = std::ptr::from_ref(&*done);
        assert!(!payload.is_unique());
        frames.put(done);
        assert!(payload.is_unique(), "the payload is let go at once");
        let next = frames.take();
        let blank = Spare::default().frames.take();
        assert_eq!((std::ptr::from_ref(&*next), &*next), (memory, &*blank));
    }

    #[test]
    fn few_are_kept() {
        let mut spare = Spare::default();
        (0..100).for_each(|_| spare.frames.put(Spare::default().frames.take()));
        let blank = || Spare::default().requests.take(Format::Json);
        (0..100).for_each(|_| spare.requests.put(blank()));
        assert_eq!((spare.frames.0.len(), spare.requests.0.len()), (FRAMES, REQUESTS));
    }
}
