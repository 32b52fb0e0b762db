//! MessagePack: an array of five in a binary frame (`docs/protocol.md`, section 2).

mod scan;
mod source;
mod write;

use super::{
    Codec, DecodeError, EncodeError, Format,
    checked::Checked,
    error::{Broken, rule, without_values},
    header::{self, Field, Names, Seen},
    value::Value,
    whole,
};
use crate::{envelope::Head, frame::Frame, ids::MessageId, limits::Limits, raw::Raw};
use bytes::Bytes;
use bytestring::ByteString;
use scan::{NIL, NOT_UTF8, Scanner};
use serde::{Serialize, de::DeserializeOwned};
use serde_transcode::Transcoder;
use source::MessagePackSource;
use std::{collections::BTreeSet, fmt};
use uuid::Uuid;

/// `wsp1.msgpack`.
#[derive(Clone, Copy, Debug, Default)]
pub struct MessagePack;

/// The envelope's array is the first level.
const PAYLOAD_DEPTH: usize = Limits::MSGPACK_DEPTH - 1;
/// The header's map is the second.
const HEADER_DEPTH: usize = Limits::MSGPACK_DEPTH - 2;

/// A text of so many letters, and they.
static NAMES: Names = Names::new([0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7], b"");

/// `[type, id, ts, header, payload]`.
const FIELDS: u8 = 5;

impl MessagePack {
    /// Decodes the header into a blank one, where it stays.
    #[inline]
    pub(super) fn read_head(message: &Bytes, head: &mut Head) -> Result<Raw, DecodeError> {
        let scanner = Scanner::new(message);
        let mut reader = Reader { message, scanner, head, seen: Seen::default(), unknown: None };
        if reader.scanner.array()? != Some(usize::from(FIELDS)) {
            return Err(reader.scanner.broken("message that is not an array of five").into());
        }
        reader.places()?;
        reader.entries()?;
        header::check_read(reader.head)?;
        let mut scanner = reader.scanner;
        let start = scanner.at();
        scanner.value(PAYLOAD_DEPTH)?;
        scanner.end()?;
        Ok(Raw::scanned(Format::MessagePack, message.slice(start..)))
    }
}

impl Codec for MessagePack {
    const FORMAT: Format = Format::MessagePack;

    #[inline]
    fn decode_head(message: &Bytes) -> Result<(Head, Raw), DecodeError> {
        let mut head = Head::blank();
        let payload = Self::read_head(message, &mut head)?;
        Ok((head, payload))
    }

    fn encode_envelope(head: &Head, frame: &Frame, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        header::check_written(head)?;
        whole(out, |out| {
            write::head(head, out)?;
            match frame.encoded(Format::MessagePack) {
                Some(payload) => out.extend_from_slice(payload),
                None => frame.encode_payload(Format::MessagePack, out)?,
            }
            Ok(())
        })
    }

    fn scan_payload(bytes: &[u8]) -> Result<(), DecodeError> {
        let mut scanner = Scanner::new(bytes);
        scanner.value(PAYLOAD_DEPTH)?;
        scanner.end()?;
        Ok(())
    }

    fn decode_scanned<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
        let mut source = MessagePackSource::new(bytes, PAYLOAD_DEPTH);
        let value = T::deserialize(Value(&mut source));
        match value.and_then(|value| source.end().map(|()| value)) {
            Ok(value) => Ok(value),
            Err(error) => Err(refused(&error)),
        }
    }

    #[inline]
    fn encode_payload<T: Serialize + ?Sized>(
        value: &T,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        whole(out, |out| Checked::<Self>::write(value, PAYLOAD_DEPTH, out))
    }

    fn transcode<To: Codec>(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
        let mut source = MessagePackSource::new(bytes, PAYLOAD_DEPTH);
        let written = To::encode_payload(&Transcoder::new(Value(&mut source)), out);
        written.map_err(|error| refused(&without_values(&error)))
    }
}

#[cold]
fn refused(error: &dyn fmt::Display) -> DecodeError {
    DecodeError::Invalid(format!("payload: {error}"))
}

/// A header while it is read.
struct Reader<'a> {
    message: &'a Bytes,
    scanner: Scanner<'a>,
    head: &'a mut Head,
    seen: Seen,
    /// Names of header fields of a newer peer: they must not repeat either.
    unknown: Option<BTreeSet<&'a [u8]>>,
}

