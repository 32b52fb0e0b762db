//! Bytes <-> envelope (`docs/protocol.md`, sections 1 and 2).

mod checked;
mod digits;
mod error;
mod header;
mod json;
mod msgpack;
mod piece;
mod refused;
#[cfg(any(test, feature = "suite"))]
pub mod suite;
mod value;
mod word;

pub use error::{DecodeError, EncodeError};
pub use json::Json;
pub use msgpack::MessagePack;

use crate::{envelope::Head, frame::Frame, raw::Raw};
use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use std::{cell::Cell, fmt};

/// A wire format: how an envelope becomes one message, and back.
///
/// # One data model
///
/// All codecs read and write the same values, so that one schema describes them all and a
/// message means the same in each. A payload is null, a boolean, an integer within 2^53 - 1, a
/// finite float, text, bytes, a list, or a map with text keys, none of them twice. A struct is a
/// map; an enum is the text of its unit variant or a map of one entry. Bytes are base64 text (the
/// standard alphabet, padded) where the format has none of its own, and base64 text is read as
/// bytes everywhere. A type that reads a float also takes an integer, since JavaScript writes a
/// whole float without a point. `codec::suite` (feature `suite`) checks a codec with one line.
///
/// # Order
///
/// A message is checked from front to back: form, nesting and declared lengths first, by a scan
/// that allocates nothing; then the header; and the payload only when a type is there to decode it
/// into. The order of header fields in a map is free when read, and that of [`Head`] when written.
///
/// # Atomicity
///
/// What fails has no effect: on an error `out` is as it was, and no half-read envelope is
/// returned. A message is exactly one envelope; bytes after it are an error.
///
/// # Errors and bounds
///
/// No input panics, and none makes a codec reserve memory by a length that it only declares: what
/// is allocated is bounded by the length of the message. Errors name a rule and a place, and never
/// hold a value of the payload. A level of nesting is a list or a map; the envelope is the first,
/// so that the payload has one less than the limit of its format, [`crate::Limits::JSON_DEPTH`] or
/// [`crate::Limits::MSGPACK_DEPTH`].
pub trait Codec {
    /// The format's name in a [`Raw`].
    const FORMAT: Format;

    /// Checks the form of a whole message and decodes its header. The payload and the texts of the
    /// header share the bytes of `message`.
    ///
    /// # Errors
    ///
    /// When the message is not exactly one envelope.
    fn decode_head(message: &Bytes) -> Result<(Head, Raw), DecodeError>;

    /// Appends an envelope to `out`.
    ///
    /// # Errors
    ///
    /// When the header or the payload breaks a bound, or the payload is outside the data model.
    fn encode_envelope(head: &Head, frame: &Frame, out: &mut Vec<u8>) -> Result<(), EncodeError>;

    /// Checks the form of a payload that is not known to be well-formed.
    ///
    /// # Errors
    ///
    /// When the bytes are not exactly one value that may stand as a payload.
    fn scan_payload(bytes: &[u8]) -> Result<(), DecodeError>;

    /// Decodes a payload of good form straight into its type.
    ///
    /// # Errors
    ///
    /// When the value is not one of the type, or outside the data model.
    fn decode_scanned<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError>;

    /// Appends a payload to `out`.
    ///
    /// # Errors
    ///
    /// When the value is outside the data model.
    fn encode_payload<T: Serialize + ?Sized>(
        value: &T,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError>;

    /// Appends a payload of good form to `out` in another format. Bytes become base64 text in a
    /// format that has none of its own, and that text stays text on the way back.
    ///
    /// # Errors
    ///
    /// When the value is outside the data model, or nests deeper than the other format allows.
    fn transcode<To: Codec>(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError>;
}

/// A wire format. Chosen by the WebSocket sub-protocol, so that even the first frame is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// `wsp1.json`: text frames.
    Json,
    /// `wsp1.msgpack`: binary frames.
    MessagePack,
}

/// Runs an expression with `$codec` standing for the format's codec.
macro_rules! with_codec {
    ($format:expr, $codec:ident => $run:expr) => {
        match $format {
            Format::Json => {
                type $codec = Json;
                $run
            }
            Format::MessagePack => {
                type $codec = MessagePack;
                $run
            }
        }
    };
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 2] = [Self::Json, Self::MessagePack];

