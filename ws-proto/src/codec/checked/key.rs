//! Keys of maps while they are written.

use super::{Failed, Form};
use crate::codec::error::rule;
use serde::{Serialize, Serializer, ser::Impossible};
use std::{fmt::Display, marker::PhantomData};

/// Writes a key as text or not at all.
#[inline]
pub(super) fn write<F: Form, T: Serialize + ?Sized>(
    key: &T,
    out: &mut Vec<u8>,
) -> Result<(), Failed> {
    key.serialize(TextOnly::<F> { out, form: PhantomData })
}

/// Counts as human-readable in every format, so that a `Uuid` is text as a key.
struct TextOnly<'a, F> {
    out: &'a mut Vec<u8>,
    form: PhantomData<F>,
}

#[cold]
fn refused<T>() -> Result<T, Failed> {
    Err(Failed::rule(rule::KEY))
}

macro_rules! refuse {
    ($($method:ident($($kind:ty),*) -> $made:ident;)+) => {
        $(fn $method(self $(, _: $kind)*) -> Result<Self::$made, Failed> {
            refused()
        })+
    };
}

impl<F: Form> Serializer for TextOnly<'_, F> {
    type Ok = ();
    type Error = Failed;
    type SerializeSeq = Impossible<(), Failed>;
    type SerializeTuple = Impossible<(), Failed>;
    type SerializeTupleStruct = Impossible<(), Failed>;
    type SerializeTupleVariant = Impossible<(), Failed>;
    type SerializeMap = Impossible<(), Failed>;
    type SerializeStruct = Impossible<(), Failed>;
    type SerializeStructVariant = Impossible<(), Failed>;

    #[inline]
    fn serialize_str(self, key: &str) -> Result<(), Failed> {
        F::text(key, self.out)
    }

    #[inline]
    fn serialize_char(self, key: char) -> Result<(), Failed> {
        F::text(key.encode_utf8(&mut [0; 4]), self.out)
    }

    #[inline]
    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), Failed> {
        F::text(variant, self.out)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        key: &T,
    ) -> Result<(), Failed> {
        key.serialize(self)
    }

    fn collect_str<T: Display + ?Sized>(self, key: &T) -> Result<(), Failed> {
        F::displayed(&key, self.out)
    }

    refuse! {
        serialize_bool(bool) -> Ok;
        serialize_i8(i8) -> Ok;
        serialize_i16(i16) -> Ok;
        serialize_i32(i32) -> Ok;
        serialize_i64(i64) -> Ok;
        serialize_u8(u8) -> Ok;
        serialize_u16(u16) -> Ok;
        serialize_u32(u32) -> Ok;
        serialize_u64(u64) -> Ok;
        serialize_f32(f32) -> Ok;
        serialize_f64(f64) -> Ok;
        serialize_bytes(&[u8]) -> Ok;
        serialize_none() -> Ok;
        serialize_unit() -> Ok;
        serialize_unit_struct(&'static str) -> Ok;
        serialize_seq(Option<usize>) -> SerializeSeq;
        serialize_tuple(usize) -> SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> SerializeTupleVariant;
        serialize_map(Option<usize>) -> SerializeMap;
        serialize_struct(&'static str, usize) -> SerializeStruct;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> SerializeStructVariant;
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<(), Failed> {
        refused()
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), Failed> {
        refused()
    }
}
