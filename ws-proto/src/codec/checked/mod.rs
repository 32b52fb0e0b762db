//! One data model for every format, when a value is written (`docs/protocol.md`, section 2).
//!
//! [`Checked`] stands between the type and a format's serializer and refuses what the peer would
//! have to refuse: integers past 2^53 - 1, floats that are not finite, keys that are not text,
//! nesting too deep, a length other than the declared one. It writes bytes as base64 text where
//! the format is human-readable.

mod compound;
mod key;

use super::error::rule;
use crate::limits::Limits;
use base64::{Engine, engine::general_purpose::STANDARD};
use compound::Compound;
use serde::{Serialize, Serializer, ser::Error};
use std::fmt::Display;

/// A format's serializer, bound to the data model. `depth` is how many more levels may open.
pub(super) struct Checked<S> {
    pub(super) inner: S,
    pub(super) depth: usize,
}

/// A value inside another one.
struct Inside<'a, T: ?Sized> {
    value: &'a T,
    depth: usize,
}

impl<T: Serialize + ?Sized> Serialize for Inside<'_, T> {
    #[inline]
    fn serialize<S: Serializer>(&self, inner: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(Checked { inner, depth: self.depth })
    }
}

impl<S: Serializer> Checked<S> {
    /// Steps into a list or a map of `len` elements.
    #[inline]
    fn open<C>(
        self,
        len: Option<usize>,
        open: impl FnOnce(S) -> Result<C, S::Error>,
    ) -> Result<Compound<C>, S::Error> {
        let depth = self.step()?;
        Ok(Compound { inner: open(self.inner)?, depth, left: len })
    }

    #[inline]
    fn step(&self) -> Result<usize, S::Error> {
        self.depth.checked_sub(1).ok_or_else(|| S::Error::custom(rule::DEPTH))
    }
}

macro_rules! plain {
    ($($method:ident($kind:ty);)+) => {
        $(#[inline]
        fn $method(self, value: $kind) -> Result<S::Ok, S::Error> {
            self.inner.$method(value)
        })+
    };
}

impl<S: Serializer> Serializer for Checked<S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Compound<S::SerializeSeq>;
    type SerializeTuple = Compound<S::SerializeTuple>;
    type SerializeTupleStruct = Compound<S::SerializeTupleStruct>;
    type SerializeTupleVariant = Compound<S::SerializeTupleVariant>;
    type SerializeMap = Compound<S::SerializeMap>;
    type SerializeStruct = Compound<S::SerializeStruct>;
    type SerializeStructVariant = Compound<S::SerializeStructVariant>;

    plain! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_char(char);
        serialize_str(&str);
    }

    #[inline]
    fn serialize_i64(self, value: i64) -> Result<S::Ok, S::Error> {
        if value.unsigned_abs() > Limits::MAX_INTEGER {
            return Err(S::Error::custom(rule::INTEGER));
        }
        self.inner.serialize_i64(value)
    }

    #[inline]
    fn serialize_u64(self, value: u64) -> Result<S::Ok, S::Error> {
        if value > Limits::MAX_INTEGER {
            return Err(S::Error::custom(rule::INTEGER));
        }
        self.inner.serialize_u64(value)
    }

    /// As 64 bits where the format is text: the shortest text of 32 bits is another number there.
    #[inline]
    fn serialize_f32(self, value: f32) -> Result<S::Ok, S::Error> {
        if self.inner.is_human_readable() {
            return self.serialize_f64(f64::from(value));
        }
        if value.is_finite() {
            self.inner.serialize_f32(value)
        } else {
            Err(S::Error::custom(rule::FINITE))
        }
    }

    #[inline]
    fn serialize_f64(self, value: f64) -> Result<S::Ok, S::Error> {
        if value.is_finite() {
            self.inner.serialize_f64(value)
        } else {
            Err(S::Error::custom(rule::FINITE))
        }
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<S::Ok, S::Error> {
        if self.inner.is_human_readable() {
            self.inner.serialize_str(&STANDARD.encode(value))
        } else {
            self.inner.serialize_bytes(value)
        }
    }

    #[inline]
    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit()
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        value.serialize(self)
    }

    #[inline]
    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit()
    }

    #[inline]
    fn serialize_unit_struct(self, _: &'static str) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit()
    }

    #[inline]
    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<S::Ok, S::Error> {
        self.inner.serialize_str(variant)
    }

    // The format does not see the name: no private name of a format means anything here.
    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        value.serialize(self)
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let depth = self.step()?;
        self.inner.serialize_newtype_variant(name, index, variant, &Inside { value, depth })
    }

    #[inline]
    fn serialize_seq(self, len: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        self.open(len, |inner| inner.serialize_seq(len))
    }

    #[inline]
    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple, S::Error> {
        self.open(Some(len), |inner| inner.serialize_tuple(len))
    }

    #[inline]
    fn serialize_tuple_struct(
        self,
        name: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleStruct, S::Error> {
        self.open(Some(len), |inner| inner.serialize_tuple_struct(name, len))
    }

    #[inline]
    fn serialize_tuple_variant(
        mut self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        // The map of one entry around the list.
        self.depth = self.step()?;
        self.open(Some(len), |inner| inner.serialize_tuple_variant(name, index, variant, len))
    }

    #[inline]
    fn serialize_map(self, len: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        self.open(len, |inner| inner.serialize_map(len))
    }

    #[inline]
    fn serialize_struct(
        self,
        name: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStruct, S::Error> {
        self.open(Some(len), |inner| inner.serialize_struct(name, len))
    }

    #[inline]
    fn serialize_struct_variant(
        mut self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        self.depth = self.step()?;
        self.open(Some(len), |inner| inner.serialize_struct_variant(name, index, variant, len))
    }

    #[inline]
    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.collect_str(value)
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}
