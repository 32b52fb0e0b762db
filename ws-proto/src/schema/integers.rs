//! Integers that a JavaScript reader would round (`docs/protocol.md`, section 2).

use crate::limits::Limits;
use schemars::{
    Schema,
    transform::{RecursiveTransform, Transform},
};
use serde_json::Value;
use std::collections::BTreeSet;

/// What to do with a 64-bit integer that has no bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wide {
    /// Report it: nothing enforces a bound.
    Refuse,
    /// Bound it: the codecs refuse control frames past the bound.
    Bound,
}

const WIDE_FORMATS: [&str; 6] = ["uint64", "int64", "uint", "int", "uint128", "int128"];

/// Reports every integer under `path` that can pass 2^53-1.
pub(super) fn report(path: &str, schema: &Value, problems: &mut BTreeSet<String>) {
    if is_wide(schema) {
        problems.insert(format!(
            "`{path}` can pass 2^53-1, where JavaScript begins to round: bound it with \
             `#[ws(bounded)]` or send it as text with `#[ws(text)]`; in a struct of your own, \
             with `#[serde(with = \"ws_proto::int::bounded\")]` and \
             `#[schemars(with = \"ws_proto::int::Bounded\")]` (or `text` and `Text`)"
        ));
    }
    for (step, part) in parts(schema) {
        report(&format!("{path}{step}"), part, problems);
    }
}

/// Gives every such integer its bounds.
pub(super) fn bound(schema: &mut Schema) {
    RecursiveTransform(|schema: &mut Schema| {
        if is_wide(schema.as_value()) {
            let end = Limits::MAX_INTEGER.cast_signed();
            if schema.get("minimum").and_then(Value::as_i64).is_none_or(|least| least < -end) {
                schema.insert("minimum".into(), (-end).into());
            }
            schema.insert("maximum".into(), end.into());
        }
    })
    .transform(schema);
}

/// Replaces Rust's names of number types by bounds: strict validators refuse a schema with a
/// `format` that they do not know.
pub(super) fn plain(schema: &mut Schema) {
    RecursiveTransform(|schema: &mut Schema| {
        let bounds = match schema.get("format").and_then(Value::as_str) {
            Some("uint32") => Some((0, i64::from(u32::MAX))),
            Some("int32") => Some((i64::from(i32::MIN), i64::from(i32::MAX))),
            Some("uint8" | "int8" | "uint16" | "int16" | "float" | "double") => None,
            Some(format) if WIDE_FORMATS.contains(&format) => None,
            _ => return,
        };
        schema.remove("format");
        if let Some((least, most)) = bounds {
            // A bound that stands there already is narrower.
            let object = schema.ensure_object();
            object.entry("minimum").or_insert(least.into());
            object.entry("maximum").or_insert(most.into());
        }
    })
    .transform(schema);
}

/// The schemas directly inside a schema, each with what it adds to the path.
pub(super) fn parts(schema: &Value) -> Vec<(String, &Value)> {
    let Some(object) = schema.as_object() else { return vec![] };
    let mut parts = vec![];
    for (key, value) in object {
        match (key.as_str(), value) {
            ("properties", Value::Object(fields)) => {
                parts.extend(fields.iter().map(|(name, field)| (format!(".{name}"), field)));
            }
            ("items", Value::Object(_)) => parts.push(("[]".to_owned(), value)),
            ("prefixItems", Value::Array(items)) => {
                let items = items.iter().enumerate();
                parts.extend(items.map(|(at, item)| (format!(".{at}"), item)));
            }
            ("additionalProperties", Value::Object(_)) => parts.push((".*".to_owned(), value)),
            ("patternProperties", Value::Object(fields)) => {
                parts.extend(fields.values().map(|field| (".*".to_owned(), field)));
            }
            ("oneOf" | "anyOf" | "allOf", Value::Array(branches)) => {
                parts.extend(branches.iter().map(|branch| (variant(branch), branch)));
            }
            _ => {}
        }
    }
    parts
}

