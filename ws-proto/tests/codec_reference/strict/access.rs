//! What stands inside a value: elements, entries, variants.

use super::rule;
use super::{
    Guard, Strict, Want,
    key::{Key, KeyText},
};
use serde::{
    Deserializer,
    de::{
        DeserializeSeed, EnumAccess, Error, IgnoredAny, MapAccess, SeqAccess, Unexpected,
        VariantAccess, Visitor,
    },
};
use std::{borrow::Cow, collections::BTreeSet};

/// An enum's variant with its content.
pub(crate) struct OneEntry<A>(pub(crate) A);

impl<'de, A: MapAccess<'de>> OneEntry<A> {
    #[inline]
    fn content<S: DeserializeSeed<'de>>(mut self, seed: S) -> Result<S::Value, A::Error> {
        let value = self.0.next_value_seed(seed)?;
        match self.0.next_key::<IgnoredAny>()? {
            None => Ok(value),
            Some(_) => Err(A::Error::custom(rule::ONE_ENTRY)),
        }
    }
}

impl<'de, A: MapAccess<'de>> EnumAccess<'de> for OneEntry<A> {
    type Error = A::Error;
    type Variant = Self;

    #[inline]
    fn variant_seed<S: DeserializeSeed<'de>>(
        mut self,
        seed: S,
    ) -> Result<(S::Value, Self), A::Error> {
        match self.0.next_key_seed(KeyText)? {
            Some(name) => Ok((seed.deserialize(Key::new(name))?, self)),
            None => Err(A::Error::custom(rule::ONE_ENTRY)),
        }
    }
}

impl<'de, A: MapAccess<'de>> VariantAccess<'de> for OneEntry<A> {
    type Error = A::Error;

    // A unit variant has one spelling: its name as text.
    fn unit_variant(self) -> Result<(), A::Error> {
        Err(A::Error::invalid_type(Unexpected::Map, &"the name of a variant"))
    }

    #[inline]
    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.content(Within(seed))
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.content(Content { visitor, want: Want::Seq })
    }

    #[inline]
    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.content(Content { visitor, want: Want::Struct })
    }
}

/// The fields of a tuple or struct variant.
struct Content<V> {
    visitor: V,
    want: Want,
}

impl<'de, V: Visitor<'de>> DeserializeSeed<'de> for Content<V> {
    type Value = V::Value;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        inner.deserialize_any(Guard { visitor: self.visitor, want: self.want })
    }
}

pub(crate) struct Seq<A>(pub(crate) A);

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Seq<A> {
    type Error = A::Error;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.0.next_element_seed(Within(seed))
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

pub(crate) struct Map<'de, A> {
    inner: A,
    /// As many keys as the map has: bounded by the message.
    seen: Option<BTreeSet<Cow<'de, str>>>,
}

impl<A> Map<'_, A> {
    /// A map whose keys nobody else compares.
    #[inline]
    pub(crate) const fn new(inner: A) -> Self {
        Self { inner, seen: Some(BTreeSet::new()) }
    }

    /// The fields of a struct, which refuses a repeated one itself.
    #[inline]
    pub(crate) const fn of_struct(inner: A) -> Self {
        Self { inner, seen: None }
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Map<'de, A> {
    type Error = A::Error;

    #[inline]
    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let Some(key) = self.inner.next_key_seed(KeyText)? else { return Ok(None) };
        if self.seen.as_mut().is_some_and(|seen| !seen.insert(key.clone())) {
            return Err(A::Error::custom(rule::TWICE));
        }
        seed.deserialize(Key::new(key)).map(Some)
    }

    #[inline]
    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.inner.next_value_seed(Within(seed))
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

/// Hands the data model on to what stands inside.
struct Within<S>(S);

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Within<S> {
    type Value = S::Value;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        self.0.deserialize(Strict(inner))
    }
}
