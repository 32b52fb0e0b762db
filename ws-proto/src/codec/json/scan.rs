//! Finds where a JSON value ends, and whether it is one, without decoding it.

use crate::codec::{
    error::{Broken, rule},
    header,
};
use crate::limits::Limits;

/// A place in a text that is known to be UTF-8.
pub(super) struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// A string of the text.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    /// Without the quotes; escapes as they came, and known to be good.
    pub(super) inner: &'a [u8],
    pub(super) escaped: bool,
}

const STRING: &str = "string that does not end";
const NUMBER: &str = "number that is none of JSON";

impl<'a> Scanner<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) const fn at(&self) -> usize {
        self.at
    }

    #[cold]
    pub(super) const fn broken(&self, rule: &'static str) -> Broken {
        Broken { rule, at: self.at }
    }

    /// The next byte; 0 at the end, which stands nowhere in JSON.
    #[inline]
    pub(super) fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    #[inline]
    pub(super) const fn skip(&mut self) {
        self.at += 1;
    }

    #[inline]
    pub(super) fn take(&mut self, byte: u8, rule: &'static str) -> Result<(), Broken> {
        if self.peek() != byte {
            return Err(self.broken(rule));
        }
        self.at += 1;
        Ok(())
    }

    #[inline]
    pub(super) fn space(&mut self) {
        while matches!(self.peek(), b' ' | b'\n' | b'\r' | b'\t') {
            self.at += 1;
        }
    }

    /// Nothing but white space may follow.
    pub(super) fn end(&mut self) -> Result<(), Broken> {
        self.space();
        if self.at == self.bytes.len() { Ok(()) } else { Err(self.broken(rule::TRAILING)) }
    }

    /// Skips one value that may open `depth` levels.
    pub(super) fn value(&mut self, depth: usize) -> Result<(), Broken> {
        match self.peek() {
            b'"' => self.text(STRING).map(drop),
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => Err(self.broken("expected a value")),
        }
    }

    /// Skips a string and says where it was.
    #[inline]
    pub(super) fn text(&mut self, otherwise: &'static str) -> Result<Text<'a>, Broken> {
        self.take(b'"', otherwise)?;
        let start = self.at;
        let mut escaped = false;
        loop {
            self.plain();
            match self.peek() {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    self.escape()?;
                }
                byte if byte < 0x20 => return Err(self.broken(STRING)),
                _ => self.at += 1,
            }
        }
        let inner = self.bytes.get(start..self.at).unwrap_or_default();
        self.at += 1;
        Ok(Text { inner, escaped })
    }

    /// The string that a text with escapes stands for.
    #[cold]
    pub(super) fn unescaped(&self, text: Text<'_>) -> Result<String, Broken> {
        let quoted = [b"\"", text.inner, b"\""].concat();
        serde_json::from_slice(&quoted).map_err(|_| self.broken(ESCAPE))
    }

    /// An integer from 0 to 2^53 - 1: digits alone, and no superfluous zero.
    #[inline]
    pub(super) fn integer(&mut self) -> Result<u64, Broken> {
        let start = self.at;
        let mut value = 0_u64;
        while let digit @ b'0'..=b'9' = self.peek() {
            value = value.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
            self.at += 1;
        }
        let digits = self.at - start;
        let zero = digits > 1 && self.bytes.get(start) == Some(&b'0');
        let more = matches!(self.peek(), b'.' | b'e' | b'E');
        if digits == 0 || zero || more || value > Limits::MAX_INTEGER {
            return Err(self.broken(header::INTEGER));
        }
        Ok(value)
    }

    fn object(&mut self, depth: usize) -> Result<(), Broken> {
        let inside = self.open(depth)?;
        if self.peek() == b'}' {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.text(rule::KEY)?;
            self.space();
            self.take(b':', "expected `:`")?;
            self.space();
            self.value(inside)?;
            self.space();
            if self.peek() == b'}' {
                self.at += 1;
                return Ok(());
            }
            self.take(b',', "expected `,` or `}`")?;
            self.space();
        }
    }

    fn array(&mut self, depth: usize) -> Result<(), Broken> {
        let inside = self.open(depth)?;
        if self.peek() == b']' {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.value(inside)?;
            self.space();
            if self.peek() == b']' {
                self.at += 1;
                return Ok(());
            }
            self.take(b',', "expected `,` or `]`")?;
            self.space();
        }
    }

    #[inline]
    fn open(&mut self, depth: usize) -> Result<usize, Broken> {
        let inside = depth.checked_sub(1).ok_or_else(|| self.broken(rule::DEPTH))?;
        self.at += 1;
        self.space();
        Ok(inside)
    }

    fn number(&mut self) -> Result<(), Broken> {
        if self.peek() == b'-' {
            self.at += 1;
        }
        if self.peek() == b'0' {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == b'.' {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), b'e' | b'E') {
            self.at += 1;
            if matches!(self.peek(), b'+' | b'-') {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    #[inline]
    fn digits(&mut self) -> Result<(), Broken> {
        let start = self.at;
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        if self.at == start { Err(self.broken(NUMBER)) } else { Ok(()) }
    }

    #[inline]
    fn word(&mut self, word: &[u8]) -> Result<(), Broken> {
        if !self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            return Err(self.broken("expected a value"));
        }
        self.at += word.len();
        Ok(())
    }

    /// Skips what needs no look, eight bytes at a time.
    #[inline]
    fn plain(&mut self) {
        while let Some(eight) = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk) {
            let stops = stops(u64::from_le_bytes(*eight));
            if stops != 0 {
                self.at += (stops.trailing_zeros() / 8) as usize;
                return;
            }
            self.at += 8;
        }
    }

    #[cold]
    fn escape(&mut self) -> Result<(), Broken> {
        self.at += 1;
        match self.peek() {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.at += 1,
            b'u' => {
                let unit = self.unit()?;
                if (0xdc00..0xe000).contains(&unit) {
                    return Err(self.broken(ESCAPE));
                }
                if (0xd800..0xdc00).contains(&unit) {
                    self.take(b'\\', ESCAPE)?;
                    if !(0xdc00..0xe000).contains(&self.unit()?) {
                        return Err(self.broken(ESCAPE));
                    }
                }
            }
            _ => return Err(self.broken(ESCAPE)),
        }
        Ok(())
    }

    /// `u` and four hexadecimal digits.
    fn unit(&mut self) -> Result<u32, Broken> {
        self.take(b'u', ESCAPE)?;
        let mut unit = 0;
        for _ in 0..4 {
            let digit = char::from(self.peek()).to_digit(16);
            unit = unit * 16 + digit.ok_or_else(|| self.broken(ESCAPE))?;
            self.at += 1;
        }
        Ok(unit)
    }
}

