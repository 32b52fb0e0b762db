//! MessagePack: an array of five in a binary frame (`docs/protocol.md`, section 2).

mod scan;
mod source;
mod write;

use super::{
    Codec, DecodeError, EncodeError, Format,
    checked::Checked,
    error::{Broken, rule, without_values},
    header::{self, Field, Seen},
    value::Value,
    whole, word,
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

/// `[type, id, ts, header, payload]`.
const FIELDS: u8 = 5;

impl MessagePack {
    /// Decodes the header into a blank one, where it stays.
    #[inline]
    pub(super) fn read_head(message: &Bytes, head: &mut Head) -> Result<Raw, DecodeError> {
        let mut scanner = Scanner::new(message);
        if scanner.array()? != Some(usize::from(FIELDS)) {
            return Err(scanner.broken("message that is not an array of five").into());
        }
        head.kind = text(&mut scanner, message)?;
        head.id = id(&mut scanner)?;
        head.ts = scanner.integer()?;
        read_header(&mut scanner, message, head)?;
        header::check_read(head)?;
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

fn read_header(scanner: &mut Scanner<'_>, message: &Bytes, head: &mut Head) -> Result<(), Broken> {
    if scanner.nil() {
        return Ok(());
    }
    let Some(entries) = scanner.map()? else {
        return Err(scanner.broken("header that is neither a map nor nil"));
    };
    let mut seen = Seen::default();
    let usual = read_usual(scanner, message, head, &mut seen, entries)?;
    if usual == entries {
        return Ok(());
    }
    let mut unknown = BTreeSet::new();
    for _ in usual..entries {
        let name = scanner.text(rule::KEY)?;
        match Field::named(name) {
            Some(field) if !seen.note(field) => return Err(scanner.broken(header::TWICE)),
            Some(field) => read_field(field, scanner, message, head)?,
            None if !unknown.insert(name) => return Err(scanner.broken(header::TWICE)),
            None => scanner.value(HEADER_DEPTH)?,
        }
    }
    Ok(())
}

/// Reads fields of the header for as long as they stand as we write them, in the order of the
/// document: how many.
#[inline]
fn read_usual(
    scanner: &mut Scanner<'_>,
    message: &Bytes,
    head: &mut Head,
    seen: &mut Seen,
    entries: usize,
) -> Result<usize, Broken> {
    let (mut read, mut next) = (0, scanner.eight());
    macro_rules! fields {
        ($($name:literal => $field:ident;)+) => {
            $({
                const START: (u64, u64) = word::start($name);
                if read < entries && next & START.0 == START.1 {
                    scanner.step($name.len());
                    seen.note(Field::$field);
                    read_field(Field::$field, scanner, message, head)?;
                    read += 1;
                    next = scanner.eight();
                }
            })+
        };
    }
    fields! {
        b"\xa2re" => Re;
        b"\xa3seq" => Seq;
        b"\xa3ack" => Ack;
        b"\xa2ch" => Ch;
        b"\xa3off" => Off;
        b"\xa4prev" => Prev;
        b"\xa3key" => Key;
        b"\xa3ttl" => Ttl;
        b"\xa2tp" => Tp;
    }
    Ok(read)
}

#[inline]
fn read_field(
    field: Field,
    scanner: &mut Scanner<'_>,
    message: &Bytes,
    head: &mut Head,
) -> Result<(), Broken> {
    match field {
        Field::Re => head.re = Some(id(scanner)?),
        Field::Seq => head.seq = Some(scanner.integer()?),
        Field::Ack => head.ack = Some(scanner.integer()?),
        Field::Ch => head.ch = Some(text(scanner, message)?),
        Field::Off => head.off = Some(scanner.integer()?),
        Field::Prev => head.prev = Some(scanner.integer()?),
        Field::Key => head.key = Some(text(scanner, message)?),
        Field::Ttl => head.ttl = Some(scanner.integer()?),
        Field::Tp => head.tp = Some(text(scanner, message)?),
        // They have their places in the array.
        Field::Type | Field::Id | Field::Ts | Field::Payload => {
            return Err(scanner.broken(header::TWICE));
        }
    }
    Ok(())
}

fn text(scanner: &mut Scanner<'_>, message: &Bytes) -> Result<ByteString, Broken> {
    let text = scanner.unchecked_text(header::TEXT)?;
    let end = scanner.at();
    // This looks whether it is UTF-8.
    let text = ByteString::try_from(message.slice(end - text.len()..end));
    text.map_err(|_| scanner.broken(NOT_UTF8))
}

fn id(scanner: &mut Scanner<'_>) -> Result<MessageId, Broken> {
    // As everybody writes it: a length of one byte.
    if let Some([0xc4, 16, id @ ..]) = scanner.next::<18>() {
        scanner.step(18);
        return Ok(MessageId(Uuid::from_bytes(*id)));
    }
    match scanner.bin()?.map(Uuid::from_slice) {
        Some(Ok(id)) => Ok(MessageId(id)),
        _ => Err(scanner.broken(header::UUID)),
    }
}
