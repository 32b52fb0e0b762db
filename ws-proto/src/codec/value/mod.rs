//! One data model for every format, when a value is read (`docs/protocol.md`, section 2).
//!
//! A format says what stands next in its bytes ([`Source`]); [`Value`] is the one deserializer over
//! it, and so settles for every format alike:
//!
//! - structs and maps come from maps with text keys, never from arrays; keys do not repeat;
//! - integers lie within 2^53 - 1; floats are finite; 128-bit integers do not exist;
//! - bytes are `bin` or base64 text, and text is never made of `bin`;
//! - an enum is the text of its unit variant, or a map of one entry;
//! - the names of fields, variants and keys are text, never numbers.
//!
//! A field that the type does not know is skipped: its form was checked, its numbers and keys
//! are not.
//!
//! The bytes were scanned before, so that their form is not in question. It is still looked at
//! wherever it is used: bytes that nobody scanned are refused, or read as something else, and do no
//! harm.

mod access;
mod key;

use super::{error::rule, refused::Refused};
use crate::limits::Limits;
use access::{Entries, Fields, List, Variant};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{
    Deserializer,
    de::{Error, Unexpected, Visitor, value::CowStrDeserializer},
};
use std::{borrow::Cow, slice};

/// What a format has to say about its bytes. Each of the readers takes what comes next when it is
/// of its kind, and otherwise leaves it where it is.
pub(super) trait Source<'de> {
    /// Whether types show themselves as text for people.
    const IS_READABLE: bool;

    /// How far the list or map around the open one was read.
    type Outer;

    /// What comes next; `None` where no value starts.
    fn kind(&self) -> Option<Kind>;

    fn null(&mut self) -> bool;

    fn boolean(&mut self) -> Option<bool>;

    /// Finite where it is a float.
    fn number(&mut self) -> Result<Option<Number>, Refused>;

    /// A text whose bytes are those of the message.
    fn plain(&mut self) -> Option<&'de str>;

    /// Any text.
    fn text(&mut self) -> Result<Option<Cow<'de, str>>, Refused>;

    fn bytes(&mut self) -> Result<Option<&'de [u8]>, Refused>;

    /// Opens a list, unless too many are open.
    fn list(&mut self) -> Result<Option<Self::Outer>, Refused>;

    /// Opens a map, unless too many are open.
    fn map(&mut self) -> Result<Option<Self::Outer>, Refused>;

    /// Goes on to the next element of the open list, if there is one.
    fn element(&mut self) -> Result<bool, Refused>;

    /// Goes on to the next key of the open map, if there is one: a text, which [`Source::colon`]
    /// ends.
    fn entry(&mut self) -> Result<bool, Refused>;

    /// Goes on to the next key and from there to its value, where all of it stands as it usually
    /// does; `None` where it does not, or no key is left, and nothing was read.
    fn name(&mut self, ahead: &mut Ahead) -> Option<&'de str>;

    /// Goes on from a key to its value.
    fn colon(&mut self) -> Result<(), Refused>;

    /// Closes the open list, if nothing is left in it.
    fn end_list(&mut self, outer: Self::Outer) -> Result<(), Refused>;

    /// Closes the open map, if nothing is left in it.
    fn end_map(&mut self, outer: Self::Outer) -> Result<(), Refused>;

    /// How many are left in what is open, where the format says it.
    fn left(&self) -> Option<usize>;

    /// Goes past one value without looking into it.
    fn skip(&mut self) -> Result<(), Refused>;
}

/// The names of a struct behind the last one that came: most writers keep the order of the type,
/// and what is one of its names is known to be text.
pub(super) struct Ahead(slice::Iter<'static, &'static str>);

impl Ahead {
    /// The name that is likely to come next.
    #[inline]
    pub(super) fn next(&self) -> Option<&'static str> {
        self.0.as_slice().first().copied()
    }

    /// Goes on behind the next name.
    #[inline]
    pub(super) fn step(&mut self) {
        self.0.next();
    }

    /// Goes on behind this name. A name is passed once, so that all keys of a message together cost
    /// no more than all names of the type.
    pub(super) fn pass(&mut self, name: &str) {
        self.0.any(|known| *known == name);
    }
}

/// What a value is, by its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Boolean,
    Number,
    Text,
    Bytes,
    List,
    Map,
}

/// A number as it was written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Unsigned(u64),
    /// Below zero.
    Signed(i64),
    Float(f64),
}

/// The value that comes next in a source.
pub(super) struct Value<'a, S>(pub(super) &'a mut S);

