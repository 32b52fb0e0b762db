//! JSON: an object in a text frame (`docs/protocol.md`, section 2).

mod integer;
mod scan;
mod source;
mod write;

use super::{
    Codec, DecodeError, EncodeError, Format,
    checked::Checked,
    digits,
    error::{Broken, without_values},
    header::{self, Field, Names, Seen},
    value::Value,
    whole, word,
};
use crate::{envelope::Head, frame::Frame, ids::MessageId, limits::Limits, raw::Raw};
use bytes::Bytes;
use bytestring::ByteString;
use scan::{Scanner, Text};
use serde::{Serialize, de::DeserializeOwned};
use serde_transcode::Transcoder;
use source::JsonSource;
use std::{borrow::Cow, collections::BTreeSet, fmt};
use uuid::Uuid;

/// `wsp1.json`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json;

/// The envelope's object is the first level.
const PAYLOAD_DEPTH: usize = Limits::JSON_DEPTH - 1;

/// `"seq":`
static NAMES: Names = Names::new([b'"'; 8], b"\":");

const NOT_UTF8: &str = "text that is not UTF-8";

impl Json {
    /// Decodes the header into a blank one, where it stays.
    #[inline]
    pub(super) fn read_head(message: &Bytes, head: &mut Head) -> Result<Raw, DecodeError> {
        let payload = match usual_envelope(message, head) {
            Some(payload) => payload,
            None => any_envelope(message, head)?,
        };
        header::check_read(head)?;
        Ok(Raw::scanned(Format::Json, payload))
    }
}

impl Codec for Json {
    const FORMAT: Format = Format::Json;

    #[inline]
    fn decode_head(message: &Bytes) -> Result<(Head, Raw), DecodeError> {
        let mut head = Head::blank();
        let payload = Self::read_head(message, &mut head)?;
        Ok((head, payload))
    }

    fn encode_envelope(head: &Head, frame: &Frame, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        header::check_written(head)?;
        whole(out, |out| {
            write::head(head, out);
            match frame.encoded(Format::Json) {
                Some(payload) => out.extend_from_slice(payload),
                None => frame.encode_payload(Format::Json, out)?,
            }
            out.push(b'}');
            Ok(())
        })
    }

    fn scan_payload(bytes: &[u8]) -> Result<(), DecodeError> {
        check_utf8(bytes)?;
        let mut scanner = Scanner::new(bytes);
        scanner.space();
        scanner.value(PAYLOAD_DEPTH)?;
        scanner.end()?;
        Ok(())
    }

    fn decode_scanned<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
        let mut source = JsonSource::new(utf8(bytes)?, PAYLOAD_DEPTH);
        let value = T::deserialize(Value(&mut source));
        match value.and_then(|value| source.end().map(|()| value)) {
            Ok(value) => Ok(value),
            Err(error) => Err(refused(&error, &source)),
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
        let mut source = JsonSource::new(utf8(bytes)?, PAYLOAD_DEPTH);
        let written = To::encode_payload(&Transcoder::new(Value(&mut source)), out);
        written.map_err(|error| refused(&without_values(&error), &source))
    }
}

#[cold]
fn refused(error: &dyn fmt::Display, source: &JsonSource<'_>) -> DecodeError {
    DecodeError::Invalid(format!("payload: {error}{}", source.place()))
}

/// Most messages are ASCII, which is known faster than UTF-8 is.
#[inline]
fn check_utf8(bytes: &[u8]) -> Result<(), Broken> {
    if word::is_ascii(bytes) { Ok(()) } else { utf8(bytes).map(drop) }
}

#[inline]
fn utf8(bytes: &[u8]) -> Result<&str, Broken> {
    simdutf8::basic::from_utf8(bytes).map_err(|_| not_utf8(bytes))
}

/// Finds the first byte that is no text.
#[cold]
fn not_utf8(bytes: &[u8]) -> Broken {
    let valid = str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len);
    Broken { rule: NOT_UTF8, at: valid }
}

