//! One data model for every format, when a value is written (`docs/protocol.md`, section 2).
//!
//! [`Checked`] is the serializer of every format. It refuses what the peer would have to refuse:
//! integers past 2^53 - 1, floats that are not finite, keys that are not text, nesting too deep, a
//! length other than the declared one. A [`Form`] says what the bytes of a value are.

mod compound;
mod key;

use super::error::{EncodeError, rule};
use crate::limits::Limits;
use compound::Compound;
use serde::{Serialize, Serializer, ser::Error};
use std::{fmt, marker::PhantomData};

/// What the values of the data model look like in one format. Everything is appended to `out`.
pub(super) trait Form {
    /// Whether a type that has a form for people is written in it, as a UUID has.
    const IS_TEXT: bool;

    fn null(out: &mut Vec<u8>);

    fn boolean(value: bool, out: &mut Vec<u8>);

    /// An integer of at most 2^53 - 1.
    fn unsigned(value: u64, out: &mut Vec<u8>);

    /// An integer of at least -(2^53 - 1) and at most 2^53 - 1.
    fn signed(value: i64, out: &mut Vec<u8>);

    /// A finite number.
    fn single(value: f32, out: &mut Vec<u8>) -> Result<(), Failed>;

    /// A finite number.
    fn double(value: f64, out: &mut Vec<u8>) -> Result<(), Failed>;

    fn text(value: &str, out: &mut Vec<u8>) -> Result<(), Failed>;

    /// The text that a value shows, without memory for it.
    fn displayed(value: &dyn fmt::Display, out: &mut Vec<u8>) -> Result<(), Failed>;

    fn bytes(value: &[u8], out: &mut Vec<u8>) -> Result<(), Failed>;

    /// Opens the map of one entry that an enum's variant is.
    fn open_variant(name: &'static str, out: &mut Vec<u8>) -> Result<(), Failed>;

    fn close_variant(out: &mut Vec<u8>);

    /// Opens a list of `len` values; of any number when it is unknown.
    fn open_list(len: Option<usize>, out: &mut Vec<u8>) -> Result<(), Failed>;

    /// Stands before a value of a list.
    fn before_item(is_first: bool, out: &mut Vec<u8>);

    fn close_list(written: Written, out: &mut Vec<u8>) -> Result<(), Failed>;

    /// Opens a map of `len` entries; of any number when it is unknown.
    fn open_map(len: Option<usize>, out: &mut Vec<u8>) -> Result<(), Failed>;

    /// Stands before the key of an entry.
    fn before_key(is_first: bool, out: &mut Vec<u8>);

    /// Stands between the key and the value of an entry.
    fn after_key(out: &mut Vec<u8>);

    /// A key that the type knows, and what stands around it.
    fn field(name: &'static str, is_first: bool, out: &mut Vec<u8>) -> Result<(), Failed>;

    fn close_map(written: Written, out: &mut Vec<u8>) -> Result<(), Failed>;
}

/// What was written of a list or a map that closes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    pub(super) is_empty: bool,
    /// Where the first one starts and how many there are, when that was not known before.
    pub(super) counted: Option<(usize, usize)>,
}

/// The serializer of a format.
pub(super) struct Checked<'a, F> {
    out: &'a mut Vec<u8>,
    /// How many more levels may open.
    depth: usize,
    form: PhantomData<F>,
}

impl<'a, F: Form> Checked<'a, F> {
    /// Writes a value of at most `depth` levels to the end of `out`.
    #[inline]
    pub(super) fn write<T: Serialize + ?Sized>(
        value: &T,
        depth: usize,
        out: &'a mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        value.serialize(Self::new(depth, out)).map_err(EncodeError::from)
    }

    #[inline]
    fn new(depth: usize, out: &'a mut Vec<u8>) -> Self {
        Self { out, depth, form: PhantomData }
    }

    /// How many levels may open inside the next one.
    #[inline]
    fn step(&self) -> Result<usize, Failed> {
        self.depth.checked_sub(1).ok_or_else(|| Failed::rule(rule::DEPTH))
    }

    #[inline]
    fn list(self, len: Option<usize>) -> Result<Compound<'a, F>, Failed> {
        let depth = self.step()?;
        F::open_list(len, self.out)?;
        Ok(Compound::new(len, Self { depth, ..self }))
    }

    #[inline]
    fn map(self, len: Option<usize>) -> Result<Compound<'a, F>, Failed> {
        let depth = self.step()?;
        F::open_map(len, self.out)?;
        Ok(Compound::new(len, Self { depth, ..self }))
    }

    /// Steps into the map of one entry around the content of a variant.
    #[inline]
    fn variant(self, name: &'static str) -> Result<Self, Failed> {
        let depth = self.step()?;
        F::open_variant(name, self.out)?;
        Ok(Self { depth, ..self })
    }
}

