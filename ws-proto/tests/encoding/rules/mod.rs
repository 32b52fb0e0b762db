//! The rules of the data model around `serde_json` and `rmp_serde`: what the bytes and the errors
//! of a value are, said by the formats' own crates.

mod compound;
mod key;

use base64::{Engine, engine::general_purpose::STANDARD};
use compound::Compound;
use serde::{Serialize, Serializer, ser::Error};
use std::fmt::Display;
use ws_proto::{Format, Limits};

/// A value's bytes in one format, or why it has none.
pub(crate) fn written<T: Serialize>(format: Format, value: &T) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    match format {
        Format::Json => {
            let mut inner = serde_json::Serializer::new(&mut out);
            let checked = Checked { inner: &mut inner, depth: Limits::JSON_DEPTH - 1 };
            value.serialize(checked).map_err(|error| error.to_string())?;
        }
        Format::MessagePack => {
            let mut inner = rmp_serde::Serializer::new(&mut out).with_struct_map();
            let checked = Checked { inner: &mut inner, depth: Limits::MSGPACK_DEPTH - 1 };
            value.serialize(checked).map_err(|error| error.to_string())?;
        }
    }
    Ok(out)
}

mod rule {
    pub(super) const INTEGER: &str = "integer past 2^53 - 1";
    pub(super) const FINITE: &str = "number that is not finite";
    pub(super) const KEY: &str = "map key that is not text";
    pub(super) const DEPTH: &str = "nesting too deep";
    pub(super) const LENGTH: &str = "value whose length is not the one it declared";
}

/// A format's serializer, bound to the data model. `depth` is how many more levels may open.
struct Checked<S> {
    inner: S,
    depth: usize,
}

/// A value inside another one.
struct Inside<'a, T: ?Sized> {
    value: &'a T,
    depth: usize,
}

impl<T: Serialize + ?Sized> Serialize for Inside<'_, T> {
    fn serialize<S: Serializer>(&self, inner: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(Checked { inner, depth: self.depth })
    }
}

impl<S: Serializer> Checked<S> {
    /// Steps into a list or a map of `len` elements.
    fn open<C>(
        self,
        len: Option<usize>,
        open: impl FnOnce(S) -> Result<C, S::Error>,
    ) -> Result<Compound<C>, S::Error> {
        let depth = self.step()?;
        Ok(Compound { inner: open(self.inner)?, depth, left: len })
    }

    fn step(&self) -> Result<usize, S::Error> {
        self.depth.checked_sub(1).ok_or_else(|| S::Error::custom(rule::DEPTH))
    }
}

macro_rules! plain {
    ($($method:ident($kind:ty);)+) => {
        $(fn $method(self, value: $kind) -> Result<S::Ok, S::Error> {
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

    fn serialize_i64(self, value: i64) -> Result<S::Ok, S::Error> {
        if value.unsigned_abs() > Limits::MAX_INTEGER {
            return Err(S::Error::custom(rule::INTEGER));
        }
        self.inner.serialize_i64(value)
    }

    fn serialize_u64(self, value: u64) -> Result<S::Ok, S::Error> {
        if value > Limits::MAX_INTEGER {
            return Err(S::Error::custom(rule::INTEGER));
        }
        self.inner.serialize_u64(value)
    }

    /// As 64 bits where the format is text: the shortest text of 32 bits is another number there.
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

    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit()
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<S::Ok, S::Error> {
        self.inner.serialize_str(variant)
    }

    // The format does not see the name: no private name of a format means anything here.
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        value.serialize(self)
    }

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

    fn serialize_seq(self, len: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        self.open(len, |inner| inner.serialize_seq(len))
    }

    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple, S::Error> {
        self.open(Some(len), |inner| inner.serialize_tuple(len))
    }

    fn serialize_tuple_struct(
        self,
        name: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleStruct, S::Error> {
        self.open(Some(len), |inner| inner.serialize_tuple_struct(name, len))
    }

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

    fn serialize_map(self, len: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        self.open(len, |inner| inner.serialize_map(len))
    }

    fn serialize_struct(
        self,
        name: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStruct, S::Error> {
        self.open(Some(len), |inner| inner.serialize_struct(name, len))
    }

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

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.collect_str(value)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}
