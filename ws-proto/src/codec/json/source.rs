//! A JSON text as values.

use super::scan::Scanner;
use crate::codec::{
    error::rule,
    refused::Refused,
    value::{Ahead, Kind, Number, Source},
};
use std::{borrow::Cow, fmt};

/// A place in a text.
pub(super) struct JsonSource<'de> {
    text: &'de str,
    scanner: Scanner<'de>,
    /// Levels that may still be opened.
    depth: usize,
}

impl<'de> JsonSource<'de> {
    #[inline]
    pub(super) fn new(text: &'de str, depth: usize) -> Self {
        let mut scanner = Scanner::new(text.as_bytes());
        scanner.space();
        Self { text, scanner, depth }
    }

    /// Nothing but white space may follow.
    #[inline]
    pub(super) fn end(&mut self) -> Result<(), Refused> {
        Ok(self.scanner.end()?)
    }

    /// Where it stopped, as people count.
    pub(super) fn place(&self) -> Place {
        let before = self.text.as_bytes().get(..self.scanner.at()).unwrap_or_default();
        let lines = || before.split(|byte| *byte == b'\n');
        Place { line: lines().count(), column: lines().next_back().map_or(0, <[u8]>::len) }
    }

    /// Stays before the bracket, which stands where a comma does before every other one.
    #[inline]
    fn open(&mut self, bracket: u8) -> Result<Option<()>, Refused> {
        if self.scanner.peek() != bracket {
            return Ok(None);
        }
        self.depth = self.depth.checked_sub(1).ok_or_else(|| Refused::new(rule::DEPTH))?;
        Ok(Some(()))
    }

    /// Whether another one follows, unless `end` does.
    #[inline]
    fn next(&mut self, bracket: u8, end: u8) -> Result<bool, Refused> {
        let mut separator = self.scanner.peek();
        if separator <= b' ' {
            self.scanner.space();
            separator = self.scanner.peek();
        }
        if separator == end {
            return Ok(false);
        }
        if separator != b',' && separator != bracket {
            return Err(Refused::new(SEPARATOR));
        }
        self.scanner.step(1);
        self.scanner.space();
        Ok(separator == b',' || self.scanner.peek() != end)
    }

    /// A name of more than seven letters.
    #[inline(never)]
    fn long_name(&mut self) -> Option<&'de str> {
        let place = self.scanner.next_long_name()?;
        self.text.get(place)
    }

    #[inline]
    fn close(&mut self, bracket: u8, end: u8) -> Result<(), Refused> {
        self.scanner.space();
        // A type of no elements need not ask for the first one.
        if self.scanner.peek() == bracket {
            self.scanner.step(1);
            self.scanner.space();
        }
        self.scanner.take(end, rule::MORE)?;
        self.depth += 1;
        Ok(())
    }

    /// A number that is no integer from 0 to 2^53 - 1.
    #[cold]
    fn unusual_number(&mut self) -> Result<Option<Number>, Refused> {
        if !matches!(self.scanner.peek(), b'-' | b'0'..=b'9') {
            return Ok(None);
        }
        let start = self.scanner.at();
        self.scanner.number()?;
        let text = self.text.get(start..self.scanner.at()).unwrap_or_default();
        if let Ok(value) = text.parse() {
            return Ok(Some(Number::Unsigned(value)));
        }
        match text.parse::<i64>() {
            // Only a float has two zeros.
            Ok(value) if value != 0 => return Ok(Some(Number::Signed(value))),
            _ => {}
        }
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Some(Number::Float(value))),
            _ => Err(Refused::new(rule::FINITE)),
        }
    }
}

impl<'de> Source<'de> for JsonSource<'de> {
    const IS_READABLE: bool = true;

    /// The bytes say it.
    type Outer = ();

    #[inline]
    fn kind(&self) -> Option<Kind> {
        match self.scanner.peek() {
            b'"' => Some(Kind::Text),
            b'{' => Some(Kind::Map),
            b'[' => Some(Kind::List),
            b'-' | b'0'..=b'9' => Some(Kind::Number),
            b't' | b'f' => Some(Kind::Boolean),
            b'n' => Some(Kind::Null),
            _ => None,
        }
    }

    #[inline]
    fn null(&mut self) -> bool {
        self.scanner.literal(b"null")
    }

    #[inline]
    fn boolean(&mut self) -> Option<bool> {
        if self.scanner.literal(b"true") {
            return Some(true);
        }
        self.scanner.literal(b"false").then_some(false)
    }

    #[inline]
    fn number(&mut self) -> Result<Option<Number>, Refused> {
        match self.scanner.small() {
            Some(value) => Ok(Some(Number::Unsigned(value))),
            None => self.unusual_number(),
        }
    }

    #[inline]
    fn plain(&mut self) -> Option<&'de str> {
        let place = self.scanner.plain()?;
        self.text.get(place)
    }

    fn text(&mut self) -> Result<Option<Cow<'de, str>>, Refused> {
        if self.scanner.peek() != b'"' {
            return Ok(None);
        }
        if let Some(text) = self.plain() {
            return Ok(Some(Cow::Borrowed(text)));
        }
        let text = self.scanner.text(rule::VALUE)?;
        Ok(Some(Cow::Owned(self.scanner.unescaped(text)?)))
    }

    #[inline]
    fn bytes(&mut self) -> Result<Option<&'de [u8]>, Refused> {
        Ok(None)
    }

    #[inline]
    fn list(&mut self) -> Result<Option<()>, Refused> {
        self.open(b'[')
    }

    #[inline]
    fn map(&mut self) -> Result<Option<()>, Refused> {
        self.open(b'{')
    }

    #[inline]
    fn element(&mut self) -> Result<bool, Refused> {
        self.next(b'[', b']')
    }

    #[inline]
    fn entry(&mut self) -> Result<bool, Refused> {
        self.next(b'{', b'}')
    }

    /// One copy for all types.
    #[inline(never)]
    fn name(&mut self, _: &mut Ahead) -> Option<&'de str> {
        if !matches!(self.scanner.peek(), b',' | b'{') {
            return None;
        }
        match self.scanner.next_name() {
            Some(place) => self.text.get(place),
            None => self.long_name(),
        }
    }

    #[inline]
    fn colon(&mut self) -> Result<(), Refused> {
        Ok(self.scanner.colon()?)
    }

    #[inline]
    fn end_list(&mut self, (): ()) -> Result<(), Refused> {
        self.close(b'[', b']')
    }

    #[inline]
    fn end_map(&mut self, (): ()) -> Result<(), Refused> {
        self.close(b'{', b'}')
    }

    #[inline]
    fn left(&self) -> Option<usize> {
        None
    }

    fn skip(&mut self) -> Result<(), Refused> {
        Ok(self.scanner.value(self.depth)?)
    }
}

/// Line and column, from 1 and behind what was read.
pub(super) struct Place {
    line: usize,
    column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " at line {} column {}", self.line, self.column)
    }
}

const SEPARATOR: &str = "expected `,`";