/// A part of the message that starts at this byte.
fn checked(part: Bytes, start: usize) -> Result<ByteString, Broken> {
    ByteString::try_from(part)
        .map_err(|error| Broken { rule: NOT_UTF8, at: start + error.valid_up_to() })
}

/// Reads an envelope that stands as we write it, without white space and escapes, and gives its
/// payload; `None` where it does not, or is not good: it is to be read again then.
#[inline]
fn usual_envelope(message: &Bytes, head: &mut Head) -> Option<Bytes> {
    let mut scanner = Scanner::new(message);
    let (mut seen, mut payload) = (Seen::default(), Bytes::new());
    let mut before = b'{';
    while scanner.next_is(before) {
        let (field, len) = NAMES.find(scanner.eight())?;
        if !seen.note(field) {
            return None;
        }
        scanner.step(len);
        match field {
            Field::Type => header::put(text(message, &mut scanner)?, &mut head.kind),
            Field::Id => head.id = id(&mut scanner)?,
            Field::Ts => head.ts = scanner.small()?,
            Field::Re => head.re = Some(id(&mut scanner)?),
            Field::Seq => head.seq = Some(scanner.small()?),
            Field::Ack => head.ack = Some(scanner.small()?),
            Field::Ch => header::put(Some(text(message, &mut scanner)?), &mut head.ch),
            Field::Off => head.off = Some(scanner.small()?),
            Field::Prev => head.prev = Some(scanner.small()?),
            Field::Key => header::put(Some(text(message, &mut scanner)?), &mut head.key),
            Field::Ttl => head.ttl = Some(scanner.small()?),
            Field::Tp => header::put(Some(text(message, &mut scanner)?), &mut head.tp),
            // A name longer than eight bytes, of which two are left.
            Field::Payload if scanner.literal(b"\":") => {
                let place = scanner.place(PAYLOAD_DEPTH)?;
                scanner.step(place.len());
                check_utf8(message.get(place.clone())?).ok()?;
                header::put(message.slice(place), &mut payload);
            }
            Field::Payload => return None,
        }
        before = b',';
    }
    let is_whole = scanner.next_is(b'}') && scanner.at() == message.len();
    (is_whole && seen.missing().is_none()).then_some(payload)
}

/// The same for every envelope, however it is written.
#[cold]
fn any_envelope(message: &Bytes, head: &mut Head) -> Result<Bytes, Broken> {
    *head = Head::blank();
    let mut reader = Reader {
        message,
        scanner: Scanner::new(message),
        head,
        payload: Bytes::new(),
        seen: Seen::default(),
        unknown: None,
    };
    reader.envelope()?;
    match reader.seen.missing() {
        Some(rule) => Err(reader.scanner.broken(rule)),
        None => Ok(reader.payload),
    }
}

/// A text without escapes.
#[inline]
fn text(message: &Bytes, scanner: &mut Scanner<'_>) -> Option<ByteString> {
    header::text(message, scanner.plain()?)
}

/// An id without escapes: 36 bytes between two quotes.
#[inline]
fn id(scanner: &mut Scanner<'_>) -> Option<MessageId> {
    let Some([b'"', text @ .., b'"']) = scanner.next::<38>() else { return None };
    scanner.step(38);
    hyphenated(text)
}

/// An envelope while it is read.
struct Reader<'a> {
    message: &'a Bytes,
    scanner: Scanner<'a>,
    head: &'a mut Head,
    payload: Bytes,
    seen: Seen,
    /// Names of header fields of a newer peer: they must not repeat either.
    unknown: Option<BTreeSet<Cow<'a, [u8]>>>,
}