const ESCAPE: &str = "escape that stands for no character";

/// Marks, by the highest bit, the first quote, backslash or control character of eight bytes; bytes
/// after it may be marked wrongly, since a subtraction borrows from them.
#[inline]
const fn stops(eight: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    const HIGHS: u64 = ONES * 0x80;
    let quote = eight ^ (ONES * b'"' as u64);
    let backslash = eight ^ (ONES * b'\\' as u64);
    let quotes = quote.wrapping_sub(ONES) & !quote;
    let backslashes = backslash.wrapping_sub(ONES) & !backslash;
    let controls = eight.wrapping_sub(ONES * 0x20) & !eight;
    (quotes | backslashes | controls) & HIGHS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_stop_of_eight_bytes_is_found_at_every_place() {
        for stop in [b'"', b'\\', 0, 0x1f] {
            for place in 0..8 {
                for around in [b'a', b' ', b'!', b'#', b'[', b']', 0x7f, 0x80, 0xa2, 0xdc, 0xff] {
                    let mut eight = [around; 8];
                    assert_eq!(stops(u64::from_le_bytes(eight)), 0, "{around:#x}");
                    eight[place] = stop;
                    let found = stops(u64::from_le_bytes(eight)).trailing_zeros() / 8;
                    assert_eq!(found as usize, place, "{stop:#x} among {around:#x}");
                }
            }
        }
    }

    #[test]
    fn the_scan_agrees_with_a_full_parser_about_form() {
        let texts = [
            "0",
            "-0",
            "-",
            "01",
            "1.",
            ".5",
            "1.5e+7",
            "1e",
            "1E-2",
            "+1",
            "tru",
            "true",
            "truex",
            "null",
            "nul",
            "[]",
            "[1,]",
            "[1 2]",
            "[,]",
            "{}",
            "{\"a\":1,}",
            "{\"a\"}",
            "{a:1}",
            "{\"a\":[{},{\"b\":null}]}",
            "\"\\u0041\"",
            "\"\\u004\"",
            "\"\\x\"",
            "\"\\ud83d\\ude00\"",
            "\"\\ud83d\"",
            "\"\\ude00\"",
            "\"\\ud83d\\u0041\"",
            "\"abcdefgh",
            "\"abc\u{1}\"",
            "\"\u{7f}\u{e9}\u{1f600}\"",
            "",
            " ",
            "1 1",
            "[1]]",
        ];
        for text in texts {
            let mut place = Scanner::new(text.as_bytes());
            place.space();
            let scanned = place.value(63).and_then(|()| place.end()).is_ok();
            let parsed = serde_json::from_str::<serde_json::Value>(text).is_ok();
            assert_eq!(scanned, parsed, "{text}");
        }
    }
}
