//! The memory of frames that were acknowledged, for the next ones: answers come as fast as the
//! frames before them are acknowledged.

use super::{super::resting::relieve, Outbox};
use bytestring::ByteString;
use ws_proto::{Envelope, Frame, Head, MessageId};

/// More are given back: a peer that acknowledges many at once leaves no more behind.
const KEPT: usize = 32;

impl Outbox {
    /// A frame that says nothing yet, most often in the memory of one that was acknowledged.
    pub(in crate::session) fn blank(&mut self) -> Box<Envelope> {
        self.spare.take()
    }

    /// Gives back memory of the queue that nothing uses, but for so many frames.
    pub(in crate::session) fn rest_queue(&mut self, kept: usize) {
        self.queue.rest(kept);
    }

    /// Gives back the other memory that nothing uses, but for so many frames.
    pub(in crate::session) fn rest(&mut self, kept: usize) {
        relieve(&mut self.sent, kept);
        self.spare.0.truncate(kept);
        if kept == 0 {
            self.spare.0 = Vec::new();
        }
    }
}

/// Frames that hold nothing but their own memory.
#[derive(Debug, Default)]
#[expect(clippy::vec_box, reason = "the boxes are what is kept, and are given out again")]
pub(super) struct Spare(Vec<Box<Envelope>>);

impl Spare {
    /// Takes a frame that is done with, and lets go of what it held.
    pub(super) fn put(&mut self, mut done: Box<Envelope>) {
        if self.0.len() < KEPT {
            done.head = Head::new(ByteString::new(), done.head.id, 0);
            done.frame = Frame::End;
            self.0.push(done);
        }
    }

    /// A frame that says nothing yet.
    pub(super) fn take(&mut self) -> Box<Envelope> {
        self.0.pop().unwrap_or_else(|| {
            let head = Head::new(ByteString::new(), MessageId::NIL, 0);
            Box::new(Envelope { head, frame: Frame::End })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ws_proto::{Format, Limits, Raw};

    #[test]
    fn what_is_acknowledged_gives_its_memory_to_the_next_and_nothing_else() {
        let mut spare = Spare::default();
        let payload = bytes::Bytes::from(vec![b'1'; 100]);
        let mut done = spare.take();
        (done.head.kind, done.head.seq) = ("say.ok".into(), Some(1));
        done.frame = Frame::Message(Raw::new(Format::Json, payload.clone()));
        let memory = std::ptr::from_ref(&*done);
        assert!(!payload.is_unique());
        spare.put(done);
        assert!(payload.is_unique(), "the payload is let go at once");
        let next = spare.take();
        assert_eq!((std::ptr::from_ref(&*next), &*next), (memory, &*Spare::default().take()));
    }

    #[test]
    fn few_are_kept_and_none_at_rest() {
        let mut spare = Spare::default();
        (0..100).for_each(|_| spare.put(Spare::default().take()));
        let mut outbox = Outbox::new(&Limits::default());
        outbox.spare = spare;
        assert_eq!(outbox.spare.0.len(), KEPT);
        outbox.rest(KEPT);
        assert_eq!(outbox.spare.0.len(), KEPT);
        outbox.rest(0);
        assert_eq!(outbox.spare.0.capacity(), 0);
    }
}
