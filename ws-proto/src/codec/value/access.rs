//! What stands inside a value: elements, entries, variants.

use super::{Source, Value, key::Key};
use crate::codec::{error::rule, refused::Refused};
use serde::de::{
    DeserializeSeed, EnumAccess, Error, MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor,
};
use std::{borrow::Cow, collections::BTreeSet};

/// The elements of a list.
pub(super) struct List<'a, S, I> {
    pub(super) source: &'a mut S,
    pub(super) inside: &'a mut I,
}

impl<'de, S: Source<'de>> SeqAccess<'de> for List<'_, S, S::Inside> {
    type Error = Refused;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Refused> {
        if !self.source.element(self.inside)? {
            return Ok(None);
        }
        seed.deserialize(Value(self.source)).map(Some)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        S::left(self.inside)
    }
}

/// The entries of a map, or the fields of a struct.
pub(super) struct Fields<'de, 'a, S, I> {
    source: &'a mut S,
    inside: &'a mut I,
    /// The keys so far, as many as the map has: bounded by the message. `None` in a struct.
    seen: Option<BTreeSet<Cow<'de, str>>>,
}

impl<'a, S, I> Fields<'_, 'a, S, I> {
    #[inline]
    pub(super) fn new(source: &'a mut S, inside: &'a mut I, is_struct: bool) -> Self {
        Self { source, inside, seen: (!is_struct).then(BTreeSet::new) }
    }
}

impl<'de, S: Source<'de>> Fields<'de, '_, S, S::Inside> {
    #[inline]
    fn note(&mut self, key: &Cow<'de, str>) -> Result<(), Refused> {
        let Some(seen) = &mut self.seen else { return Ok(()) };
        if seen.insert(key.clone()) { Ok(()) } else { Err(Refused::new(rule::TWICE)) }
    }

    #[cold]
    fn unusual_key<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Refused> {
        let Some(text) = self.source.text()? else { return Err(Refused::new(rule::KEY)) };
        self.source.colon()?;
        self.note(&text)?;
        seed.deserialize(Key(text))
    }
}

impl<'de, S: Source<'de>> MapAccess<'de> for Fields<'de, '_, S, S::Inside> {
    type Error = Refused;

    #[inline]
    fn next_key_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Refused> {
        if !self.source.entry(self.inside)? {
            return Ok(None);
        }
        let Some(text) = self.source.plain() else { return self.unusual_key(seed).map(Some) };
        self.source.colon()?;
        self.note(&Cow::Borrowed(text))?;
        seed.deserialize(Key(Cow::Borrowed(text))).map(Some)
    }

    #[inline]
    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Refused> {
        seed.deserialize(Value(self.source))
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        S::left(self.inside)
    }
}

/// An enum's variant with its content: a map of one entry.
pub(super) struct Variant<'a, S, I> {
    pub(super) source: &'a mut S,
    pub(super) inside: &'a mut I,
}

impl<'de, S: Source<'de>> Variant<'_, S, S::Inside> {
    /// Closes the map behind its only value.
    #[inline]
    fn end<T>(self, value: T) -> Result<T, Refused> {
        if self.source.entry(self.inside)? {
            return Err(Refused::new(rule::ONE_ENTRY));
        }
        self.source.end_map(self.inside)?;
        Ok(value)
    }
}

impl<'de, S: Source<'de>> EnumAccess<'de> for Variant<'_, S, S::Inside> {
    type Error = Refused;
    type Variant = Self;

    #[inline]
    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self), Refused> {
        if !self.source.entry(self.inside)? {
            return Err(Refused::new(rule::ONE_ENTRY));
        }
        let Some(name) = self.source.text()? else { return Err(Refused::new(rule::KEY)) };
        self.source.colon()?;
        Ok((seed.deserialize(Key(name))?, self))
    }
}

impl<'de, S: Source<'de>> VariantAccess<'de> for Variant<'_, S, S::Inside> {
    type Error = Refused;

    // A unit variant has one spelling: its name as text.
    fn unit_variant(self) -> Result<(), Refused> {
        Err(Refused::invalid_type(Unexpected::Map, &"the name of a variant"))
    }

    #[inline]
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Refused> {
        let value = seed.deserialize(Value(self.source))?;
        self.end(value)
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Refused> {
        let value = Value(self.source).list(visitor)?;
        self.end(value)
    }

    #[inline]
    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let value = Value(self.source).map(true, visitor)?;
        self.end(value)
    }
}
