//! A JSON text as values.

use super::scan::Scanner;
use crate::codec::{
    error::rule,
    refused::Refused,
    value::{Kind, Number, Source},
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
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = before.iter().rev().take_while(|byte| **byte != b'\n').count();
        Place { line, column }
    }

    #[inline]
    fn open(&mut self, byte: u8) -> Result<Option<bool>, Refused> {
        if self.scanner.peek() != byte {
            return Ok(None);
        }
        self.depth = self.depth.checked_sub(1).ok_or_else(|| Refused::new(rule::DEPTH))?;
        self.scanner.step(1);
        self.scanner.space();
        Ok(Some(true))
    }

    /// Whether another one follows, unless `end` does; what lies between them is skipped.
    #[inline]
    fn next(&mut self, is_first: &mut bool, end: u8) -> Result<bool, Refused> {
        let is_inner = !std::mem::take(is_first);
        self.scanner.space();
        if is_inner && self.scanner.peek() == b',' {
            self.scanner.step(1);
            self.scanner.space();
            return Ok(true);
        }
        if self.scanner.peek() == end {
            return Ok(false);
        }
        if is_inner { Err(Refused::new(SEPARATOR)) } else { Ok(true) }
    }

    #[inline]
    fn close(&mut self, end: u8) -> Result<(), Refused> {
        self.scanner.space();
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

    /// Whether the first one is still to come.
    type Inside = bool;

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
        let len = self.scanner.plain()?.len();
        let end = self.scanner.at() - 1;
        self.text.get(end - len..end)
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
    fn list(&mut self) -> Result<Option<bool>, Refused> {
        self.open(b'[')
    }

    #[inline]
    fn map(&mut self) -> Result<Option<bool>, Refused> {
        self.open(b'{')
    }

    #[inline]
    fn element(&mut self, is_first: &mut bool) -> Result<bool, Refused> {
        self.next(is_first, b']')
    }

    #[inline]
    fn entry(&mut self, is_first: &mut bool) -> Result<bool, Refused> {
        self.next(is_first, b'}')
    }

    #[inline]
    fn colon(&mut self) -> Result<(), Refused> {
        Ok(self.scanner.colon()?)
    }

    #[inline]
    fn end_list(&mut self, _: &bool) -> Result<(), Refused> {
        self.close(b']')
    }

    #[inline]
    fn end_map(&mut self, _: &bool) -> Result<(), Refused> {
        self.close(b'}')
    }

    #[inline]
    fn left(_: &bool) -> Option<usize> {
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
