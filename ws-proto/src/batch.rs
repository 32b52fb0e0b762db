//! Events of one channel that leave together (`docs/protocol.md`, section 8).

use crate::{codec::Format, publication::Publication};
use bytes::Bytes;
use bytestring::ByteString;
use std::sync::{Arc, OnceLock};

/// Events of one channel that follow each other, shared by all subscribers that are sent them.
///
/// Each is a message of its own on the wire; together they are handed on once and not one by one.
#[derive(Debug)]
pub struct Batch {
    events: Vec<Arc<Publication>>,
    kinds: Vec<ByteString>,
    size: usize,
    json: OnceLock<Bytes>,
    message_pack: OnceLock<Bytes>,
}

impl Batch {
    /// Most events of a batch. Its bytes are bounded by whoever makes it.
    pub const MAX: usize = 64;

    /// A batch of these events, in their order.
    #[must_use]
    pub fn new(events: Vec<Arc<Publication>>) -> Self {
        let mut kinds: Vec<ByteString> = Vec::with_capacity(1);
        for event in &events {
            // The kinds of a channel are few.
            if !kinds.contains(&event.head.kind) {
                kinds.push(event.head.kind.clone());
            }
        }
        Self {
            size: events.iter().map(|event| event.size()).sum(),
            kinds,
            events,
            json: OnceLock::new(),
            message_pack: OnceLock::new(),
        }
    }

    /// The events, in their order.
    #[must_use]
    pub fn events(&self) -> &[Arc<Publication>] {
        &self.events
    }

    /// The `type` of each event, said once.
    #[must_use]
    pub fn kinds(&self) -> &[ByteString] {
        &self.kinds
    }

    /// The sum of [`Publication::size`] of its events.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.size
    }

    /// What is left when the oldest events are dropped, at least so many and at least so many bytes
    /// of them; `None` when nothing is.
    #[must_use]
    pub fn without_oldest(&self, events: usize, bytes: usize) -> Option<Self> {
        let (mut rest, mut dropped, mut size) = (self.events.as_slice(), 0, 0);
        while let [oldest, others @ ..] = rest
            && (dropped < events || size < bytes)
        {
            dropped += 1;
            size += oldest.size();
            rest = others;
        }
        (!rest.is_empty()).then(|| Self::new(rest.to_vec()))
    }

    /// The events as a server sends them over WebSocket: each in an unmasked frame of its own. Made
    /// once per format, when the first subscriber of that format is sent them.
    #[must_use]
    pub fn frames(&self, format: Format) -> &Bytes {
        let frames = match format {
            Format::Json => &self.json,
            Format::MessagePack => &self.message_pack,
        };
        frames.get_or_init(|| {
            let messages = self.events.iter().map(|event| event.bytes(format));
            let bytes = messages.clone().map(|message| message.len() + FRAME_HEAD).sum();
            let mut frames = Vec::with_capacity(bytes);
            for message in messages {
                write_frame_head(format, message.len(), false, &mut frames);
                frames.extend_from_slice(message);
            }
            frames.into()
        })
    }
}

/// The most bytes before the mask of a WebSocket frame.
pub const FRAME_HEAD: usize = 10;

/// Writes what stands before the mask and the content of a data frame that is a whole message
/// (RFC 6455, section 5.2).
pub fn write_frame_head(format: Format, length: usize, is_masked: bool, to: &mut Vec<u8>) {
    let final_and_kind = match format {
        Format::Json => 0x81,
        Format::MessagePack => 0x82,
    };
    let masked = if is_masked { 0x80 } else { 0 };
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(length @ ..126), _) => to.extend_from_slice(&[final_and_kind, masked | length]),
        (_, Ok(length)) => {
            let [high, low] = length.to_be_bytes();
            to.extend_from_slice(&[final_and_kind, masked | 0x7e, high, low]);
        }
        _ => {
            to.extend_from_slice(&[final_and_kind, masked | 0x7f]);
            to.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        codec::{DecodeError, EncodeError, Format},
        envelope::Head,
        ids::MessageId,
        message::{EncodedEvent, EventSet, EventSpec},
        raw::Raw,
    };

    struct Said;

    impl EventSet for Said {
        const SPECS: &'static [EventSpec] = &[];

        fn kind(&self) -> &'static str {
            "said"
        }

        fn encode(&self, format: Format) -> Result<Raw, EncodeError> {
            Raw::encode(format, &1)
        }

        fn decode(_: &str, _: &Raw) -> Result<Self, DecodeError> {
            Ok(Self)
        }
    }

    #[test]
    fn as_few_of_the_oldest_are_dropped_as_have_to() {
        let event = |ts| {
            let head = Head::new("r.a".into(), MessageId(uuid::Uuid::nil()), ts);
            Arc::new(Publication::new(head, &EncodedEvent::new("r", &Said).unwrap()).unwrap())
        };
        let batch = Batch::new((1..=4).map(event).collect());
        let one = batch.size() / 4;
        let left = |events, bytes| {
            let rest = batch.without_oldest(events, bytes)?;
            assert_eq!(rest.size(), one * rest.events().len());
            Some(rest.events().iter().map(|event| event.head.ts).collect::<Vec<_>>())
        };
        assert_eq!(left(0, 0), Some(vec![1, 2, 3, 4]));
        assert_eq!(left(1, 0), Some(vec![2, 3, 4]));
        assert_eq!(left(0, 2 * one), Some(vec![3, 4]));
        assert_eq!(left(1, 2 * one + 1), Some(vec![4]));
        assert_eq!(left(4, 0), None);
        assert_eq!(left(0, usize::MAX), None);
    }

    #[test]
    fn a_batch_names_each_kind_once_and_counts_all_bytes() {
        let event = |kind: &'static str| {
            let head = Head::new(kind.into(), MessageId(uuid::Uuid::nil()), 7);
            Arc::new(Publication::new(head, &EncodedEvent::new("r", &Said).unwrap()).unwrap())
        };
        let events = vec![event("r.a"), event("r.bb"), event("r.a")];
        let size: usize = events.iter().map(|event| event.size()).sum();
        let batch = Batch::new(events);
        assert_eq!((batch.size(), batch.events().len()), (size, 3));
        assert_eq!(batch.kinds(), ["r.a", "r.bb"]);
        for (format, kind) in [(Format::Json, 0x81), (Format::MessagePack, 0x82)] {
            let mut expected = Vec::new();
            for event in batch.events() {
                let message = event.bytes(format);
                expected.extend([kind, u8::try_from(message.len()).unwrap()]);
                expected.extend_from_slice(message);
            }
            assert_eq!(batch.frames(format), &expected);
            assert_eq!(batch.frames(format).as_ptr(), batch.frames(format).as_ptr());
        }
    }
}
