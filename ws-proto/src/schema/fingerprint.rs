//! A short hash of a document, without what the wire does not show.

use super::{shape::DESCRIPTIONS, sorted};
use schemars::{
    Schema,
    transform::{RecursiveTransform, Transform},
};
use serde_json::Value;

/// FNV-1a, 64 bits, over the compact text. It tells builds apart for a log line and protects
/// nothing, so it need not resist anybody; written out, it is the same in every language.
pub(super) fn of(document: Value) -> String {
    format!("{:016x}", fnv_1a(&normalised(document).to_string()))
}

fn fnv_1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The document without words for people, and with lists in order where order means nothing.
fn normalised(mut document: Value) -> Value {
    if let Ok(schema) = <&mut Schema>::try_from(&mut document) {
        RecursiveTransform(plain).transform(schema);
    }
    if let Some(protocol) = document.get_mut("x-ws-protocol") {
        entries(protocol, "requests").into_iter().for_each(forget_words);
        for channel in entries(protocol, "channels") {
            entries(channel, "events").into_iter().for_each(forget_words);
            forget_words(channel);
        }
    }
    sorted(&document)
}

fn plain(schema: &mut Schema) {
    for key in ["title", "description", "deprecated", "examples", DESCRIPTIONS, "$id", "$schema"] {
        schema.remove(key);
    }
    for key in ["required", "enum", "oneOf", "anyOf", "allOf", "type"] {
        if let Some(Value::Array(list)) = schema.get_mut(key) {
            list.sort_by_cached_key(|item| sorted(item).to_string());
        }
    }
}

fn entries<'a>(of: &'a mut Value, key: &str) -> Vec<&'a mut Value> {
    of.get_mut(key)
        .and_then(Value::as_object_mut)
        .into_iter()
        .flat_map(|map| map.values_mut())
        .collect()
}

fn forget_words(entry: &mut Value) {
    if let Some(entry) = entry.as_object_mut() {
        entry.remove("deprecated");
        entry.remove("description");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn words_for_people_do_not_count() {
        let one = json!({ "$defs": { "A": {
            "title": "A", "description": "one", "required": ["a", "b"],
            "properties": { "title": { "type": "string", "description": "a property" } },
        } } });
        let other = json!({ "$defs": { "A": {
            "required": ["b", "a"], "properties": { "title": { "type": "string" } },
        } } });
        assert_eq!(of(one), of(other));
    }

    #[test]
    fn a_property_called_title_counts() {
        let with = json!({ "properties": { "title": { "type": "string" } } });
        assert_ne!(of(with), of(json!({ "properties": {} })));
    }

    #[test]
    fn deprecation_notes_do_not_count_and_deliveries_do() {
        let channel = |delivery, note| {
            json!({ "x-ws-protocol": { "channels": { "room": {
                "delivery": delivery, "deprecated": note,
                "events": { "deprecated": { "payload": "A", "deprecated": note } },
            } } } })
        };
        assert_eq!(of(channel("best_effort", "a")), of(channel("best_effort", "b")));
        assert_ne!(of(channel("best_effort", "a")), of(channel("at_least_once", "a")));
    }

    #[test]
    fn the_hash_is_fnv_1a() {
        // The values published with the algorithm.
        assert_eq!(fnv_1a(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv_1a("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv_1a("foobar"), 0x8594_4171_f739_67e8);
    }
}
