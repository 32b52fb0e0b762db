//! One unit on the wire: header and payload (`docs/protocol.md`, section 2).

use crate::{
    codec::{DecodeError, EncodeError, Format},
    frame::Frame,
    ids::MessageId,
};
use bytes::Bytes;
use bytestring::ByteString;

/// The header of an envelope. Fields that do not apply are `None`, and absent on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// `type`: names the shape of the payload.
    pub kind: ByteString,
    /// Unique per message.
    pub id: MessageId,
    /// The sender's clock, in milliseconds since the Unix epoch. Information only.
    pub ts: u64,
    /// The `id` of the message that this one answers.
    pub re: Option<MessageId>,
    /// The place in the sender's session stream, from 1.
    pub seq: Option<u64>,
    /// The highest `seq` of the peer below which nothing is missing.
    pub ack: Option<u64>,
    /// The channel's address, as it came: not yet checked.
    pub ch: Option<ByteString>,
    /// The position in the channel.
    pub off: Option<u64>,
    /// The position before it in that channel.
    pub prev: Option<u64>,
    /// The idempotency key.
    pub key: Option<ByteString>,
    /// How long this message is worth sending or working on, in milliseconds.
    pub ttl: Option<u64>,
    /// W3C traceparent.
    pub tp: Option<ByteString>,
}

impl Head {
    /// A header with the three fields that are always there.
    #[must_use]
    pub const fn new(kind: ByteString, id: MessageId, ts: u64) -> Self {
        Self {
            kind,
            id,
            ts,
            re: None,
            seq: None,
            ack: None,
            ch: None,
            off: None,
            prev: None,
            key: None,
            ttl: None,
            tp: None,
        }
    }
}

/// One unit on the wire.
#[derive(Clone, Debug, PartialEq)]
pub struct Envelope {
    /// The header.
    pub head: Head,
    /// The body.
    pub frame: Frame,
}

impl Envelope {
    /// Decodes one WebSocket message. The header and the payload of control frames are decoded;
    /// the application's payloads stay bytes, shared with `message`.
    ///
    /// # Errors
    ///
    /// When the message is not exactly one envelope of the format, see [`DecodeError`].
    pub fn decode(format: Format, message: &Bytes) -> Result<Self, DecodeError> {
        let mut head = Head::blank();
        let payload = format.read_head(message, &mut head)?;
        if head.kind.as_bytes().first() == Some(&b'$') {
            let frame = Frame::decode_payload(&head.kind, payload)?;
            return Ok(Self { head, frame });
        }
        // Nearly every message is one of the application, whose payload stays bytes.
        Ok(Self { head, frame: Frame::Message(payload) })
    }

    /// Appends the message to `out`.
    ///
    /// # Errors
    ///
    /// When the payload cannot be expressed in the format; `out` is then as it was.
    pub fn encode(&self, format: Format, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        format.encode_envelope(&self.head, &self.frame, out)
    }
}
