//! How a 64-bit integer travels: JavaScript keeps integers exact only up to 2^53 - 1, so a field
//! says whether it is bounded there or travels as text (`docs/protocol.md`, section 2).
//!
//! A variant's field says it with `#[ws(bounded)]` or `#[ws(text)]`; a struct of your own with
//! `#[serde(with = "ws_proto::int::bounded")] #[schemars(with = "ws_proto::int::Bounded")]`.

use crate::limits::Limits;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

/// The schema of an integer from -(2^53 - 1) to 2^53 - 1.
#[derive(Debug)]
pub enum Bounded {}

/// The schema of an integer written as decimal text.
#[derive(Debug)]
pub enum Text {}

/// `#[serde(with = "ws_proto::int::bounded")]`: an integer that is refused past 2^53 - 1, when it
/// is written and when it is read.
pub mod bounded {
    use super::Limits;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

    fn inside<T: Copy + TryInto<i64>>(value: T) -> bool {
        let end = Limits::MAX_INTEGER.cast_signed();
        value.try_into().is_ok_and(|value| (-end..=end).contains(&value))
    }

    /// # Errors
    ///
    /// When the integer lies past 2^53 - 1.
    pub fn serialize<T, S>(value: &T, to: S) -> Result<S::Ok, S::Error>
    where
        T: Copy + TryInto<i64> + Serialize,
        S: Serializer,
    {
        if inside(*value) {
            value.serialize(to)
        } else {
            Err(ser::Error::custom("integer past 2^53 - 1"))
        }
    }

    /// # Errors
    ///
    /// When the value is no such integer, or lies past 2^53 - 1.
    pub fn deserialize<'de, T, D>(from: D) -> Result<T, D::Error>
    where
        T: Copy + TryInto<i64> + Deserialize<'de>,
        D: Deserializer<'de>,
    {
        let value = T::deserialize(from)?;
        if inside(value) { Ok(value) } else { Err(de::Error::custom("integer past 2^53 - 1")) }
    }
}

/// `#[serde(with = "ws_proto::int::text")]`: an integer that travels as decimal text.
pub mod text {
    use serde::{Deserialize, Deserializer, Serializer, de};
    use std::{borrow::Cow, fmt::Display, str::FromStr};

    /// # Errors
    ///
    /// Those of the serializer.
    pub fn serialize<T: Display, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    /// # Errors
    ///
    /// When the value is not text, or the text is not such an integer.
    pub fn deserialize<'de, T, D>(from: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        let text = Cow::<'de, str>::deserialize(from)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Bounded {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "BoundedInteger".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let end = Limits::MAX_INTEGER.cast_signed();
        json_schema!({ "type": "integer", "minimum": -end, "maximum": end })
    }
}

impl JsonSchema for Text {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "IntegerAsText".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^-?[0-9]{1,39}$" })
    }
}