impl<'a> Reader<'a> {
    fn envelope(&mut self) -> Result<(), Broken> {
        self.scanner.space();
        self.scanner.take(b'{', "message that is not an object")?;
        self.scanner.space();
        if self.scanner.next_is(b'}') {
            return self.scanner.end();
        }
        loop {
            self.named()?;
            self.scanner.space();
            if !self.scanner.next_is(b',') {
                break;
            }
        }
        self.scanner.take(b'}', "expected `,` or `}`")?;
        self.scanner.end()
    }

    fn named(&mut self) -> Result<(), Broken> {
        self.scanner.space();
        let name = self.scanner.text("name of a header field that is not text")?;
        self.scanner.colon()?;
        let plain;
        let field = if name.escaped {
            plain = self.scanner.unescaped(name)?;
            Field::named(plain.as_bytes())
        } else {
            Field::named(name.inner)
        };
        match field {
            Some(field) => self.value(field),
            None => self.unknown(name),
        }
    }

    fn value(&mut self, field: Field) -> Result<(), Broken> {
        if !self.seen.note(field) {
            return Err(self.scanner.broken(header::TWICE));
        }
        match field {
            Field::Type => self.head.kind = self.string()?,
            Field::Id => self.head.id = self.id()?,
            Field::Ts => self.head.ts = self.scanner.integer()?,
            Field::Re => self.head.re = Some(self.id()?),
            Field::Seq => self.head.seq = Some(self.scanner.integer()?),
            Field::Ack => self.head.ack = Some(self.scanner.integer()?),
            Field::Ch => self.head.ch = Some(self.string()?),
            Field::Off => self.head.off = Some(self.scanner.integer()?),
            Field::Prev => self.head.prev = Some(self.scanner.integer()?),
            Field::Key => self.head.key = Some(self.string()?),
            Field::Ttl => self.head.ttl = Some(self.scanner.integer()?),
            Field::Tp => self.head.tp = Some(self.string()?),
            Field::Payload => self.payload = self.body()?,
        }
        Ok(())
    }

    fn body(&mut self) -> Result<Bytes, Broken> {
        let start = self.scanner.at();
        self.scanner.value(PAYLOAD_DEPTH)?;
        let payload = self.message.slice(start..self.scanner.at());
        let broken = |Broken { rule, at }| Broken { rule, at: start + at };
        check_utf8(&payload).map_err(broken)?;
        Ok(payload)
    }

    fn unknown(&mut self, name: Text<'a>) -> Result<(), Broken> {
        let plain = if name.escaped {
            Cow::Owned(self.scanner.unescaped(name)?.into_bytes())
        } else {
            Cow::Borrowed(name.inner)
        };
        if !self.unknown.get_or_insert_default().insert(plain) {
            return Err(self.scanner.broken(header::TWICE));
        }
        let start = self.scanner.at();
        self.scanner.value(PAYLOAD_DEPTH)?;
        let value = self.message.get(start..self.scanner.at()).unwrap_or_default();
        check_utf8(name.inner).and(check_utf8(value)).map_err(|_| self.scanner.broken(NOT_UTF8))
    }

    fn string(&mut self) -> Result<ByteString, Broken> {
        let start = self.scanner.at();
        let text = self.scanner.text(header::TEXT)?;
        if text.escaped {
            return self.scanner.unescaped(text).map(ByteString::from);
        }
        checked(self.message.slice(start + 1..self.scanner.at() - 1), start + 1)
    }

    fn id(&mut self) -> Result<MessageId, Broken> {
        let text = self.scanner.text(header::UUID)?;
        let id = if text.escaped {
            hyphenated(self.scanner.unescaped(text)?.as_bytes())
        } else {
            hyphenated(text.inner)
        };
        id.ok_or_else(|| self.scanner.broken(header::UUID))
    }
}

/// The 36 bytes of a UUID with hyphens, and none of the other spellings.
#[inline]
fn hyphenated(text: &[u8]) -> Option<MessageId> {
    let id = digits::from_hyphenated(text.try_into().ok()?)?;
    Some(MessageId(Uuid::from_bytes(id)))
}
