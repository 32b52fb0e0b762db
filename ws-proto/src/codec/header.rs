//! The header's fields and bounds, the same in every format (`docs/protocol.md`, section 2).

use super::{DecodeError, EncodeError};
use crate::{envelope::Head, ids::MessageId, limits::Limits};
use bytes::Bytes;
use bytestring::ByteString;
use std::{mem, ops::Range};
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
    const ALL: [(Self, &str); 13] = [
        (Self::Type, "type"),
        (Self::Id, "id"),
        (Self::Ts, "ts"),
        (Self::Re, "re"),
        (Self::Seq, "seq"),
        (Self::Ack, "ack"),
        (Self::Ch, "ch"),
        (Self::Off, "off"),
        (Self::Prev, "prev"),
        (Self::Key, "key"),
        (Self::Ttl, "ttl"),
        (Self::Tp, "tp"),
        (Self::Payload, "payload"),
    ];

    /// The field of this name; `None` for one of a newer peer.
    pub(super) fn named(name: &[u8]) -> Option<Self> {
        let known = |(_, known): &&(Self, &str)| known.as_bytes() == name;
        Self::ALL.iter().find(known).map(|(field, _)| *field)
    }
}

/// What the names of the fields look like in a format, so that what stands next is compared with
/// one of them and not with each.
pub(super) struct Names([Name; Self::PLACES]);

/// The first bytes of a name, at most eight, and how many they are.
#[derive(Clone, Copy)]
struct Name {
    start: u64,
    mask: u64,
    len: usize,
    field: Field,
}

impl Names {
    const PLACES: usize = 16;

    /// Names with one byte before their letters and `after` behind them. `before` makes that byte
    /// of the number of letters.
    pub(super) const fn new(before: [u8; 8], after: &[u8]) -> Self {
        let nothing = Name { start: 1, mask: 0, len: 0, field: Field::Payload };
        let mut names = [nothing; Self::PLACES];
        let mut at = 0;
        while at < Field::ALL.len() {
            let (field, letters) = Field::ALL[at];
            let name = Name::new(before[letters.len()], letters.as_bytes(), after, field);
            let place = Self::place(name.start);
            assert!(names[place].mask == 0, "each name has a place of its own");
            names[place] = name;
            at += 1;
        }
        Self(names)
    }

    /// The field whose name stands at the start of eight bytes, and how many of them belong to it.
    #[inline]
    pub(super) const fn find(&self, eight: u64) -> Option<(Field, usize)> {
        let name = &self.0[Self::place(eight)];
        if eight & name.mask == name.start { Some((name.field, name.len)) } else { None }
    }

    /// The first two letters tell the names apart; the factor was searched for.
    #[inline]
    const fn place(eight: u64) -> usize {
        let letters = (eight >> 8) & 0xffff;
        ((letters * 1797) >> 12) as usize % Self::PLACES
    }
}

impl Name {
    const fn new(before: u8, letters: &[u8], after: &[u8], field: Field) -> Self {
        let (mut start, mut mask, mut len) = (before as u64, 0xff, 1);
        while len < 8 && len <= letters.len() + after.len() {
            let at = len - 1;
            let byte = if at < letters.len() { letters[at] } else { after[at - letters.len()] };
            start |= (byte as u64) << (8 * len);
            mask |= 0xff << (8 * len);
            len += 1;
        }
        Self { start, mask, len, field }
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

/// A part of the message, if it is UTF-8. One copy for all of them.
#[inline(never)]
pub(super) fn text(message: &Bytes, place: Range<usize>) -> Option<ByteString> {
    ByteString::try_from(message.slice(place)).ok()
}

/// Fills what was empty, without the code that drops what was there.
#[inline]
pub(super) fn put<T>(value: T, place: &mut T) {
    mem::forget(mem::replace(place, value));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_where_it_stands_and_nothing_else_is() {
        let names = Names::new([b'"'; 8], b"\":");
        for (field, name) in Field::ALL {
            assert_eq!(Field::named(name.as_bytes()), Some(field));
            let text = format!("\"{name}\":1234567");
            let start = text.as_bytes().first_chunk().expect("eight bytes");
            let len = (name.len() + 3).min(8);
            assert_eq!(names.find(u64::from_le_bytes(*start)), Some((field, len)), "{name}");
            for place in 0..len {
                let mut other = *start;
                other[place] ^= 1;
                assert_eq!(names.find(u64::from_le_bytes(other)), None, "{name}, {place}");
            }
        }
    }
}
