//! What stands inside a value: elements, entries, variants.

use super::{Ahead, Source, Value, key::Key};
use crate::codec::{error::rule, refused::Refused};
use serde::de::{
    DeserializeSeed, EnumAccess, Error, MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor,
};
use std::{borrow::Cow, collections::BTreeSet};

/// The elements of a list.
pub(super) struct List<'a, S>(pub(super) &'a mut S);

impl<'de, S: Source<'de>> SeqAccess<'de> for List<'_, S> {
    type Error = Refused;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Refused> {
        if !self.0.element()? {
            return Ok(None);
        }
        seed.deserialize(Value(&mut *self.0)).map(Some)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.0.left()
    }
}

/// The fields of a struct, which refuses a repeated one itself.
pub(super) struct Fields<'a, S> {
    source: &'a mut S,
    ahead: Ahead,
}

impl<'a, S> Fields<'a, S> {
    #[inline]
    pub(super) fn new(source: &'a mut S, names: &'static [&'static str]) -> Self {
        Self { source, ahead: Ahead(names.iter()) }
    }
}

impl<'de, S: Source<'de>> MapAccess<'de> for Fields<'_, S> {
    type Error = Refused;

    #[inline]
    fn next_key_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Refused> {
        match self.source.name(&mut self.ahead) {
            Some(name) => seed.deserialize(Key(Cow::Borrowed(name))).map(Some),
            None => unusual_name(self.source, seed),
        }
    }

    #[inline]
    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Refused> {
        seed.deserialize(Value(&mut *self.source))
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.source.left()
    }
}

/// Another name, or the end of them.
#[inline(never)]
fn unusual_name<'de, S: Source<'de>, T: DeserializeSeed<'de>>(
    source: &mut S,
    seed: T,
) -> Result<Option<T::Value>, Refused> {
    if !source.entry()? {
        return Ok(None);
    }
    let name = key(source)?;
    seed.deserialize(Key(name)).map(Some)
}

#[inline]
fn key<'de, S: Source<'de>>(source: &mut S) -> Result<Cow<'de, str>, Refused> {
    let Some(key) = source.text()? else { return Err(Refused::new(rule::KEY)) };
    source.colon()?;
    Ok(key)
}

/// The entries of a map, whose keys nobody else compares.
pub(super) struct Entries<'de, 'a, S> {
    source: &'a mut S,
    /// The keys so far, as many as the map has: bounded by the message.
    seen: BTreeSet<Cow<'de, str>>,
}

impl<'a, S> Entries<'_, 'a, S> {
    #[inline]
    pub(super) const fn new(source: &'a mut S) -> Self {
        Self { source, seen: BTreeSet::new() }
    }
}

impl<'de, S: Source<'de>> MapAccess<'de> for Entries<'de, '_, S> {
    type Error = Refused;

    fn next_key_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Refused> {
        if !self.source.entry()? {
            return Ok(None);
        }
        let key = key(self.source)?;
        if !self.seen.insert(key.clone()) {
            return Err(Refused::new(rule::TWICE));
        }
        seed.deserialize(Key(key)).map(Some)
    }

    #[inline]
    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Refused> {
        seed.deserialize(Value(&mut *self.source))
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.source.left()
    }
}

/// An enum's variant with its content: a map of one entry.
pub(super) struct Variant<'a, S, O> {
    pub(super) source: &'a mut S,
    pub(super) outer: O,
}

impl<'de, S: Source<'de>> Variant<'_, S, S::Outer> {
    /// Closes the map behind its only value.
    #[inline]
    fn end<T>(self, value: T) -> Result<T, Refused> {
        if self.source.entry()? {
            return Err(Refused::new(rule::ONE_ENTRY));
        }
        self.source.end_map(self.outer)?;
        Ok(value)
    }
}

impl<'de, S: Source<'de>> EnumAccess<'de> for Variant<'_, S, S::Outer> {
    type Error = Refused;
    type Variant = Self;

    #[inline]
    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self), Refused> {
        if !self.source.entry()? {
            return Err(Refused::new(rule::ONE_ENTRY));
        }
        let name = key(self.source)?;
        Ok((seed.deserialize(Key(name))?, self))
    }
}

impl<'de, S: Source<'de>> VariantAccess<'de> for Variant<'_, S, S::Outer> {
    type Error = Refused;

    // A unit variant has one spelling: its name as text.
    fn unit_variant(self) -> Result<(), Refused> {
        Err(Refused::invalid_type(Unexpected::Map, &"the name of a variant"))
    }

    #[inline]
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Refused> {
        let value = seed.deserialize(Value(&mut *self.source))?;
        self.end(value)
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Refused> {
        let value = Value(&mut *self.source).list(visitor)?;
        self.end(value)
    }

    #[inline]
    fn struct_variant<V: Visitor<'de>>(
        self,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let value = Value(&mut *self.source).fields(names, visitor)?;
        self.end(value)
    }
}
