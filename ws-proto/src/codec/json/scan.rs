//! Finds where a JSON value ends, and whether it is one, without decoding it.

use crate::codec::{
    error::{Broken, rule},
    header, word,
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
/// Of the largest integer of a header; what has no more of them fits in 64 bits.
const DIGITS: usize = Limits::MAX_INTEGER.ilog10() as usize + 1;
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

    /// Skips these bytes where they stand next.
    #[inline]
    pub(super) fn literal(&mut self, bytes: &[u8]) -> bool {
        let found = self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(bytes));
        self.at += if found { bytes.len() } else { 0 };
        found
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
        // Writers that count bytes write none.
        if self.peek() <= b' ' {
            self.spaces();
        }
    }

    #[cold]
    fn spaces(&mut self) {
        while matches!(self.peek(), b' ' | b'\n' | b'\r' | b'\t') {
            self.at += 1;
        }
    }

    /// Nothing but white space may follow.
    pub(super) fn end(&mut self) -> Result<(), Broken> {
        self.space();
        if self.at == self.bytes.len() { Ok(()) } else { Err(self.broken(rule::TRAILING)) }
    }

    /// Skips one value that may open `depth` levels, at most 64. What is open is kept in the bits of
    /// one word, and not on the stack: 1 is an object, 0 an array, the innermost is the lowest.
    pub(super) fn value(&mut self, depth: usize) -> Result<(), Broken> {
        let (mut open, mut levels) = (0_u64, 0);
        loop {
            let first = self.peek();
            match first {
                b'"' => self.string(STRING)?,
                b'{' | b'[' => {
                    if levels == depth {
                        return Err(self.broken(rule::DEPTH));
                    }
                    self.at += 1;
                    self.space();
                    // `]` and `}` stand two after what opens.
                    if self.peek() != first + 2 {
                        levels += 1;
                        open = open << 1 | u64::from(first == b'{');
                        self.name(open)?;
                        continue;
                    }
                    self.at += 1;
                }
                b'-' | b'0'..=b'9' => self.number()?,
                b't' => self.word(b"true")?,
                b'f' => self.word(b"false")?,
                b'n' => self.word(b"null")?,
                _ => return Err(self.broken("expected a value")),
            }
            loop {
                if levels == 0 {
                    return Ok(());
                }
                self.space();
                let next = self.peek();
                if next == b',' {
                    self.at += 1;
                    self.space();
                    self.name(open)?;
                    break;
                }
                let (end, otherwise) = if open & 1 == 1 {
                    (b'}', "expected `,` or `}`")
                } else {
                    (b']', "expected `,` or `]`")
                };
                if next != end {
                    return Err(self.broken(otherwise));
                }
                self.at += 1;
                levels -= 1;
                open >>= 1;
            }
        }
    }

    /// Skips the name of an entry and its colon, when the innermost of `open` is an object.
    #[inline]
    fn name(&mut self, open: u64) -> Result<(), Broken> {
        if open & 1 == 0 {
            return Ok(());
        }
        self.string(rule::KEY)?;
        self.colon()
    }

    /// Skips a string.
    #[inline]
    fn string(&mut self, otherwise: &'static str) -> Result<(), Broken> {
        if self.short() { Ok(()) } else { self.text(otherwise).map(drop) }
    }

    /// Skips a string without escapes that ends within eight bytes, if that is what comes next.
    #[inline]
    fn short(&mut self) -> bool {
        let Some([b'"', eight @ ..]) = self.next::<9>() else { return false };
        let eight = u64::from_le_bytes(*eight);
        let stop = word::stops(eight).trailing_zeros() & !7;
        let found = eight.checked_shr(stop).is_some_and(|rest| rest & 0xff == u64::from(b'"'));
        self.at += if found { 2 + stop as usize / 8 } else { 0 };
        found
    }

    /// Skips a colon and the white space around it.
    #[inline]
    pub(super) fn colon(&mut self) -> Result<(), Broken> {
        self.space();
        self.take(b':', "expected `:`")?;
        self.space();
        Ok(())
    }

    /// Skips a string and says where it was.
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
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let (mut value, mut digits) = (0_u64, 0);
        for byte in rest {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
            digits += 1;
        }
        self.at += digits;
        let zero = digits > 1 && rest.first() == Some(&b'0');
        let more = matches!(self.peek(), b'.' | b'e' | b'E');
        let long = digits > DIGITS || value > Limits::MAX_INTEGER;
        if digits == 0 || zero || more || long {
            return Err(self.broken(header::INTEGER));
        }
        Ok(value)
    }

    /// The next eight bytes; `None` where fewer are left.
    #[inline]
    pub(super) fn eight(&self) -> Option<u64> {
        let eight = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk);
        eight.map(|eight| u64::from_le_bytes(*eight))
    }

    /// The next bytes, as many as are asked for; `None` where fewer are left.
    #[inline]
    pub(super) fn next<const N: usize>(&self) -> Option<&'a [u8; N]> {
        self.bytes.get(self.at..).and_then(<[u8]>::first_chunk)
    }

    #[inline]
    pub(super) const fn step(&mut self, bytes: usize) {
        self.at += bytes;
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

    /// Skips what needs no look, 32 bytes at a time, and then eight.
    #[inline]
    fn plain(&mut self) {
        while self.next().is_some_and(word::is_plain) {
            self.at += 32;
        }
        while let Some(eight) = self.eight() {
            let stops = word::stops(eight);
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

#[cfg(test)]
mod tests {
    use super::*;

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
