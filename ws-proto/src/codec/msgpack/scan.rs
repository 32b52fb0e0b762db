//! Finds where a MessagePack value ends, and whether it is one of the data model, without
//! decoding it.

use crate::codec::{
    error::{Broken, rule},
    header,
    value::Number,
    word,
};
use crate::limits::Limits;
use std::ops::Range;

/// A place in a message.
#[derive(Clone, Copy)]
pub(super) struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// The byte that stands for `null`.
pub(super) const NIL: u8 = 0xc0;
pub(super) const FALSE: u8 = 0xc2;
pub(super) const TRUE: u8 = 0xc3;

pub(super) const NOT_UTF8: &str = "text that is not UTF-8";

const END: &str = "value that does not end";

impl<'a> Scanner<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The place of so many bytes.
    pub(super) const fn starting(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    pub(super) const fn at(&self) -> usize {
        self.at
    }

    #[cold]
    pub(super) const fn broken(&self, rule: &'static str) -> Broken {
        Broken { rule, at: self.at }
    }

    /// Nothing may follow.
    pub(super) const fn end(&self) -> Result<(), Broken> {
        if self.at == self.bytes.len() { Ok(()) } else { Err(self.broken(rule::TRAILING)) }
    }

    /// Skips a nil, if there is one.
    #[inline]
    pub(super) fn nil(&mut self) -> bool {
        self.marker(NIL)
    }

    /// Skips this byte, if it comes next.
    #[inline]
    pub(super) fn marker(&mut self, marker: u8) -> bool {
        let found = self.peek() == Some(marker);
        self.at += usize::from(found);
        found
    }

    /// Opens a map whose length is in its marker, if that is what comes next: how many entries
    /// follow.
    #[inline]
    pub(super) fn few_entries(&mut self) -> Option<u8> {
        let marker @ 0x80..=0x8f = self.peek()? else { return None };
        self.at += 1;
        Some(marker & 0x0f)
    }

    /// Skips one value that may open `depth` levels.
    #[inline]
    pub(super) fn value(&mut self, depth: usize) -> Result<(), Broken> {
        match usual(self.bytes, self.at, Content { count: 1, is_map: false }, depth) {
            Some(end) => {
                self.at = end;
                Ok(())
            }
            None => self.any_value(depth),
        }
    }

    /// The same for what is not usual, or not good: this finds out what is wrong.
    fn any_value(&mut self, depth: usize) -> Result<(), Broken> {
        let Some(marker) = self.peek() else { return Err(self.broken(END)) };
        match marker {
            // nil, booleans and the integers of one byte
            NIL | FALSE | TRUE | 0x00..=0x7f | 0xe0..=0xff => self.skip(1),
            0xcc | 0xd0 => self.skip(2),
            0xcd | 0xd1 => self.skip(3),
            0xce | 0xd2 => self.skip(5),
            0xcf | 0xd3 => self.skip(9),
            0xca => self.float32(),
            0xcb => self.float64(),
            0xa0..=0xbf | 0xd9..=0xdb => self.text(END).map(drop),
            0xc4..=0xc6 => self.bin().map(drop),
            0x90..=0x9f | 0xdc | 0xdd => self.elements(depth),
            0x80..=0x8f | 0xde | 0xdf => self.entries(depth),
            0xc7..=0xc9 | 0xd4..=0xd8 => Err(self.broken("extension type, which payloads lack")),
            0xc1 => Err(self.broken("byte that no value starts with")),
        }
    }

    /// Opens an array: how many elements follow, `None` when it is none.
    pub(super) fn array(&mut self) -> Result<Option<usize>, Broken> {
        let len = match self.peek() {
            Some(marker @ 0x90..=0x9f) => {
                self.at += 1;
                usize::from(marker & 0x0f)
            }
            Some(0xdc) => self.length(2)?,
            Some(0xdd) => self.length(4)?,
            _ => return Ok(None),
        };
        self.fits(len)?;
        Ok(Some(len))
    }

    /// Opens a map: how many entries follow, `None` when it is none.
    pub(super) fn map(&mut self) -> Result<Option<usize>, Broken> {
        let len = match self.peek() {
            Some(marker @ 0x80..=0x8f) => {
                self.at += 1;
                usize::from(marker & 0x0f)
            }
            Some(0xde) => self.length(2)?,
            Some(0xdf) => self.length(4)?,
            _ => return Ok(None),
        };
        self.fits(len.saturating_mul(2))?;
        Ok(Some(len))
    }

    /// Skips a text and says what it was, which is known to be UTF-8 then.
    #[inline]
    pub(super) fn text(&mut self, otherwise: &'static str) -> Result<&'a [u8], Broken> {
        let text = self.unchecked_text(otherwise)?;
        // Most texts are short and ASCII, which is known faster than UTF-8 is.
        if word::is_ascii(text) || str::from_utf8(text).is_ok() {
            return Ok(text);
        }
        Err(self.broken(NOT_UTF8))
    }

    /// The same for who checks it: it may be anything.
    #[inline]
    pub(super) fn unchecked_text(&mut self, otherwise: &'static str) -> Result<&'a [u8], Broken> {
        let len = match self.peek() {
            Some(marker @ 0xa0..=0xbf) => {
                self.at += 1;
                usize::from(marker & 0x1f)
            }
            Some(0xd9) => self.length(1)?,
            Some(0xda) => self.length(2)?,
            Some(0xdb) => self.length(4)?,
            _ => return Err(self.broken(otherwise)),
        };
        self.bytes(len)
    }

    /// The next bytes, as many as are asked for; `None` where fewer are left.
    #[inline]
    pub(super) fn next<const N: usize>(&self) -> Option<&'a [u8; N]> {
        self.bytes.get(self.at..).and_then(<[u8]>::first_chunk)
    }

    /// The next eight bytes as one number; 0 where fewer are left.
    #[inline]
    pub(super) fn eight(&self) -> u64 {
        self.next().map_or(0, |eight| u64::from_le_bytes(*eight))
    }

    /// Skips bytes and says what they were; `None` when it is something else.
    #[inline]
    pub(super) fn bin(&mut self) -> Result<Option<&'a [u8]>, Broken> {
        let len = match self.peek() {
            Some(0xc4) => self.length(1)?,
            Some(0xc5) => self.length(2)?,
            Some(0xc6) => self.length(4)?,
            _ => return Ok(None),
        };
        self.bytes(len).map(Some)
    }

    /// An integer from 0 to 2^53 - 1, in any of the encodings that can hold it.
    #[inline]
    pub(super) fn integer(&mut self) -> Result<u64, Broken> {
        let (width, signed) = match self.peek() {
            Some(marker @ 0x00..=0x7f) => {
                self.at += 1;
                return Ok(u64::from(marker));
            }
            Some(marker @ 0xcc..=0xcf) => (1_usize << (marker - 0xcc), false),
            Some(marker @ 0xd0..=0xd3) => (1_usize << (marker - 0xd0), true),
            _ => return Err(self.broken(header::INTEGER)),
        };
        self.at += 1;
        let value = self.number(width)?;
        let negative = signed && value >> (width * 8 - 1) != 0;
        if negative || value > Limits::MAX_INTEGER {
            return Err(self.broken(header::INTEGER));
        }
        Ok(value)
    }

    /// The same in an encoding without a sign, if that is what comes next.
    #[inline]
    pub(super) fn small(&mut self) -> Option<u64> {
        let (value, len) = small(self.bytes, self.at);
        self.at += len;
        (len > 0).then_some(value)
    }

    /// Skips a text whose length is in its marker or the byte behind it, if that is what comes
    /// next, and says where it stands. It may be anything.
    #[inline]
    pub(super) fn short_text(&mut self) -> Option<Range<usize>> {
        let (start, len) = match self.peek()? {
            marker @ 0xa0..=0xbf => (self.at + 1, usize::from(marker & 0x1f)),
            0xd9 => (self.at + 2, usize::from(*self.bytes.get(self.at + 1)?)),
            _ => return None,
        };
        let end = start + len;
        if end > self.bytes.len() {
            return None;
        }
        self.at = end;
        Some(start..end)
    }

    /// The same where it is UTF-8.
    #[inline]
    pub(super) fn short_str(&mut self) -> Option<&'a str> {
        let start = self.at;
        let place = self.short_text()?;
        let text = self.bytes.get(place).and_then(|text| simdutf8::basic::from_utf8(text).ok());
        if text.is_none() {
            self.at = start;
        }
        text
    }

    /// Skips this text of at most 16 bytes, if it comes next and its length is in its marker.
    #[inline]
    pub(super) fn short_name(&mut self, name: &str) -> bool {
        let Some([marker, rest @ ..]) = self.bytes.get(self.at..) else { return false };
        // Every other marker would be that of more than 16 bytes.
        if usize::from(marker ^ 0xa0) != name.len() {
            return false;
        }
        let Some(text) = rest.get(..name.len()) else { return false };
        let found = word::is_same_short(name.as_bytes(), text);
        self.at += if found { 1 + name.len() } else { 0 };
        found
    }

    /// Skips a number that is not one of the bytes 0 to 127.
    pub(super) fn wide(&mut self, marker: u8) -> Result<Number, Broken> {
        self.at += 1;
        match marker {
            0xca => {
                let value = f32::from_be_bytes(self.fixed()?).into();
                self.float(value)
            }
            0xcb => {
                let value = f64::from_be_bytes(self.fixed()?);
                self.float(value)
            }
            0xcc => Ok(Number::Unsigned(u8::from_be_bytes(self.fixed()?).into())),
            0xcd => Ok(Number::Unsigned(u16::from_be_bytes(self.fixed()?).into())),
            0xce => Ok(Number::Unsigned(u32::from_be_bytes(self.fixed()?).into())),
            0xcf => Ok(Number::Unsigned(u64::from_be_bytes(self.fixed()?))),
            0xd0 => Ok(signed(i8::from_be_bytes(self.fixed()?).into())),
            0xd1 => Ok(signed(i16::from_be_bytes(self.fixed()?).into())),
            0xd2 => Ok(signed(i32::from_be_bytes(self.fixed()?).into())),
            0xd3 => Ok(signed(i64::from_be_bytes(self.fixed()?))),
            _ => Ok(signed(i8::from_be_bytes([marker]).into())),
        }
    }

    fn float(&self, value: f64) -> Result<Number, Broken> {
        self.finite(value.is_finite())?;
        Ok(Number::Float(value))
    }

    /// The next bytes, as many as are asked for.
    #[inline]
    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Broken> {
        let bytes = self.next().ok_or_else(|| self.broken(END))?;
        self.at += N;
        Ok(*bytes)
    }

    fn elements(&mut self, depth: usize) -> Result<(), Broken> {
        let inside = self.open(depth)?;
        for _ in 0..self.array()?.unwrap_or(0) {
            self.any_value(inside)?;
        }
        Ok(())
    }

    fn entries(&mut self, depth: usize) -> Result<(), Broken> {
        let inside = self.open(depth)?;
        for _ in 0..self.map()?.unwrap_or(0) {
            self.text(rule::KEY)?;
            self.any_value(inside)?;
        }
        Ok(())
    }

    #[inline]
    fn open(&self, depth: usize) -> Result<usize, Broken> {
        depth.checked_sub(1).ok_or_else(|| self.broken(rule::DEPTH))
    }

    fn float32(&mut self) -> Result<(), Broken> {
        self.at += 1;
        let bits = u32::try_from(self.number(4)?).unwrap_or(u32::MAX);
        self.finite(f32::from_bits(bits).is_finite())
    }

    fn float64(&mut self) -> Result<(), Broken> {
        self.at += 1;
        let bits = self.number(8)?;
        self.finite(f64::from_bits(bits).is_finite())
    }

    #[inline]
    const fn finite(&self, finite: bool) -> Result<(), Broken> {
        if finite { Ok(()) } else { Err(self.broken(rule::FINITE)) }
    }

    #[inline]
    pub(super) const fn step(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// The next byte, unless it is the end.
    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    fn skip(&mut self, len: usize) -> Result<(), Broken> {
        self.bytes(len).map(drop)
    }

    #[inline]
    fn bytes(&mut self, len: usize) -> Result<&'a [u8], Broken> {
        self.fits(len)?;
        let start = self.at;
        self.at += len;
        Ok(self.bytes.get(start..self.at).unwrap_or_default())
    }

    /// Refuses a length of which not even the shortest content is there.
    #[inline]
    fn fits(&self, len: usize) -> Result<(), Broken> {
        if len > self.bytes.len().saturating_sub(self.at) {
            return Err(self.broken(END));
        }
        Ok(())
    }

    /// Skips a marker and reads the length behind it.
    #[inline]
    fn length(&mut self, width: usize) -> Result<usize, Broken> {
        self.at += 1;
        let len = self.number(width)?;
        usize::try_from(len).map_err(|_| self.broken(END))
    }

    #[inline]
    fn number(&mut self, width: usize) -> Result<u64, Broken> {
        Ok(match width {
            1 => u8::from_be_bytes(self.fixed()?).into(),
            2 => u16::from_be_bytes(self.fixed()?).into(),
            4 => u32::from_be_bytes(self.fixed()?).into(),
            _ => u64::from_be_bytes(self.fixed()?),
        })
    }
}