/// `.banned` for the branch of an internally or adjacently tagged variant.
fn variant(branch: &Value) -> String {
    let fields = branch.get("properties").and_then(Value::as_object);
    fields
        .into_iter()
        .flat_map(|fields| fields.values())
        .find_map(|field| field.get("const").and_then(Value::as_str))
        .map_or_else(String::new, |tag| format!(".{tag}"))
}

fn is_wide(schema: &Value) -> bool {
    let format = schema.get("format").and_then(Value::as_str);
    let is_integer = match schema.get("type") {
        Some(Value::String(name)) => name == "integer",
        Some(Value::Array(names)) => names.iter().any(|name| name == "integer"),
        _ => false,
    };
    if !is_integer || !format.is_some_and(|format| WIDE_FORMATS.contains(&format)) {
        return false;
    }
    let end = Limits::MAX_INTEGER.cast_signed();
    let inside = |key: &str| {
        let bound = schema.get(key).and_then(Value::as_i64);
        bound.is_some_and(|bound| (-end..=end).contains(&bound))
    };
    !(inside("minimum") && inside("maximum"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::int::{Bounded, Text};
    use schemars::{JsonSchema, SchemaGenerator};
    use std::{collections::BTreeMap, num::NonZeroU64};

    fn problems<T: JsonSchema>() -> Vec<String> {
        let schema = T::json_schema(&mut SchemaGenerator::default()).to_value();
        let mut problems = BTreeSet::new();
        report("T", &schema, &mut problems);
        let path = |problem: String| problem.split('`').nth(1).unwrap_or_default().to_owned();
        problems.into_iter().map(path).collect()
    }

    #[test]
    fn every_64_bit_integer_is_reported() {
        assert_eq!(problems::<u64>(), ["T"]);
        assert_eq!(problems::<i64>(), ["T"]);
        assert_eq!(problems::<usize>(), ["T"]);
        assert_eq!(problems::<isize>(), ["T"]);
        assert_eq!(problems::<u128>(), ["T"]);
        assert_eq!(problems::<NonZeroU64>(), ["T"]);
        assert_eq!(problems::<Option<i128>>(), ["T"]);
        assert_eq!(problems::<Vec<(bool, u64)>>(), ["T[].1"]);
        assert_eq!(problems::<BTreeMap<String, Vec<u64>>>(), ["T.*[]"]);
    }

    #[test]
    fn what_stays_below_2_53_is_not() {
        assert!(problems::<(u32, i32, u8, Bounded, Text, f64)>().is_empty());
    }

    #[test]
    fn the_path_names_the_variant() {
        #[derive(JsonSchema)]
        #[serde(tag = "kind", rename_all = "snake_case")]
        #[expect(dead_code, reason = "only its schema is made")]
        enum Tagged {
            Banned { until: u64 },
        }
        #[derive(JsonSchema)]
        #[serde(rename_all = "snake_case")]
        #[expect(dead_code, reason = "only its schema is made")]
        enum Keyed {
            Full,
            Banned { until: u64 },
        }
        assert_eq!(problems::<Tagged>(), ["T.banned.until"]);
        assert_eq!(problems::<Keyed>(), ["T.banned.until"]);
    }

    #[test]
    fn numbers_are_described_by_bounds_alone() {
        let mut schema = <(u32, i32, u8, f32)>::json_schema(&mut SchemaGenerator::default());
        plain(&mut schema);
        assert_eq!(
            schema.as_value()["prefixItems"],
            serde_json::json!([
                { "type": "integer", "minimum": 0, "maximum": u32::MAX },
                { "type": "integer", "minimum": i32::MIN, "maximum": i32::MAX },
                { "type": "integer", "minimum": 0, "maximum": 255 },
                { "type": "number" },
            ])
        );
    }

    #[test]
    fn a_bounded_integer_is_not_reported_again() {
        let mut schema = <(u64, i64)>::json_schema(&mut SchemaGenerator::default());
        bound(&mut schema);
        let mut problems = BTreeSet::new();
        report("T", schema.as_value(), &mut problems);
        assert!(problems.is_empty());
        assert_eq!(schema.as_value()["prefixItems"][0]["minimum"], 0);
    }
}
