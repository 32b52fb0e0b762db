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
/// The same for what they are answered.
const FRAMES: usize = 16;

/// Memory that sessions work in, one after another. It holds nothing but itself.
#[derive(Debug)]
pub struct Workspace {
    events: VecDeque<Event>,
    spare: Spare,
}

/// Memory of what is done with, for what comes next. A session's own has room for none.
#[derive(Debug, Default)]
pub(super) struct Spare {
    requests: Pool<Request>,
    frames: Pool<Envelope>,
}

/// Boxes that hold nothing but their own memory, as many as there is room for.
#[derive(Debug)]
struct Pool<T>(Vec<Box<T>>);

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

impl Default for Workspace {
    fn default() -> Self {
        Self { events: VecDeque::new(), spare: Spare::with_room() }
    }
}

impl Spare {
    fn with_room() -> Self {
        let (requests, frames) = (Vec::with_capacity(REQUESTS), Vec::with_capacity(FRAMES));
        Self { requests: Pool(requests), frames: Pool(frames) }
    }

    /// A request that says nothing yet.
    pub(super) fn take_request(&mut self, format: Format) -> Box<Request> {
        self.requests.0.pop().unwrap_or_else(|| Box::new(Request::blank(format)))
    }

    /// Takes a request that is done with.
    pub(super) fn put_request(&mut self, done: Box<Request>) {
        self.requests.put(done, |done| {
            done.kind = ByteString::new();
            done.payload = Raw::null(done.payload.format());
            (done.key, done.tp) = (None, None);
        });
    }

    /// A frame that says nothing yet.
    pub(super) fn take_frame(&mut self) -> Box<Envelope> {
        self.frames.0.pop().unwrap_or_else(|| {
            let head = Head::new(ByteString::new(), MessageId::NIL, 0);
            Box::new(Envelope { head, frame: Frame::End })
        })
    }

    /// Takes a frame that is done with.
    pub(super) fn put_frame(&mut self, done: Box<Envelope>) {
        self.frames.put(done, |done| {
            done.head = Head::new(ByteString::new(), done.head.id, 0);
            done.frame = Frame::End;
        });
    }
}

impl<T> Pool<T> {
    /// Takes a box, and lets go of what it held where it is kept: else it goes with it.
    fn put(&mut self, mut done: Box<T>, empty: impl FnOnce(&mut T)) {
        if self.0.len() < self.0.capacity() {
            empty(&mut done);
            self.0.push(done);
        }
    }
}

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_with_gives_its_memory_to_the_next_and_nothing_else() {
        let mut spare = Spare::with_room();
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
        let mut spare = Spare::with_room();
        let blank = Spare::default;
        (0..100).for_each(|_| spare.put_frame(blank().take_frame()));
        (0..100).for_each(|_| spare.put_request(blank().take_request(Format::Json)));
        assert_eq!((spare.frames.0.len(), spare.requests.0.len()), (FRAMES, REQUESTS));
    }

    #[test]
    fn a_session_that_is_lent_no_memory_keeps_none() {
        let mut spare = Spare::default();
        spare.put_frame(Spare::default().take_frame());
        spare.put_request(Spare::default().take_request(Format::Json));
        assert_eq!((spare.frames.0.capacity(), spare.requests.0.capacity()), (0, 0));
    }
}