/// What stands in a list or a map.
#[derive(Clone, Copy)]
struct Content {
    count: usize,
    is_map: bool,
}

/// Where so many values end whose form is good; `None` where a longer look has to say so.
fn usual(bytes: &[u8], mut at: usize, mut content: Content, mut depth: usize) -> Option<usize> {
    while content.count > 0 {
        content.count -= 1;
        if content.is_map {
            at = text_end(bytes, at)?;
        }
        let marker = *bytes.get(at)?;
        let (start, inside) = match marker {
            NIL | FALSE | TRUE | 0x00..=0x7f | 0xe0..=0xff => {
                at += 1;
                continue;
            }
            0xcc..=0xd3 => {
                at += 1 + (1 << (marker & 3));
                continue;
            }
            0xa0..=0xbf | 0xd9 => {
                at = text_end(bytes, at)?;
                continue;
            }
            0x80..=0x8f => (at + 1, Content { count: usize::from(marker & 15), is_map: true }),
            0x90..=0x9f => (at + 1, Content { count: usize::from(marker & 15), is_map: false }),
            0xdc | 0xde => {
                let [high, low] = *bytes.get(at + 1..)?.first_chunk()?;
                let count = usize::from(u16::from_be_bytes([high, low]));
                (at + 3, Content { count, is_map: marker == 0xde })
            }
            _ => return None,
        };
        let inner = depth.checked_sub(1)?;
        if content.count == 0 {
            // Nothing follows it in what is open, which ends where it ends.
            (at, content, depth) = (start, inside, inner);
        } else {
            at = usual(bytes, start, inside, inner)?;
        }
    }
    (at <= bytes.len()).then_some(at)
}

