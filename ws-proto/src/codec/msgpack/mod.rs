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
use bytes::{Buf, Bytes};
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
        let start = match usual_header(message, head) {
            Some(start) => start,
            None => any_header(message, head)?,
        };
        header::check_read(head)?;
        let mut scanner = Scanner::starting(message, start);
        scanner.value(PAYLOAD_DEPTH)?;
        scanner.end()?;
        let mut payload = message.clone();
        payload.advance(start);
        Ok(Raw::scanned(Format::MessagePack, payload))
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

/// Reads a header that stands as we write it, and says where the payload starts; `None` where it
/// does not, or is not good: it is to be read again then.
#[inline]
fn usual_header(message: &Bytes, head: &mut Head) -> Option<usize> {
    let mut scanner = Scanner::new(message);
    if !scanner.marker(0x90 | FIELDS) {
        return None;
    }
    header::put(text(message, &mut scanner)?, &mut head.kind);
    head.id = id(&mut scanner)?;
    head.ts = scanner.small()?;
    if scanner.nil() {
        return Some(scanner.at());
    }
    let mut seen = Seen::default();
    for _ in 0..scanner.few_entries()? {
        let (field, len) = NAMES.find(scanner.eight())?;
        if !seen.note(field) {
            return None;
        }
        scanner.step(len);
        match field {
            Field::Re => head.re = Some(id(&mut scanner)?),
            Field::Seq => head.seq = Some(scanner.small()?),
            Field::Ack => head.ack = Some(scanner.small()?),
            Field::Ch => header::put(Some(text(message, &mut scanner)?), &mut head.ch),
            Field::Off => head.off = Some(scanner.small()?),
            Field::Prev => head.prev = Some(scanner.small()?),
            Field::Key => header::put(Some(text(message, &mut scanner)?), &mut head.key),
            Field::Ttl => head.ttl = Some(scanner.small()?),
            Field::Tp => header::put(Some(text(message, &mut scanner)?), &mut head.tp),
            Field::Type | Field::Id | Field::Ts | Field::Payload => return None,
        }
    }
    Some(scanner.at())
}

/// The same for every header, however it is written.
#[cold]
fn any_header(message: &Bytes, head: &mut Head) -> Result<usize, Broken> {
    *head = Head::blank();
    let scanner = Scanner::new(message);
    let mut reader = Reader { message, scanner, head, seen: Seen::default(), unknown: None };
    reader.header()?;
    Ok(reader.scanner.at())
}

/// A text whose length is in its marker or the byte behind it.
#[inline]
fn text(message: &Bytes, scanner: &mut Scanner<'_>) -> Option<ByteString> {
    header::text(message, scanner.short_text()?)
}

/// An id whose length is in one byte.
#[inline]
fn id(scanner: &mut Scanner<'_>) -> Option<MessageId> {
    let Some([0xc4, 16, id @ ..]) = scanner.next::<18>() else { return None };
    scanner.step(18);
    Some(MessageId(Uuid::from_bytes(*id)))
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
    fn header(&mut self) -> Result<(), Broken> {
        if self.scanner.array()? != Some(usize::from(FIELDS)) {
            return Err(self.scanner.broken("message that is not an array of five"));
        }
        self.value(Field::Type)?;
        self.value(Field::Id)?;
        self.value(Field::Ts)?;
        if self.scanner.nil() {
            return Ok(());
        }
        let Some(entries) = self.scanner.map()? else {
            return Err(self.scanner.broken("header that is neither a map nor nil"));
        };
        for _ in 0..entries {
            self.named()?;
        }
        Ok(())
    }

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