impl<'de, S: Source<'de>> Value<'_, S> {
    /// Refuses what is there instead of what the type asked for.
    #[cold]
    fn refuse<V: Visitor<'de>>(self, visitor: &V) -> Result<V::Value, Refused> {
        let found = match self.0.kind() {
            None => return Err(Refused::new(rule::VALUE)),
            Some(Kind::Null) => Unexpected::Unit,
            Some(Kind::Boolean) => Unexpected::Other("boolean"),
            Some(Kind::Number) => Unexpected::Other("number"),
            Some(Kind::Text) => Unexpected::Other("text"),
            Some(Kind::Bytes) => Unexpected::Other("bytes"),
            Some(Kind::List) => Unexpected::Seq,
            Some(Kind::Map) => Unexpected::Map,
        };
        // Errors of a text say where the value ends.
        if !matches!(found, Unexpected::Seq | Unexpected::Map) {
            self.0.skip()?;
        }
        Err(Refused::invalid_type(found, visitor))
    }

    #[inline]
    fn integer<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        match self.0.number()? {
            Some(Number::Unsigned(value)) if value <= Limits::MAX_INTEGER => {
                visitor.visit_u64(value)
            }
            Some(Number::Signed(value)) if value.unsigned_abs() <= Limits::MAX_INTEGER => {
                visitor.visit_i64(value)
            }
            Some(Number::Float(value)) => {
                Err(Refused::invalid_type(Unexpected::Float(value), &visitor))
            }
            Some(_) => Err(Refused::new(rule::INTEGER)),
            None => self.refuse(&visitor),
        }
    }

    /// A float of JavaScript has no point in its text when it is whole.
    #[inline]
    fn float<V: Visitor<'de>>(self, largest: f64, visitor: V) -> Result<V::Value, Refused> {
        match self.0.number()? {
            Some(Number::Unsigned(value)) => visitor.visit_u64(value),
            Some(Number::Signed(value)) => visitor.visit_i64(value),
            Some(Number::Float(value)) if value.abs() <= largest => visitor.visit_f64(value),
            Some(Number::Float(_)) => Err(Refused::new(rule::FLOAT)),
            None => self.refuse(&visitor),
        }
    }

    fn any_number<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        match self.0.number()? {
            Some(Number::Float(value)) => visitor.visit_f64(value),
            Some(Number::Unsigned(value)) if value <= Limits::MAX_INTEGER => {
                visitor.visit_u64(value)
            }
            Some(Number::Signed(value)) if value.unsigned_abs() <= Limits::MAX_INTEGER => {
                visitor.visit_i64(value)
            }
            Some(_) => Err(Refused::new(rule::INTEGER)),
            None => self.refuse(&visitor),
        }
    }

    #[cold]
    fn unusual_text<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        match self.0.text()? {
            Some(Cow::Borrowed(text)) => visitor.visit_borrowed_str(text),
            Some(Cow::Owned(text)) => visitor.visit_string(text),
            None => self.refuse(&visitor),
        }
    }

    #[inline]
    fn list<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        let Some(outer) = self.0.list()? else { return self.refuse(&visitor) };
        let value = visitor.visit_seq(List(&mut *self.0))?;
        self.0.end_list(outer)?;
        Ok(value)
    }

    fn map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        let Some(outer) = self.0.map()? else { return self.refuse(&visitor) };
        let value = visitor.visit_map(Entries::new(&mut *self.0))?;
        self.0.end_map(outer)?;
        Ok(value)
    }

    #[inline]
    fn fields<V: Visitor<'de>>(
        self,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let Some(outer) = self.0.map()? else { return self.refuse(&visitor) };
        let value = visitor.visit_map(Fields::new(&mut *self.0, names))?;
        self.0.end_map(outer)?;
        Ok(value)
    }
}

macro_rules! ask {
    ($($method:ident as $own:ident;)+) => {
        $(#[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
            self.$own(visitor)
        })+
    };
}

impl<'de, S: Source<'de>> Deserializer<'de> for Value<'_, S> {
    type Error = Refused;

    ask! {
        deserialize_i8 as integer;
        deserialize_i16 as integer;
        deserialize_i32 as integer;
        deserialize_i64 as integer;
        deserialize_u8 as integer;
        deserialize_u16 as integer;
        deserialize_u32 as integer;
        deserialize_u64 as integer;
        deserialize_char as deserialize_str;
        deserialize_string as deserialize_str;
        deserialize_identifier as deserialize_str;
        deserialize_byte_buf as deserialize_bytes;
        deserialize_seq as list;
        deserialize_map as map;
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        match self.0.kind() {
            Some(Kind::Null) => self.deserialize_unit(visitor),
            Some(Kind::Boolean) => self.deserialize_bool(visitor),
            Some(Kind::Number) => self.any_number(visitor),
            Some(Kind::Text) => self.deserialize_str(visitor),
            Some(Kind::Bytes) => self.deserialize_bytes(visitor),
            Some(Kind::List) => self.list(visitor),
            Some(Kind::Map) => self.map(visitor),
            None => Err(Refused::new(rule::VALUE)),
        }
    }

    #[inline]
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        match self.0.boolean() {
            Some(value) => visitor.visit_bool(value),
            None => self.refuse(&visitor),
        }
    }

    // Always by way of 64 bits, so that both formats round alike.
    #[inline]
    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.float(f64::from(f32::MAX), visitor)
    }

    #[inline]
    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.float(f64::MAX, visitor)
    }

    #[inline]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        match self.0.plain() {
            Some(text) => visitor.visit_borrowed_str(text),
            None => self.unusual_text(visitor),
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        if let Some(bytes) = self.0.bytes()? {
            return visitor.visit_borrowed_bytes(bytes);
        }
        let Some(text) = self.0.text()? else { return self.refuse(&visitor) };
        match STANDARD.decode(&*text) {
            Ok(bytes) => visitor.visit_byte_buf(bytes),
            Err(_) => Err(Refused::new(rule::BASE64)),
        }
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        if self.0.null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    #[inline]
    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        if self.0.null() { visitor.visit_unit() } else { self.refuse(&visitor) }
    }

    #[inline]
    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.deserialize_unit(visitor)
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        visitor.visit_newtype_struct(self)
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Refused> {
        self.list(visitor)
    }

    #[inline]
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.list(visitor)
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.fields(names, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        if let Some(text) = self.0.text()? {
            return visitor.visit_enum(CowStrDeserializer::new(text));
        }
        let Some(outer) = self.0.map()? else { return self.refuse(&visitor) };
        visitor.visit_enum(Variant { source: self.0, outer })
    }

    #[inline]
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.0.skip()?;
        visitor.visit_unit()
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        S::IS_READABLE
    }
}