/// Where a short text ends that starts here.
#[expect(clippy::inline_always, reason = "it is called for every key and text, by one function")]
#[inline(always)]
fn text_end(bytes: &[u8], at: usize) -> Option<usize> {
    if let Some(eight) = bytes.get(at..)?.first_chunk() {
        let len = usize::from(eight[0] ^ 0xa0);
        if len < 8 && word::is_ascii_behind(u64::from_le_bytes(*eight), len) {
            return Some(at + 1 + len);
        }
    }
    let (start, len) = match *bytes.get(at)? {
        marker @ 0xa0..=0xbf => (at + 1, usize::from(marker & 0x1f)),
        0xd9 => (at + 2, usize::from(*bytes.get(at + 1)?)),
        _ => return None,
    };
    let text = bytes.get(start..start + len)?;
    // Most texts are ASCII, which is known faster than UTF-8 is.
    (word::is_ascii(text) || str::from_utf8(text).is_ok()).then_some(start + len)
}

/// The value of an integer from 0 to 2^53 - 1 that starts here, without a sign, and its bytes; none
/// where it is something else. One copy for all fields, and its answer stays in registers.
#[inline(never)]
fn small(bytes: &[u8], at: usize) -> (u64, usize) {
    let Some([marker, behind @ ..]) = bytes.get(at..).and_then(<[u8]>::first_chunk::<9>) else {
        return last_small(bytes.get(at..).unwrap_or_default());
    };
    let width = match marker {
        0x00..=0x7f => return (u64::from(*marker), 1),
        0xcc..=0xcf => 1 << (marker & 3),
        _ => return (0, 0),
    };
    let value = u64::from_be_bytes(*behind) >> (64 - 8 * width);
    if value > Limits::MAX_INTEGER { (0, 0) } else { (value, 1 + width) }
}

/// The same where fewer bytes are left than the longest has.
#[inline(never)]
fn last_small(rest: &[u8]) -> (u64, usize) {
    match *rest {
        [marker @ 0x00..=0x7f, ..] => (u64::from(marker), 1),
        [0xcc, value, ..] => (u64::from(value), 2),
        [0xcd, a, b, ..] => (u64::from(u16::from_be_bytes([a, b])), 3),
        [0xce, a, b, c, d, ..] => (u64::from(u32::from_be_bytes([a, b, c, d])), 5),
        _ => (0, 0),
    }
}

/// An integer is one whatever it was written as.
#[inline]
fn signed(value: i64) -> Number {
    u64::try_from(value).map_or(Number::Signed(value), Number::Unsigned)
}

#[cfg(test)]
mod tests;
