//! The rules of the data model around a deserializer of another crate, as a wrapper: slow, and
//! another way to the same answers.

mod access;
mod key;

use access::{Map, OneEntry, Seq};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{
    Deserializer,
    de::{Error, IgnoredAny, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor},
};
use std::fmt;
use ws_proto::Limits;

/// A format's deserializer, bound to the data model.
pub(crate) struct Strict<D>(pub(crate) D);

/// What the type asked for; everything else is refused, also where the type would take it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Want {
    Any,
    Bool,
    Integer,
    Float32,
    Float64,
    Text,
    Bytes,
    Null,
    Seq,
    /// Keys are remembered, since no type behind them refuses a repeated one.
    Map,
    /// The type refuses a repeated field itself.
    Struct,
}

macro_rules! ask {
    ($($method:ident as $inner:ident wants $want:ident;)+) => {
        $(#[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.0.$inner(Guard { visitor, want: Want::$want })
        })+
    };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Strict<D> {
    type Error = D::Error;

    ask! {
        deserialize_any as deserialize_any wants Any;
        deserialize_bool as deserialize_bool wants Bool;
        deserialize_i8 as deserialize_i64 wants Integer;
        deserialize_i16 as deserialize_i64 wants Integer;
        deserialize_i32 as deserialize_i64 wants Integer;
        deserialize_i64 as deserialize_i64 wants Integer;
        deserialize_u8 as deserialize_u64 wants Integer;
        deserialize_u16 as deserialize_u64 wants Integer;
        deserialize_u32 as deserialize_u64 wants Integer;
        deserialize_u64 as deserialize_u64 wants Integer;
        // Always by way of 64 bits, so that both formats round alike.
        deserialize_f32 as deserialize_f64 wants Float32;
        deserialize_f64 as deserialize_f64 wants Float64;
        deserialize_char as deserialize_str wants Text;
        deserialize_str as deserialize_str wants Text;
        deserialize_string as deserialize_str wants Text;
        deserialize_identifier as deserialize_str wants Text;
        deserialize_bytes as deserialize_any wants Bytes;
        deserialize_byte_buf as deserialize_any wants Bytes;
        deserialize_unit as deserialize_unit wants Null;
        // Not `deserialize_seq`: MessagePack would show `bin` as a list there.
        deserialize_seq as deserialize_any wants Seq;
        deserialize_map as deserialize_map wants Map;
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_option(OptionGuard(visitor))
    }

    #[inline]
    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.deserialize_unit(visitor)
    }

    // The format does not see the name: no private name of a format means anything here.
    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        visitor.visit_newtype_struct(self)
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.deserialize_seq(visitor)
    }

    #[inline]
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.deserialize_seq(visitor)
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_struct(name, fields, Guard { visitor, want: Want::Struct })
    }

    #[inline]
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(EnumGuard(visitor))
    }

    #[inline]
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_ignored_any(IgnoredAny)?;
        visitor.visit_unit()
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

/// A type's visitor, shown only what the data model has.
struct Guard<V> {
    visitor: V,
    want: Want,
}

impl<'de, V: Visitor<'de>> Guard<V> {
    #[inline]
    fn refuse<E: Error>(&self, found: Unexpected<'_>) -> Result<V::Value, E> {
        Err(E::invalid_type(found, &self.visitor))
    }

