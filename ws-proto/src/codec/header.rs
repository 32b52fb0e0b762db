//! The header's fields and bounds, the same in every format (`docs/protocol.md`, section 2).

use super::{DecodeError, EncodeError};
use crate::{envelope::Head, ids::MessageId, limits::Limits};
use bytestring::ByteString;
use uuid::Uuid;

/// A name of the envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Type,
    Id,
    Ts,
    Re,
    Seq,
    Ack,
    Ch,
    Off,
    Prev,
    Key,
    Ttl,
    Tp,
    Payload,
}

impl Field {
    /// The field of this name; `None` for one of a newer peer.
    #[inline]
    pub(super) fn named(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"type" => Self::Type,
            b"id" => Self::Id,
            b"ts" => Self::Ts,
            b"re" => Self::Re,
            b"seq" => Self::Seq,
            b"ack" => Self::Ack,
            b"ch" => Self::Ch,
            b"off" => Self::Off,
            b"prev" => Self::Prev,
            b"key" => Self::Key,
            b"ttl" => Self::Ttl,
            b"tp" => Self::Tp,
            b"payload" => Self::Payload,
            _ => return None,
        })
    }
}

/// The fields that came so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen(u16);

impl Seen {
    /// Notes a field; `false` when it came before.
    #[inline]
    pub(super) const fn note(&mut self, field: Field) -> bool {
        let bit = 1 << field as u16;
        let first = self.0 & bit == 0;
        self.0 |= bit;
        first
    }

    /// The first field that must be there and is not.
    #[inline]
    pub(super) fn missing(self) -> Option<&'static str> {
        const ALWAYS: u16 = 1 << Field::Type as u16
            | 1 << Field::Id as u16
            | 1 << Field::Ts as u16
            | 1 << Field::Payload as u16;
        if self.0 & ALWAYS == ALWAYS { None } else { self.first_missing() }
    }

    #[cold]
    fn first_missing(self) -> Option<&'static str> {
        let always = [
            (Field::Type, "missing `type`"),
            (Field::Id, "missing `id`"),
            (Field::Ts, "missing `ts`"),
            (Field::Payload, "missing `payload`"),
        ];
        always
            .into_iter()
            .find(|(field, _)| self.0 & (1 << *field as u16) == 0)
            .map(|(_, text)| text)
    }
}

pub(super) const TWICE: &str = "header field that came before";
pub(super) const INTEGER: &str = "header field that is not an integer from 0 to 2^53 - 1";
pub(super) const UUID: &str = "header field that is not a UUID";
pub(super) const TEXT: &str = "header field that is not text";

/// Refuses a header that was read and breaks a bound; its integers were looked at one by one.
#[inline]
pub(super) fn check_read(head: &Head) -> Result<(), DecodeError> {
    texts(head).map_err(|rule| DecodeError::Invalid(rule.to_owned()))
}

/// Refuses a header that the peer would refuse.
#[inline]
pub(super) fn check_written(head: &Head) -> Result<(), EncodeError> {
    bounds(head).map_err(|rule| EncodeError(rule.to_owned()))
}

impl Head {
    /// A header whose required fields are still to come.
    pub(crate) const fn blank() -> Self {
        Self::new(ByteString::from_static(""), MessageId(Uuid::nil()), 0)
    }

    /// Refuses what the peer would refuse.
    pub(crate) fn check(&self) -> Result<(), EncodeError> {
        check_written(self)
    }

    /// Bytes of a message in JSON besides its payload.
    pub(crate) fn json_size(&self) -> usize {
        const UUID: usize = 36;
        // As `{"type":"","id":"","ts":,"payload":}`, and `,"":` for every other field.
        const ALWAYS: usize = 36;
        let text = |name: &str, text: &Option<ByteString>| {
            text.as_ref().map_or(0, |text| name.len() + 6 + json_text(text))
        };
        let number = |name: &str, number: Option<u64>| {
            number.map_or(0, |number| name.len() + 4 + digits(number))
        };
        ALWAYS
            + json_text(&self.kind)
            + UUID
            + digits(self.ts)
            + self.re.map_or(0, |_| "re".len() + 6 + UUID)
            + number("seq", self.seq)
            + number("ack", self.ack)
            + text("ch", &self.ch)
            + number("off", self.off)
            + number("prev", self.prev)
            + text("key", &self.key)
            + number("ttl", self.ttl)
            + text("tp", &self.tp)
    }
}

fn digits(number: u64) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}

/// Bytes of a text in JSON, without its quotes.
fn json_text(text: &str) -> usize {
    let escaped = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 8 | 12 => 2,
        0..0x20 => 6,
        _ => 1,
    };
    text.bytes().map(escaped).sum()
}

#[inline]
fn bounds(head: &Head) -> Result<(), &'static str> {
    texts(head)?;
    let numbers = [Some(head.ts), head.seq, head.ack, head.off, head.prev, head.ttl];
    if numbers.into_iter().flatten().any(|number| number > Limits::MAX_INTEGER) {
        return Err(INTEGER);
    }
    Ok(())
}

#[inline]
fn texts(head: &Head) -> Result<(), &'static str> {
    if !(1..=Limits::KIND).contains(&head.kind.len()) {
        return Err("`type` that is empty or longer than 128 bytes");
    }
    if head.key.as_ref().is_some_and(|key| key.len() > Limits::KEY) {
        return Err("`key` longer than 128 bytes");
    }
    if head.tp.as_ref().is_some_and(|tp| tp.len() > Limits::KEY) {
        return Err("`tp` longer than 128 bytes");
    }
    Ok(())
}
