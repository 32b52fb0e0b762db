//! A MessagePack value as values.

use super::scan::{FALSE, NIL, Scanner, TRUE};
use crate::codec::{
    error::rule,
    refused::Refused,
    value::{Ahead, Kind, Number, Source},
};
use std::{borrow::Cow, mem};

/// A place in a value.
pub(super) struct MessagePackSource<'de> {
    scanner: Scanner<'de>,
    /// Levels that may still be opened.
    depth: usize,
    /// How many are still to come in what is open.
    left: usize,
}

impl<'de> MessagePackSource<'de> {
    #[inline]
    pub(super) const fn new(bytes: &'de [u8], depth: usize) -> Self {
        Self { scanner: Scanner::new(bytes), depth, left: 0 }
    }

    /// Nothing may follow.
    #[inline]
    pub(super) fn end(&self) -> Result<(), Refused> {
        Ok(self.scanner.end()?)
    }

    #[inline]
    fn open(&mut self, len: Option<usize>) -> Result<Option<usize>, Refused> {
        let Some(len) = len else { return Ok(None) };
        self.depth = self.depth.checked_sub(1).ok_or_else(|| Refused::new(rule::DEPTH))?;
        Ok(Some(mem::replace(&mut self.left, len)))
    }

    /// A name that the type has not, or elsewhere.
    #[inline(never)]
    fn other_name(&mut self, left: usize, ahead: &mut Ahead) -> Option<&'de str> {
        let name = self.scanner.short_str()?;
        self.left = left;
        ahead.pass(name);
        Some(name)
    }

    #[inline]
    fn close(&mut self, outer: usize) -> Result<(), Refused> {
        if mem::replace(&mut self.left, outer) != 0 {
            return Err(Refused::new(rule::MORE));
        }
        self.depth += 1;
        Ok(())
    }
}

impl<'de> Source<'de> for MessagePackSource<'de> {
    const IS_READABLE: bool = false;

    /// How many are still to come in it.
    type Outer = usize;

    #[inline]
    fn kind(&self) -> Option<Kind> {
        match self.scanner.peek()? {
            NIL => Some(Kind::Null),
            FALSE | TRUE => Some(Kind::Boolean),
            0x00..=0x7f | 0xca..=0xd3 | 0xe0..=0xff => Some(Kind::Number),
            0xa0..=0xbf | 0xd9..=0xdb => Some(Kind::Text),
            0xc4..=0xc6 => Some(Kind::Bytes),
            0x90..=0x9f | 0xdc | 0xdd => Some(Kind::List),
            0x80..=0x8f | 0xde | 0xdf => Some(Kind::Map),
            _ => None,
        }
    }

    #[inline]
    fn null(&mut self) -> bool {
        self.scanner.nil()
    }

    #[inline]
    fn boolean(&mut self) -> Option<bool> {
        let value = match self.scanner.peek()? {
            FALSE => false,
            TRUE => true,
            _ => return None,
        };
        self.scanner.step(1);
        Some(value)
    }

    #[inline]
    fn number(&mut self) -> Result<Option<Number>, Refused> {
        match self.scanner.peek() {
            Some(marker @ 0x00..=0x7f) => {
                self.scanner.step(1);
                Ok(Some(Number::Unsigned(u64::from(marker))))
            }
            Some(marker @ (0xca..=0xd3 | 0xe0..=0xff)) => Ok(Some(self.scanner.wide(marker)?)),
            _ => Ok(None),
        }
    }

    #[inline]
    fn plain(&mut self) -> Option<&'de str> {
        // The scan knew that it is UTF-8, and this is how safe Rust comes to know.
        self.scanner.short_str()
    }

    fn text(&mut self) -> Result<Option<Cow<'de, str>>, Refused> {
        if self.kind() != Some(Kind::Text) {
            return Ok(None);
        }
        let text = str::from_utf8(self.scanner.unchecked_text(rule::VALUE)?);
        text.map(|text| Some(Cow::Borrowed(text))).map_err(|_| Refused::new(rule::VALUE))
    }

    #[inline]
    fn bytes(&mut self) -> Result<Option<&'de [u8]>, Refused> {
        Ok(self.scanner.bin()?)
    }

    #[inline]
    fn list(&mut self) -> Result<Option<usize>, Refused> {
        let len = self.scanner.array()?;
        self.open(len)
    }

    #[inline]
    fn map(&mut self) -> Result<Option<usize>, Refused> {
        let len = self.scanner.map()?;
        self.open(len)
    }

    #[inline]
    fn element(&mut self) -> Result<bool, Refused> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(false) };
        self.left = left;
        Ok(true)
    }

    #[inline]
    fn entry(&mut self) -> Result<bool, Refused> {
        self.element()
    }

    /// One copy for all types.
    #[inline(never)]
    fn name(&mut self, ahead: &mut Ahead) -> Option<&'de str> {
        let left = self.left.checked_sub(1)?;
        if let Some(name) = ahead.next()
            && self.scanner.short_name(name)
        {
            self.left = left;
            ahead.step();
            return Some(name);
        }
        self.other_name(left, ahead)
    }

    #[inline]
    fn colon(&mut self) -> Result<(), Refused> {
        Ok(())
    }

    #[inline]
    fn end_list(&mut self, outer: usize) -> Result<(), Refused> {
        self.close(outer)
    }

    #[inline]
    fn end_map(&mut self, outer: usize) -> Result<(), Refused> {
        self.close(outer)
    }

    #[inline]
    fn left(&self) -> Option<usize> {
        Some(self.left)
    }

    fn skip(&mut self) -> Result<(), Refused> {
        Ok(self.scanner.value(self.depth)?)
    }
}
