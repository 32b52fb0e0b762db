//! The shapes that every generator understands: what schemars makes is brought into them.

use schemars::{
    Schema,
    transform::{RecursiveTransform, Transform},
};
use serde_json::{Map, Value, json};

/// What each value of an enum means: a map from value to text.
pub(super) const DESCRIPTIONS: &str = "x-enum-descriptions";
const DEPRECATED: &str = "x-enum-deprecated";

/// Rewrites a schema and everything in it: a flat `enum` for an enum of words, `{}` for `true`,
/// `allOf` for `$ref` with siblings, `items` for tuples of one type.
pub(super) fn normalise(schema: &mut Schema) {
    RecursiveTransform(normalise_one).transform(schema);
}

/// Removes `null` from every field that serde leaves out when it is `None`. `serialize` is the
/// same schema under the serialize contract: a field not required there is left out.
///
/// Where serde does not leave it out, `null` is what travels and stays.
pub(super) fn drop_nulls(schema: &mut Value, serialize: &Value) {
    let required = serialize.get("required").and_then(Value::as_array);
    let is_required = |field: &str| {
        required.is_some_and(|required| required.iter().any(|name| name.as_str() == Some(field)))
    };
    let fields = schema.get_mut("properties").and_then(Value::as_object_mut);
    for (name, field) in fields.into_iter().flatten() {
        let Some(other) = serialize.get("properties").and_then(|fields| fields.get(name)) else {
            continue;
        };
        drop_nulls(field, other);
        if !is_required(name) {
            drop_null(field);
        }
    }
    for key in ["oneOf", "anyOf", "allOf", "prefixItems"] {
        let (Some(ours), Some(others)) = (
            schema.get_mut(key).and_then(Value::as_array_mut),
            serialize.get(key).and_then(Value::as_array),
        ) else {
            continue;
        };
        if ours.len() == others.len() {
            ours.iter_mut().zip(others).for_each(|(our, other)| drop_nulls(our, other));
        }
    }
    for key in ["items", "additionalProperties"] {
        if let (Some(ours), Some(other)) = (schema.get_mut(key), serialize.get(key)) {
            drop_nulls(ours, other);
        }
    }
}

fn drop_null(field: &mut Value) {
    let Some(object) = field.as_object_mut() else { return };
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if types.len() == 1 {
            let only = types.remove(0);
            object.insert("type".into(), only);
        }
    }
    if let Some(Value::Array(values)) = object.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    if let Some(Value::Array(branches)) = object.get_mut("anyOf") {
        branches.retain(|branch| *branch != json!({ "type": "null" }));
        if branches.len() == 1
            && let Some(Value::Array(mut branches)) = object.remove("anyOf")
            && let Some(Value::Object(only)) = branches.pop()
        {
            // What is said about the field itself wins over what is said about its type.
            for (key, value) in only {
                object.entry(key).or_insert(value);
            }
        }
    }
    if object.get("default").is_some_and(Value::is_null) {
        object.remove("default");
    }
}

fn normalise_one(schema: &mut Schema) {
    if schema.as_bool() == Some(true) {
        *schema = Schema::default();
    }
    let Some(object) = schema.as_object_mut() else { return };
    flatten_enum(object);
    wrap_reference(object);
    merge_tuple(object);
}

/// `oneOf` of constants, which schemars makes of a documented enum, as one `enum`.
fn flatten_enum(object: &mut Map<String, Value>) {
    let Some(Value::Array(branches)) = object.get("oneOf") else { return };
    let Some(words) = branches.iter().map(words_of).collect::<Option<Vec<_>>>() else { return };
    let (mut values, mut texts, mut deprecated) = (vec![], Map::new(), vec![]);
    for (branch, words) in branches.iter().zip(words) {
        for word in words {
            if let Some(text) = branch.get("description") {
                texts.insert(word.clone(), text.clone());
            }
            if branch.get("deprecated").is_some() {
                deprecated.push(word.clone());
            }
            values.push(word);
        }
    }
    object.remove("oneOf");
    object.insert("type".into(), "string".into());
    object.insert("enum".into(), values.into());
    if !texts.is_empty() {
        object.insert(DESCRIPTIONS.into(), texts.into());
    }
    if !deprecated.is_empty() {
        object.insert(DEPRECATED.into(), deprecated.into());
    }
}

