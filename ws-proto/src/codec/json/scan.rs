//! Finds where a JSON value ends, and whether it is one, without decoding it.

use super::integer;
use crate::codec::{
    error::{Broken, rule},
    header, word,
};
use std::ops::Range;

/// A place in a text, which may still turn out not to be UTF-8: only ASCII is looked at.
#[derive(Clone, Copy)]
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
        byte(self.bytes, self.at)
    }

    /// Skips these bytes where they stand next.
    #[inline]
    pub(super) fn literal(&mut self, bytes: &[u8]) -> bool {
        let found = self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(bytes));
        self.at += if found { bytes.len() } else { 0 };
        found
    }

    /// Skips this byte, if it comes next.
    #[inline]
    pub(super) fn next_is(&mut self, byte: u8) -> bool {
        let found = self.peek() == byte;
        self.at += usize::from(found);
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
        self.at = after_space(self.bytes, self.at);
    }

    /// Nothing but white space may follow.
    pub(super) fn end(&mut self) -> Result<(), Broken> {
        self.space();
        if self.at == self.bytes.len() { Ok(()) } else { Err(self.broken(rule::TRAILING)) }
    }

    /// Where the next value stands, if its form is good.
    #[inline]
    pub(super) fn place(mut self, depth: usize) -> Option<Range<usize>> {
        let start = self.at;
        self.value(depth).ok()?;
        Some(start..self.at)
    }

    /// Skips one value that may open `depth` levels, at most 64. What is open is kept in the bits of
    /// one word, and not on the stack: 1 is an object, 0 an array, the innermost is the lowest.
    pub(super) fn value(&mut self, depth: usize) -> Result<(), Broken> {
        let bytes = self.bytes;
        let (mut open, mut levels, mut at) = (0_u64, 0, self.at);
        loop {
            if open & 1 == 1 {
                at = self.name(at)?;
            }
            let first = byte(bytes, at);
            match first {
                b'"' => match string(bytes, at) {
                    Some(end) => at = end,
                    None => at = self.unusual(at, |scanner| scanner.text(STRING).map(drop))?,
                },
                b'{' | b'[' => {
                    if levels == depth {
                        return Err(Broken { rule: rule::DEPTH, at });
                    }
                    at = after_space(bytes, at + 1);
                    // `]` and `}` stand two after what opens.
                    if byte(bytes, at) != first + 2 {
                        levels += 1;
                        open = open << 1 | u64::from(first == b'{');
                        continue;
                    }
                    at += 1;
                }
                b'-' | b'0'..=b'9' => match whole_number(bytes, at) {
                    Some(end) => at = end,
                    None => at = self.unusual(at, Self::number)?,
                },
                b't' => at = self.unusual(at, |scanner| scanner.word(b"true"))?,
                b'f' => at = self.unusual(at, |scanner| scanner.word(b"false"))?,
                b'n' => at = self.unusual(at, |scanner| scanner.word(b"null"))?,
                _ => return Err(Broken { rule: rule::VALUE, at }),
            }
            loop {
                if levels == 0 {
                    self.at = at;
                    return Ok(());
                }
                at = after_space(bytes, at);
                let next = byte(bytes, at);
                if next == b',' {
                    at = after_space(bytes, at + 1);
                    break;
                }
                let (end, otherwise) = if open & 1 == 1 {
                    (b'}', "expected `,` or `}`")
                } else {
                    (b']', "expected `,` or `]`")
                };
                if next != end {
                    return Err(Broken { rule: otherwise, at });
                }
                at += 1;
                levels -= 1;
                open >>= 1;
            }
        }
    }

    /// Where the value of an entry starts, whose name starts here.
    #[inline]
    fn name(&mut self, at: usize) -> Result<usize, Broken> {
        match string(self.bytes, at) {
            Some(end) if byte(self.bytes, end) == b':' => Ok(after_space(self.bytes, end + 1)),
            _ => self.unusual(at, |scanner| {
                scanner.text(rule::KEY)?;
                scanner.colon()
            }),
        }
    }

    /// Where something ends that starts here.
    #[inline]
    fn unusual(
        &mut self,
        at: usize,
        skip: impl FnOnce(&mut Self) -> Result<(), Broken>,
    ) -> Result<usize, Broken> {
        self.at = at;
        skip(self)?;
        Ok(self.at)
    }

    /// Skips a string without escapes, if that is what comes next, and says where it stands.
    #[inline]
    pub(super) fn plain(&mut self) -> Option<Range<usize>> {
        let (start, end) = (self.at, string(self.bytes, self.at)?);
        self.at = end;
        Some(start + 1..end - 1)
    }

    /// Skips what stands before a name, the name and its colon, where there are no escapes and no
    /// white space, and says where the name stands. Nothing is skipped otherwise.
    #[inline]
    pub(super) fn next_name(&mut self) -> Option<Range<usize>> {
        let name = self.at + 1;
        let end = short(self.bytes, name)?;
        self.name_until(name, end)
    }

    /// The same for every length.
    pub(super) fn next_long_name(&mut self) -> Option<Range<usize>> {
        let name = self.at + 1;
        let end = long_string(self.bytes, name)?;
        self.name_until(name, end)
    }

    /// Goes on behind a name with its quotes and the colon, if that comes next.
    #[inline]
    fn name_until(&mut self, start: usize, end: usize) -> Option<Range<usize>> {
        match self.bytes.get(end..)? {
            [b':', after, ..] if *after > b' ' => {}
            _ => return None,
        }
        self.at = end + 1;
        Some(start + 1..end - 1)
    }

    /// Skips a colon and the white space around it.
    #[inline]
    pub(super) fn colon(&mut self) -> Result<(), Broken> {
        if self.peek() != b':' {
            self.space();
        }
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
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            self.at += word::plain(rest);
            match self.peek() {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    self.escape()?;
                }
                _ => return Err(self.broken(STRING)),
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
        self.small().ok_or_else(|| self.broken(header::INTEGER))
    }

    /// Skips such an integer, if that is what comes next.
    #[inline]
    pub(super) fn small(&mut self) -> Option<u64> {
        let (value, digits) = integer::read(self.bytes, self.at);
        self.at += digits;
        (digits > 0).then_some(value)
    }

    /// The next eight bytes as one number; 0 where fewer are left.
    #[inline]
    pub(super) fn eight(&self) -> u64 {
        self.next().map_or(0, |eight| u64::from_le_bytes(*eight))
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

    /// Skips a number.
    pub(super) fn number(&mut self) -> Result<(), Broken> {
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
    fn word(&mut self, word: &'static [u8]) -> Result<(), Broken> {
        if !self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            return Err(self.broken(rule::VALUE));
        }
        self.at += word.len();
        Ok(())
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

/// The byte at a place; 0 past the end, which stands nowhere in JSON.
#[inline]
fn byte(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or(0)
}

#[inline]
fn after_space(bytes: &[u8], at: usize) -> usize {
    // Writers that count bytes write none.
    if byte(bytes, at) <= b' ' { after_spaces(bytes, at) } else { at }
}

#[cold]
fn after_spaces(bytes: &[u8], mut at: usize) -> usize {
    while matches!(byte(bytes, at), b' ' | b'\n' | b'\r' | b'\t') {
        at += 1;
    }
    at
}

/// Where a string without escapes ends whose first quote would be here.
#[inline]
fn string(bytes: &[u8], at: usize) -> Option<usize> {
    short(bytes, at).or_else(|| long_string(bytes, at))
}

/// The same for every length. One copy for whoever reads a string.
#[inline(never)]
fn long_string(bytes: &[u8], at: usize) -> Option<usize> {
    let [b'"', rest @ ..] = bytes.get(at..)? else { return None };
    let len = word::plain(rest);
    (rest.get(len) == Some(&b'"')).then_some(at + len + 2)
}

/// The same, if it ends within eight bytes: names and the numbers of things are short.
#[inline]
fn short(bytes: &[u8], at: usize) -> Option<usize> {
    let Some([b'"', eight @ ..]) = bytes.get(at..)?.first_chunk::<9>() else { return None };
    end_among(*eight, at + 1)
}

/// Where a string ends with one of these bytes, which start here.
#[inline]
fn end_among(eight: [u8; 8], at: usize) -> Option<usize> {
    let eight = u64::from_le_bytes(eight);
    let stop = word::stops(eight).trailing_zeros() & !7;
    let is_end = eight.checked_shr(stop)? & 0xff == u64::from(b'"');
    is_end.then_some(at + 1 + stop as usize / 8)
}

/// Where a number ends that is digits alone and starts here.
#[inline]
fn whole_number(bytes: &[u8], at: usize) -> Option<usize> {
    let mut end = at;
    while byte(bytes, end).is_ascii_digit() {
        end += 1;
    }
    let is_other = matches!(byte(bytes, end), b'.' | b'e' | b'E');
    let is_zero = byte(bytes, at) == b'0' && end != at + 1;
    (end != at && !is_other && !is_zero).then_some(end)
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
