//! An event on its way to the subscribers of a channel (`docs/protocol.md`, section 8).

use crate::{
    codec::{EncodeError, Format, written},
    envelope::Head,
    frame::Frame,
    message::EncodedEvent,
    raw::Raw,
};
use bytes::Bytes;
use bytestring::ByteString;
use std::{
    fmt,
    sync::{Mutex, OnceLock, PoisonError},
};

/// An event with its position in a channel: encoded at most once per format, when the first
/// subscriber of that format is sent it, and shared by all of them. Nothing per-subscriber stands
/// in its bytes.
#[derive(Debug)]
pub struct Publication {
    /// The header that both encodings share.
    pub head: Head,
    size: usize,
    latest: Option<ByteString>,
    json: Encoding,
    message_pack: Encoding,
}

/// The whole message in one format, or what it is made of.
struct Encoding {
    /// Given away to the message, so that an event is never kept twice in one format.
    payload: Mutex<Option<Raw>>,
    message: OnceLock<Bytes>,
}

impl Publication {
    /// The event, to be encoded when somebody is sent it.
    ///
    /// # Errors
    ///
    /// When the header breaks a bound of section 2.
    pub fn new(head: Head, event: &EncodedEvent) -> Result<Self, EncodeError> {
        head.check()?;
        let [json, message_pack] = [Format::Json, Format::MessagePack].map(|f| event.payload(f));
        let payload = json.bytes().len().max(message_pack.bytes().len());
        Ok(Self {
            size: head.json_size() + payload,
            latest: None,
            json: Encoding::of(json),
            message_pack: Encoding::of(message_pack),
            head,
        })
    }

    /// The event of a channel declared `latest`: it takes the place of an older one that says the
    /// same thing and still waits.
    ///
    /// # Errors
    ///
    /// As [`Publication::new`].
    pub fn latest_of(head: Head, event: &EncodedEvent) -> Result<Self, EncodeError> {
        let publication = Self::new(head, event)?;
        Ok(Self { latest: Some(event.latest().clone()), ..publication })
    }

    /// What names its value, on a channel declared `latest`; `None` on every other.
    #[must_use]
    pub const fn latest(&self) -> Option<&ByteString> {
        self.latest.as_ref()
    }

    /// Bytes of the message: those of the header in JSON, where it is the larger, and of the larger
    /// payload. No encoding is larger. This is what bounds count.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.size
    }

    /// The whole message in one format.
    #[must_use]
    pub fn bytes(&self, format: Format) -> &Bytes {
        let encoding = match format {
            Format::Json => &self.json,
            Format::MessagePack => &self.message_pack,
        };
        encoding.message.get_or_init(|| encoding.encode(&self.head, format))
    }
}

impl Encoding {
    fn of(payload: &Raw) -> Self {
        Self { payload: Mutex::new(Some(payload.clone())), message: OnceLock::new() }
    }

    fn encode(&self, head: &Head, format: Format) -> Bytes {
        let payload = self.payload.lock().unwrap_or_else(PoisonError::into_inner).take();
        let frame = payload.map(Frame::Message);
        // The header was checked and the payload is encoded: there is nothing left that can fail.
        let message =
            frame.and_then(|frame| written(|out| format.encode_envelope(head, &frame, out)).ok());
        debug_assert!(message.is_some(), "a publication cannot be encoded");
        message.unwrap_or_default()
    }
}

impl fmt::Debug for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.message.get().is_some() { "Encoded" } else { "NotEncoded" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        codec::DecodeError,
        ids::MessageId,
        message::{EventSet, EventSpec},
    };
    use proptest::prelude::*;
    use std::sync::Arc;

    struct Told(String);

    impl EventSet for Told {
        const SPECS: &'static [EventSpec] = &[];

        fn kind(&self) -> &'static str {
            "told"
        }

        fn encode(&self, format: Format) -> Result<Raw, EncodeError> {
            Raw::encode(format, &self.0)
        }

        fn decode(_: &str, payload: &Raw) -> Result<Self, DecodeError> {
            payload.decode().map(Self)
        }
    }

    fn told(text: &str) -> EncodedEvent {
        EncodedEvent::new("news", &Told(text.to_owned())).unwrap()
    }

    fn head() -> Head {
        Head::new("news.told".into(), MessageId(uuid::Uuid::nil()), 7)
    }

    #[test]
    fn a_message_is_encoded_once_and_its_payload_is_given_away() {
        let publication = Publication::new(head(), &told("hello")).unwrap();
        assert!(publication.json.message.get().is_none());
        let first = publication.bytes(Format::Json).as_ptr();
        assert_eq!(publication.bytes(Format::Json).as_ptr(), first);
        assert!(publication.json.payload.lock().unwrap().is_none());
        assert!(publication.message_pack.message.get().is_none(), "nobody wanted it");
    }

    #[test]
    fn threads_that_want_it_at_once_share_one_message() {
        let publication = Arc::new(Publication::new(head(), &told("hello")).unwrap());
        let wants = || {
            let publication = Arc::clone(&publication);
            move || publication.bytes(Format::MessagePack).clone()
        };
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(wants())).collect();
        let messages: Vec<_> = threads.into_iter().map(|it| it.join().unwrap()).collect();
        assert!(!messages[0].is_empty());
        assert!(messages.iter().all(|message| message.as_ptr() == messages[0].as_ptr()));
    }

    #[test]
    fn a_header_past_its_bounds_is_refused_at_once() {
        let late = Head { ts: u64::MAX, ..head() };
        assert!(Publication::new(late, &told("hello")).is_err());
    }

    proptest! {
        #[test]
        fn no_encoding_is_larger_than_the_size_and_json_says_it_exactly(
            kind in "[ -~\n\u{0}\u{7f}é]{1,40}",
            text in "[a-z\"\n]{0,60}",
            ch in proptest::option::of("[a-z/%\\\\]{0,40}"),
            ts in 0..=crate::Limits::MAX_INTEGER,
            off in proptest::option::of(0..=crate::Limits::MAX_INTEGER),
            other in proptest::option::of(0..1000_u64),
        ) {
            let mut head = Head::new(kind.into(), MessageId(uuid::Uuid::nil()), ts);
            head.ch = ch.map(Into::into);
            (head.off, head.prev) = (off, off.map(|off| off / 7));
            (head.seq, head.ack, head.ttl) = (other, other, other);
            head.re = other.map(|_| head.id);
            head.key = other.map(|n| n.to_string().into());
            head.tp = head.key.clone();
            let event = told(&text);
            let publication = Publication::new(head, &event).unwrap();
            let [json, pack] = [Format::Json, Format::MessagePack]
                .map(|f| (publication.bytes(f).len(), event.payload(f).bytes().len()));
            prop_assert_eq!(publication.size() - json.1.max(pack.1), json.0 - json.1);
            prop_assert!(pack.0 <= publication.size() && json.0 <= publication.size());
        }
    }
}
