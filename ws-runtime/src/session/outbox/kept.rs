//! What was sent and is not acknowledged (`docs/protocol.md`, section 6): the messages as they were
//! encoded, one behind the other in memory of the session. An acknowledgement forgets them without
//! a look at any, and the few that are sent again are decoded for it.

use crate::session::resting::relieve;
use bytes::Bytes;
use std::{collections::VecDeque, fmt};
use ws_proto::{Envelope, Format};

/// No more memory than this is taken ahead of what needs it.
const AHEAD: usize = 64 * 1024;
/// Bytes of a small message.
const SMALL: usize = 256;

#[derive(Default)]
pub(super) struct Kept {
    bytes: VecDeque<u8>,
    /// Where each message ends, counted on from message to message, and its format.
    ends: VecDeque<(usize, Format)>,
}

impl Kept {
    /// How many messages there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Bytes of all of them.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn push(&mut self, message: &[u8], format: Format) {
        let capacity = self.bytes.capacity();
        if capacity - self.bytes.len() < message.len() {
            self.bytes.reserve_exact(message.len().max(capacity.min(AHEAD)));
        }
        let begin = self.ends.back().map_or(0, |(end, _)| *end);
        self.bytes.extend(message);
        self.ends.push_back((begin.wrapping_add(message.len()), format));
    }

    /// Forgets so many, the oldest first.
    pub(super) fn forget(&mut self, count: usize) {
        if count >= self.ends.len() {
            return self.clear();
        }
        let begin = self.begin_of(count);
        self.bytes.drain(..begin);
        self.ends.drain(..count);
    }

    /// Forgets all. What comes next begins at the start of the memory again: a ring goes round all
    /// of it, and a processor's cache holds little of what many sessions go round.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// One of them, from the oldest on; `None` when there is none, or it cannot be decoded.
    pub(super) fn get(&self, at: usize) -> Option<Envelope> {
        let (message, format) = self.message(at)?;
        Envelope::decode(format, &message).ok()
    }

    /// Puts others in the places of those for which `with` gives one.
    pub(super) fn replace(&mut self, with: impl Fn(Envelope) -> Option<Envelope>) {
        let mut replaced = Self::default();
        let mut other = Vec::new();
        for at in 0..self.len() {
            let Some((message, format)) = self.message(at) else { continue };
            other.clear();
            let with = Envelope::decode(format, &message).ok().and_then(&with);
            let is_other = with.is_some_and(|with| with.encode(format, &mut other).is_ok());
            replaced.push(if is_other { &other } else { &message }, format);
        }
        *self = replaced;
    }

    /// Gives back memory that nothing uses, but for so many messages.
    pub(super) fn rest(&mut self, kept: usize) {
        relieve(&mut self.bytes, kept * SMALL);
        relieve(&mut self.ends, kept);
    }

    fn message(&self, at: usize) -> Option<(Bytes, Format)> {
        let (_, format) = *self.ends.get(at)?;
        let places = self.begin_of(at)..self.begin_of(at + 1);
        let message: Vec<u8> = self.bytes.range(places).copied().collect();
        Some((message.into(), format))
    }

    /// Where a message begins among the bytes, or where the last ends.
    fn begin_of(&self, at: usize) -> usize {
        let Some(before) = at.checked_sub(1) else { return 0 };
        let end = |at: Option<&(usize, Format)>| at.map_or(0, |(end, _)| *end);
        let behind = end(self.ends.back()).wrapping_sub(end(self.ends.get(before)));
        self.bytes.len() - behind
    }
}

/// Its messages are other people's: it shows how many there are.
impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} messages of {} bytes", self.len(), self.bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use ws_proto::{Frame, Head, MessageId, Raw};

    fn message(format: Format, number: u64) -> Envelope {
        let kind = "x".repeat(1 + usize::try_from(number % 60).unwrap());
        let mut head = Head::new(kind.into(), MessageId(uuid::Uuid::nil()), number);
        head.seq = Some(number);
        Envelope { head, frame: Frame::Message(Raw::encode(format, &number).unwrap()) }
    }

    fn push(kept: &mut Kept, format: Format, envelope: &Envelope) {
        let mut message = Vec::new();
        envelope.encode(format, &mut message).unwrap();
        kept.push(&message, format);
    }

    fn all(kept: &Kept) -> Vec<Option<Envelope>> {
        (0..kept.len()).map(|at| kept.get(at)).collect()
    }

    #[derive(Clone, Debug)]
    enum Step {
        Push(bool),
        Forget(usize),
        Rest(usize),
        Replace(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => any::<bool>().prop_map(Step::Push),
            2 => (0..8_usize).prop_map(Step::Forget),
            1 => (0..4_usize).prop_map(Step::Rest),
            1 => (1..4_u64).prop_map(Step::Replace),
        ]
    }

    proptest! {
        #[test]
        fn it_gives_what_was_put_in(steps in prop::collection::vec(step(), 0..60)) {
            let mut kept = Kept::default();
            // One that is nothing, after as many bytes as can be counted.
            kept.ends.push_back((usize::MAX - 500, Format::Json));
            let mut queue = VecDeque::from([None]);
            for (number, step) in (1..).zip(steps) {
                match step {
                    Step::Push(is_text) => {
                        let format = Format::ALL[usize::from(is_text)];
                        let envelope = message(format, number);
                        push(&mut kept, format, &envelope);
                        queue.push_back(Some(envelope));
                    }
                    Step::Forget(count) => {
                        kept.forget(count);
                        queue.drain(..count.min(queue.len()));
                    }
                    Step::Rest(few) => kept.rest(few),
                    Step::Replace(factor) => {
                        let other = |mut envelope: Envelope| {
                            envelope.head.ts *= factor;
                            envelope.head.ts.is_multiple_of(2).then_some(envelope)
                        };
                        kept.replace(other);
                        for envelope in queue.iter_mut().flatten() {
                            *envelope = other(envelope.clone()).unwrap_or(envelope.clone());
                        }
                    }
                }
                prop_assert_eq!(all(&kept), Vec::from(queue.clone()));
                prop_assert!(kept.get(kept.len()).is_none());
            }
        }
    }

    #[test]
    fn memory_is_taken_for_what_comes_and_little_more() {
        let mut kept = Kept::default();
        kept.push(&[b'x'; 200], Format::Json);
        assert_eq!(kept.bytes.capacity(), 200, "one that is kept alone costs itself");
        for _ in 0..10_000 {
            kept.push(&[b'x'; 200], Format::Json);
            let spare = kept.bytes.capacity() - kept.bytes();
            assert!(spare <= kept.bytes().min(AHEAD), "{spare} of {}", kept.bytes());
        }
        kept.forget(10_000);
        kept.rest(0);
        assert_eq!((kept.bytes(), kept.bytes.capacity()), (200, 200));
    }

    #[test]
    fn it_says_nothing_of_what_is_in_it() {
        let mut kept = Kept::default();
        kept.push(b"secret", Format::Json);
        assert_eq!(format!("{kept:?}"), "1 messages of 6 bytes");
    }
}