/// The words that a branch allows; `None` when it is not a branch of words.
pub(super) fn words_of(branch: &Value) -> Option<Vec<String>> {
    let branch = branch.as_object()?;
    if branch.get("type")? != "string" {
        return None;
    }
    let words = match (branch.get("const"), branch.get("enum")) {
        (Some(word), None) => std::slice::from_ref(word),
        (None, Some(Value::Array(words))) => words.as_slice(),
        _ => return None,
    };
    words.iter().map(|word| word.as_str().map(str::to_owned)).collect()
}

fn wrap_reference(object: &mut Map<String, Value>) {
    if object.len() < 2 {
        return;
    }
    if let Some(target) = object.remove("$ref") {
        let reference = json!({ "$ref": target });
        match object.get_mut("allOf") {
            Some(Value::Array(all)) => all.push(reference),
            _ => {
                object.insert("allOf".into(), vec![reference].into());
            }
        }
    }
}

fn merge_tuple(object: &mut Map<String, Value>) {
    let Some(Value::Array(items)) = object.get("prefixItems") else { return };
    if object.contains_key("items") {
        return;
    }
    if let Some(first) = items.first()
        && items.iter().all(|item| item == first)
    {
        let first = first.clone();
        object.remove("prefixItems");
        object.insert("items".into(), first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemars::json_schema;

    fn normalised(mut schema: Schema) -> Value {
        normalise(&mut schema);
        schema.to_value()
    }

    #[test]
    fn a_documented_enum_becomes_flat() {
        let schema = json_schema!({ "description": "How.", "oneOf": [
            { "type": "string", "enum": ["plain", "bare"] },
            { "type": "string", "const": "fast", "description": "At once.", "deprecated": true },
        ] });
        assert_eq!(
            normalised(schema),
            json!({
                "description": "How.", "type": "string", "enum": ["plain", "bare", "fast"],
                "x-enum-descriptions": { "fast": "At once." }, "x-enum-deprecated": ["fast"],
            })
        );
    }

    #[test]
    fn a_reference_with_siblings_is_wrapped_and_true_is_an_object() {
        let schema = json_schema!({ "type": "object", "properties": {
            "a": { "$ref": "#/$defs/A", "description": "An a." },
            "b": { "$ref": "#/$defs/B" },
            "c": true,
        }, "additionalProperties": false });
        assert_eq!(
            normalised(schema),
            json!({ "type": "object", "properties": {
                "a": { "allOf": [{ "$ref": "#/$defs/A" }], "description": "An a." },
                "b": { "$ref": "#/$defs/B" },
                "c": {},
            }, "additionalProperties": false })
        );
    }

    #[test]
    fn only_tuples_of_one_type_become_lists() {
        let pair = |second| {
            json_schema!({ "type": "array", "minItems": 2, "maxItems": 2,
                "prefixItems": [{ "type": "string" }, { "type": second }] })
        };
        let list = json!({ "type": "array", "minItems": 2, "maxItems": 2,
            "items": { "type": "string" } });
        assert_eq!(normalised(pair("string")), list);
        assert_eq!(normalised(pair("boolean")), pair("boolean").to_value());
    }

    #[test]
    fn null_goes_only_where_the_field_may_be_absent() {
        let fields = json!({
            "kept": { "type": ["string", "null"] },
            "gone": { "type": ["string", "null"], "default": null },
            "also": { "anyOf": [{ "$ref": "#/$defs/A" }, { "type": "null" }], "description": "A." },
        });
        let serialize = json!({ "properties": fields, "required": ["kept"] });
        let mut schema = json!({ "properties": fields });
        drop_nulls(&mut schema, &serialize);
        assert_eq!(
            schema["properties"],
            json!({
                "kept": { "type": ["string", "null"] },
                "gone": { "type": "string" },
                "also": { "$ref": "#/$defs/A", "description": "A." },
            })
        );
    }
}
