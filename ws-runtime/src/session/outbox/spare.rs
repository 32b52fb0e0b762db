//! The memory of frames that were acknowledged, for the next ones: answers come as fast as the
//! frames before them are acknowledged.

use super::{super::resting::relieve, Outbox};
use bytestring::ByteString;
use std::sync::Arc;
use ws_proto::{Envelope, Frame, Head};

/// More are given back: a peer that acknowledges many at once leaves no more behind.
const KEPT: usize = 32;

impl Outbox {
    /// The frame in memory that can be shared, most often that of one which was acknowledged.
    pub(in crate::session) fn shared(&mut self, envelope: Envelope) -> Arc<Envelope> {
        self.spare.share(envelope)
    }

    /// Gives back memory that nothing uses, but for so many frames.
    pub(in crate::session) fn rest(&mut self, kept: usize) {
        relieve(&mut self.queue, kept);
        relieve(&mut self.sent, kept);
        self.spare.0.truncate(kept);
        if kept == 0 {
            self.spare.0 = Vec::new();
        }
    }
}

/// Frames that hold nothing but their own memory.
#[derive(Debug, Default)]
pub(super) struct Spare(Vec<Arc<Envelope>>);

impl Spare {
    /// Takes a frame that is done with, and lets go of what it held.
    pub(super) fn put(&mut self, mut done: Arc<Envelope>) {
        if self.0.len() < KEPT
            && let Some(Envelope { head, frame }) = Arc::get_mut(&mut done)
        {
            *head = Head::new(ByteString::new(), head.id, 0);
            *frame = Frame::End;
            self.0.push(done);
        }
    }

    /// The frame in memory that can be shared.
    pub(super) fn share(&mut self, envelope: Envelope) -> Arc<Envelope> {
        if let Some(mut spare) = self.0.pop()
            && let Some(place) = Arc::get_mut(&mut spare)
        {
            *place = envelope;
            return spare;
        }
        Arc::new(envelope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ws_proto::{Format, Limits, MessageId, Raw};

    fn envelope(payload: &'static [u8]) -> Envelope {
        let head = Head::new("say.ok".into(), MessageId(uuid::Uuid::nil()), 1);
        Envelope { head, frame: Frame::Message(Raw::new(Format::Json, payload.into())) }
    }

    #[test]
    fn what_is_acknowledged_gives_its_memory_to_the_next_and_nothing_else() {
        let mut spare = Spare::default();
        let payload = bytes::Bytes::from(vec![b'1'; 100]);
        let head = envelope(b"").head;
        let raw = Raw::new(Format::Json, payload.clone());
        let done = spare.share(Envelope { head, frame: Frame::Message(raw) });
        let memory = Arc::as_ptr(&done);
        assert!(!payload.is_unique());
        spare.put(done);
        assert!(payload.is_unique(), "the payload is let go at once");
        let next = spare.share(envelope(b"2"));
        assert_eq!((Arc::as_ptr(&next), &*next), (memory, &envelope(b"2")));
    }

    #[test]
    fn a_frame_that_somebody_else_has_is_not_written_over() {
        let mut spare = Spare::default();
        let done = Arc::new(envelope(b"1"));
        spare.put(Arc::clone(&done));
        assert_eq!((spare.0.len(), &*done), (0, &envelope(b"1")));
    }

    #[test]
    fn few_are_kept_and_none_at_rest() {
        let mut spare = Spare::default();
        (0..100).for_each(|_| spare.put(Arc::new(envelope(b"1"))));
        let mut outbox = Outbox::new(&Limits::default());
        outbox.spare = spare;
        assert_eq!(outbox.spare.0.len(), KEPT);
        outbox.rest(KEPT);
        assert_eq!(outbox.spare.0.len(), KEPT);
        outbox.rest(0);
        assert_eq!(outbox.spare.0.capacity(), 0);
    }
}