    fn base64<E: Error>(self, text: &str) -> Result<V::Value, E> {
        match STANDARD.decode(text) {
            Ok(bytes) => self.visitor.visit_byte_buf(bytes),
            Err(_) => Err(E::custom(rule::BASE64)),
        }
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Guard<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    #[inline]
    fn visit_bool<E: Error>(self, value: bool) -> Result<V::Value, E> {
        match self.want {
            Want::Any | Want::Bool => self.visitor.visit_bool(value),
            _ => self.refuse(Unexpected::Bool(value)),
        }
    }

    #[inline]
    fn visit_i64<E: Error>(self, value: i64) -> Result<V::Value, E> {
        match self.want {
            // A float of JavaScript has no point in its text when it is whole.
            Want::Float32 | Want::Float64 => self.visitor.visit_i64(value),
            Want::Any | Want::Integer if value.unsigned_abs() <= Limits::MAX_INTEGER => {
                self.visitor.visit_i64(value)
            }
            Want::Any | Want::Integer => Err(E::custom(rule::INTEGER)),
            _ => self.refuse(Unexpected::Signed(value)),
        }
    }

    #[inline]
    fn visit_u64<E: Error>(self, value: u64) -> Result<V::Value, E> {
        match self.want {
            Want::Float32 | Want::Float64 => self.visitor.visit_u64(value),
            Want::Any | Want::Integer if value <= Limits::MAX_INTEGER => {
                self.visitor.visit_u64(value)
            }
            Want::Any | Want::Integer => Err(E::custom(rule::INTEGER)),
            _ => self.refuse(Unexpected::Unsigned(value)),
        }
    }

    #[inline]
    fn visit_f64<E: Error>(self, value: f64) -> Result<V::Value, E> {
        if !value.is_finite() {
            return Err(E::custom(rule::FINITE));
        }
        match self.want {
            Want::Any | Want::Float64 => self.visitor.visit_f64(value),
            Want::Float32 if value.abs() <= f64::from(f32::MAX) => self.visitor.visit_f64(value),
            Want::Float32 => Err(E::custom(rule::FLOAT)),
            _ => self.refuse(Unexpected::Float(value)),
        }
    }

    #[inline]
    fn visit_str<E: Error>(self, value: &str) -> Result<V::Value, E> {
        match self.want {
            Want::Any | Want::Text => self.visitor.visit_str(value),
            Want::Bytes => self.base64(value),
            _ => self.refuse(Unexpected::Str(value)),
        }
    }

    #[inline]
    fn visit_bytes<E: Error>(self, value: &[u8]) -> Result<V::Value, E> {
        match self.want {
            Want::Any | Want::Bytes => self.visitor.visit_bytes(value),
            _ => self.refuse(Unexpected::Bytes(value)),
        }
    }

    #[inline]
    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        match self.want {
            Want::Any | Want::Null => self.visitor.visit_unit(),
            _ => self.refuse(Unexpected::Unit),
        }
    }

    #[inline]
    fn visit_seq<A: SeqAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        match self.want {
            Want::Any | Want::Seq => self.visitor.visit_seq(Seq(inner)),
            _ => self.refuse(Unexpected::Seq),
        }
    }

    #[inline]
    fn visit_map<A: MapAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        match self.want {
            Want::Any | Want::Map => self.visitor.visit_map(Map::new(inner)),
            Want::Struct => self.visitor.visit_map(Map::of_struct(inner)),
            _ => self.refuse(Unexpected::Map),
        }
    }
}

struct OptionGuard<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for OptionGuard<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    #[inline]
    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_none()
    }

    #[inline]
    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.0.visit_some(Strict(inner))
    }
}

struct EnumGuard<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for EnumGuard<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    #[inline]
    fn visit_str<E: Error>(self, value: &str) -> Result<V::Value, E> {
        self.0.visit_enum(value.into_deserializer())
    }

    #[inline]
    fn visit_map<A: MapAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        self.0.visit_enum(OneEntry(inner))
    }
}

mod rule {
    pub(crate) const INTEGER: &str = "integer past 2^53 - 1";
    pub(crate) const FINITE: &str = "number that is not finite";
    pub(crate) const FLOAT: &str = "number past the range of a 32-bit float";
    pub(crate) const KEY: &str = "map key that is not text";
    pub(crate) const TWICE: &str = "duplicate key";
    pub(crate) const BASE64: &str = "text that is not base64 with padding";
    pub(crate) const ONE_ENTRY: &str = "enum value that is not a map of one entry";
}