macro_rules! integers {
    ($($method:ident($kind:ty) as $wide:ident;)+) => {
        $(#[inline]
        fn $method(self, value: $kind) -> Result<(), Failed> {
            F::$wide(value.into(), self.out);
            Ok(())
        })+
    };
}

impl<'a, F: Form> Serializer for Checked<'a, F> {
    type Ok = ();
    type Error = Failed;
    type SerializeSeq = Compound<'a, F>;
    type SerializeTuple = Compound<'a, F>;
    type SerializeTupleStruct = Compound<'a, F>;
    type SerializeTupleVariant = Compound<'a, F>;
    type SerializeMap = Compound<'a, F>;
    type SerializeStruct = Compound<'a, F>;
    type SerializeStructVariant = Compound<'a, F>;

    integers! {
        serialize_i8(i8) as signed;
        serialize_i16(i16) as signed;
        serialize_i32(i32) as signed;
        serialize_u8(u8) as unsigned;
        serialize_u16(u16) as unsigned;
        serialize_u32(u32) as unsigned;
    }

    #[inline]
    fn serialize_bool(self, value: bool) -> Result<(), Failed> {
        F::boolean(value, self.out);
        Ok(())
    }

    #[inline]
    fn serialize_i64(self, value: i64) -> Result<(), Failed> {
        if value.unsigned_abs() > Limits::MAX_INTEGER {
            return Err(Failed::rule(rule::INTEGER));
        }
        F::signed(value, self.out);
        Ok(())
    }

    #[inline]
    fn serialize_u64(self, value: u64) -> Result<(), Failed> {
        if value > Limits::MAX_INTEGER {
            return Err(Failed::rule(rule::INTEGER));
        }
        F::unsigned(value, self.out);
        Ok(())
    }

    #[inline]
    fn serialize_f32(self, value: f32) -> Result<(), Failed> {
        if !value.is_finite() {
            return Err(Failed::rule(rule::FINITE));
        }
        F::single(value, self.out)
    }

    #[inline]
    fn serialize_f64(self, value: f64) -> Result<(), Failed> {
        if !value.is_finite() {
            return Err(Failed::rule(rule::FINITE));
        }
        F::double(value, self.out)
    }

    #[inline]
    fn serialize_char(self, value: char) -> Result<(), Failed> {
        F::text(value.encode_utf8(&mut [0; 4]), self.out)
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result<(), Failed> {
        F::text(value, self.out)
    }

    #[inline]
    fn serialize_bytes(self, value: &[u8]) -> Result<(), Failed> {
        F::bytes(value, self.out)
    }

    #[inline]
    fn serialize_none(self) -> Result<(), Failed> {
        self.serialize_unit()
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Failed> {
        value.serialize(self)
    }

    #[inline]
    fn serialize_unit(self) -> Result<(), Failed> {
        F::null(self.out);
        Ok(())
    }

    #[inline]
    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Failed> {
        self.serialize_unit()
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
        value: &T,
    ) -> Result<(), Failed> {
        value.serialize(self)
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Failed> {
        let Self { out, depth, .. } = self.variant(variant)?;
        value.serialize(Checked::<F>::new(depth, out))?;
        F::close_variant(out);
        Ok(())
    }

    #[inline]
    fn serialize_seq(self, len: Option<usize>) -> Result<Compound<'a, F>, Failed> {
        self.list(len)
    }

    #[inline]
    fn serialize_tuple(self, len: usize) -> Result<Compound<'a, F>, Failed> {
        self.list(Some(len))
    }

    #[inline]
    fn serialize_tuple_struct(
        self,
        _: &'static str,
        len: usize,
    ) -> Result<Compound<'a, F>, Failed> {
        self.list(Some(len))
    }

    #[inline]
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Compound<'a, F>, Failed> {
        self.variant(variant)?.list(Some(len))
    }

    #[inline]
    fn serialize_map(self, len: Option<usize>) -> Result<Compound<'a, F>, Failed> {
        self.map(len)
    }

    #[inline]
    fn serialize_struct(self, _: &'static str, len: usize) -> Result<Compound<'a, F>, Failed> {
        self.map(Some(len))
    }

    #[inline]
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Compound<'a, F>, Failed> {
        self.variant(variant)?.map(Some(len))
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<(), Failed> {
        F::displayed(&value, self.out)
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        F::IS_TEXT
    }
}

/// Why a value cannot be written. As small as a pointer, since every step hands it on.
#[derive(Debug)]
pub(super) struct Failed(Box<EncodeError>);

impl Failed {
    #[cold]
    pub(super) fn rule(rule: &'static str) -> Self {
        Self::custom(rule)
    }
}

impl Error for Failed {
    #[cold]
    fn custom<T: fmt::Display>(told: T) -> Self {
        Self(Box::new(EncodeError(told.to_string())))
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Failed {}

impl From<Failed> for EncodeError {
    #[cold]
    fn from(failed: Failed) -> Self {
        *failed.0
    }
}