    /// The WebSocket sub-protocol that stands for this format.
    #[must_use]
    pub const fn subprotocol(self) -> &'static str {
        match self {
            Self::Json => "wsp1.json",
            Self::MessagePack => "wsp1.msgpack",
        }
    }

    /// The format that a sub-protocol stands for.
    #[must_use]
    pub fn from_subprotocol(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.subprotocol() == name)
    }

    /// Whether the format travels in text frames; binary frames otherwise.
    #[must_use]
    pub const fn is_text(self) -> bool {
        matches!(self, Self::Json)
    }

    /// Appends the encoded payload to `out`; on an error `out` is as it was.
    ///
    /// # Errors
    ///
    /// When the value is outside the data model of [`Codec`].
    #[inline]
    pub fn encode_payload<T: Serialize + ?Sized>(
        self,
        value: &T,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        with_codec!(self, C => C::encode_payload(value, out))
    }

    /// Checks the form of a payload and decodes it straight into its type.
    ///
    /// # Errors
    ///
    /// When the bytes are not exactly one value of the type, see [`DecodeError`].
    pub fn decode_payload<T: DeserializeOwned>(self, bytes: &[u8]) -> Result<T, DecodeError> {
        self.scan_payload(bytes)?;
        self.decode_scanned(bytes)
    }

    pub(crate) fn scan_payload(self, bytes: &[u8]) -> Result<(), DecodeError> {
        with_codec!(self, C => C::scan_payload(bytes))
    }

    #[inline]
    pub(crate) fn decode_scanned<T: DeserializeOwned>(
        self,
        bytes: &[u8],
    ) -> Result<T, DecodeError> {
        with_codec!(self, C => C::decode_scanned(bytes))
    }

    pub(crate) fn transcode(
        self,
        bytes: &[u8],
        to: Self,
        out: &mut Vec<u8>,
    ) -> Result<(), DecodeError> {
        with_codec!(self, From => with_codec!(to, To => From::transcode::<To>(bytes, out)))
    }

    /// [`Codec::decode_head`] into a blank header that is already where it stays: 256 bytes that
    /// would be moved more than once otherwise.
    #[inline]
    pub(crate) fn read_head(self, message: &Bytes, head: &mut Head) -> Result<Raw, DecodeError> {
        with_codec!(self, C => C::read_head(message, head))
    }

    pub(crate) fn encode_envelope(
        self,
        head: &Head,
        frame: &Frame,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        with_codec!(self, C => C::encode_envelope(head, frame, out))
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Json => "JSON",
            Self::MessagePack => "MessagePack",
        })
    }
}

/// Takes back what `write` appended when it fails.
#[inline]
fn whole<E>(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<(), E> {
    let start = out.len();
    let result = write(out);
    if result.is_err() {
        out.truncate(start);
    }
    result
}

/// What was written, in memory of exactly its length. The memory that it is written into is used
/// again: a payload grows by many small steps, and each thread would pay for all of them each time.
pub(crate) fn written<E>(write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<Bytes, E> {
    /// What a thread keeps.
    const KEPT: usize = 64 * 1024;
    thread_local! {
        static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    }
    SCRATCH.with(|scratch| {
        // Taken out and not borrowed: a value's own `Serialize` may encode another one.
        let mut out = scratch.take();
        out.clear();
        let written = write(&mut out).map(|()| Bytes::from(Box::from(out.as_slice())));
        if out.capacity() <= KEPT {
            scratch.set(out);
        }
        written
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_passes_the_suite() {
        suite::run::<Json>();
    }

    #[test]
    fn message_pack_passes_the_suite() {
        suite::run::<MessagePack>();
    }

    #[test]
    fn every_format_is_found_by_its_subprotocol() {
        for format in Format::ALL {
            assert_eq!(Format::from_subprotocol(format.subprotocol()), Some(format));
        }
        assert_eq!(Format::from_subprotocol("wsp2.json"), None);
        assert!(Format::Json.is_text() && !Format::MessagePack.is_text());
    }
}