impl Reader<'_> {
    /// The fields that have their places in the array.
    #[inline]
    fn places(&mut self) -> Result<(), Broken> {
        let start = self.scanner.at();
        if self.usual_places().is_none() {
            self.scanner.back_to(start);
            self.value(Field::Type)?;
            self.value(Field::Id)?;
            self.value(Field::Ts)?;
        }
        Ok(())
    }

    #[inline]
    fn usual_places(&mut self) -> Option<()> {
        header::put(self.short_text()?, &mut self.head.kind);
        self.head.id = self.id()?;
        self.head.ts = self.number()?;
        Some(())
    }

    /// The fields of the map.
    #[inline]
    fn entries(&mut self) -> Result<(), Broken> {
        if self.scanner.nil() {
            return Ok(());
        }
        let Some(entries) = self.scanner.map()? else {
            return Err(self.scanner.broken("header that is neither a map nor nil"));
        };
        for _ in 0..entries {
            let start = self.scanner.at();
            if self.usual().is_none() {
                self.scanner.back_to(start);
                self.named()?;
            }
        }
        Ok(())
    }

    /// Reads one field that stands as we write it; `None` where it does not, or is not good: it is
    /// to be read again then.
    #[inline]
    fn usual(&mut self) -> Option<()> {
        let (field, len) = NAMES.find(self.scanner.eight())?;
        if self.seen.has(field) {
            return None;
        }
        self.scanner.step(len);
        match field {
            Field::Re => self.head.re = Some(self.id()?),
            Field::Seq => self.head.seq = Some(self.number()?),
            Field::Ack => self.head.ack = Some(self.number()?),
            Field::Ch => header::put(Some(self.short_text()?), &mut self.head.ch),
            Field::Off => self.head.off = Some(self.number()?),
            Field::Prev => self.head.prev = Some(self.number()?),
            Field::Key => header::put(Some(self.short_text()?), &mut self.head.key),
            Field::Ttl => self.head.ttl = Some(self.number()?),
            Field::Tp => header::put(Some(self.short_text()?), &mut self.head.tp),
            Field::Type | Field::Id | Field::Ts | Field::Payload => return None,
        }
        self.seen.note(field);
        Some(())
    }

    /// Reads one field, however it is written.
    #[cold]
    fn named(&mut self) -> Result<(), Broken> {
        let name = self.scanner.text(rule::KEY)?;
        match Field::named(name) {
            // They have their places in the array.
            Some(Field::Type | Field::Id | Field::Ts | Field::Payload) => {
                Err(self.scanner.broken(header::TWICE))
            }
            Some(field) if !self.seen.note(field) => Err(self.scanner.broken(header::TWICE)),
            Some(field) => self.value(field),
            None if !self.unknown.get_or_insert_default().insert(name) => {
                Err(self.scanner.broken(header::TWICE))
            }
            None => self.scanner.value(HEADER_DEPTH),
        }
    }

    #[cold]
    fn value(&mut self, field: Field) -> Result<(), Broken> {
        match field {
            Field::Type => self.head.kind = self.text()?,
            Field::Id => self.head.id = self.any_id()?,
            Field::Ts => self.head.ts = self.scanner.integer()?,
            Field::Re => self.head.re = Some(self.any_id()?),
            Field::Seq => self.head.seq = Some(self.scanner.integer()?),
            Field::Ack => self.head.ack = Some(self.scanner.integer()?),
            Field::Ch => self.head.ch = Some(self.text()?),
            Field::Off => self.head.off = Some(self.scanner.integer()?),
            Field::Prev => self.head.prev = Some(self.scanner.integer()?),
            Field::Key => self.head.key = Some(self.text()?),
            Field::Ttl => self.head.ttl = Some(self.scanner.integer()?),
            Field::Tp => self.head.tp = Some(self.text()?),
            Field::Payload => {}
        }
        Ok(())
    }

    /// A text whose length is in one byte. One copy for all fields.
    #[inline(never)]
    fn short_text(&mut self) -> Option<ByteString> {
        header::text(self.message, self.scanner.short_text()?)
    }

    /// One copy for all fields.
    #[inline(never)]
    fn number(&mut self) -> Option<u64> {
        self.scanner.small()
    }

    /// As everybody writes it: a length of one byte.
    #[inline]
    fn id(&mut self) -> Option<MessageId> {
        let Some([0xc4, 16, id @ ..]) = self.scanner.next::<18>() else { return None };
        self.scanner.step(18);
        Some(MessageId(Uuid::from_bytes(*id)))
    }

    fn text(&mut self) -> Result<ByteString, Broken> {
        let text = self.scanner.text(header::TEXT)?;
        let end = self.scanner.at();
        // It is looked at again, which is how safe Rust comes to know that it is UTF-8.
        let text = ByteString::try_from(self.message.slice(end - text.len()..end));
        text.map_err(|_| self.scanner.broken(NOT_UTF8))
    }

    fn any_id(&mut self) -> Result<MessageId, Broken> {
        match self.scanner.bin()?.map(Uuid::from_slice) {
            Some(Ok(id)) => Ok(MessageId(id)),
            _ => Err(self.scanner.broken(header::UUID)),
        }
    }
}
