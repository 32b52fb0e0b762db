//! One definition per variant of a sum type.

use super::{assemble::pascal, head::reference, shape};
use serde_json::{Map, Value, json};

/// Moves the variants of the sum type `name` out of its definition: each becomes a definition
/// `<Enum><Variant>`, returned, and a reference in its place. What is no sum type stays as it is.
pub(super) fn split(name: &str, def: &mut Value) -> Vec<(String, Value)> {
    let Some(object) = def.as_object_mut() else { return vec![] };
    let mut variants = vec![];
    for key in ["oneOf", "anyOf"] {
        let Some(Value::Array(branches)) = object.get_mut(key) else { continue };
        *branches = branches.iter().flat_map(one_word_each).collect();
        let tag = tag_of(branches);
        for branch in branches {
            if let Some(variant) = variant_of(branch, tag.as_deref()) {
                let name = format!("{name}{}", pascal(&variant));
                variants.push((name.clone(), std::mem::replace(branch, reference(&name))));
            }
        }
        if let Some(tag) = tag {
            object.insert("type".into(), "object".into());
            object.insert("discriminator".into(), json!({ "propertyName": tag }));
        }
        return variants;
    }
    variants
}

/// Unit variants without documentation share a branch; here each has its own.
fn one_word_each(branch: &Value) -> Vec<Value> {
    match (shape::words_of(branch), branch.get("enum")) {
        (Some(words), Some(_)) => {
            words.into_iter().map(|word| json!({ "type": "string", "const": word })).collect()
        }
        _ => vec![branch.clone()],
    }
}

/// The field that is a constant in every branch.
fn tag_of(branches: &[Value]) -> Option<String> {
    let fields = fields_of(branches.first()?)?;
    let is_tag = |name: &&String| branches.iter().all(|branch| constant(branch, name).is_some());
    // The least, so that the order of the fields does not matter.
    fields.keys().filter(is_tag).min().cloned()
}

fn variant_of(branch: &Value, tag: Option<&str>) -> Option<String> {
    if let Some(tag) = tag {
        return constant(branch, tag).map(str::to_owned);
    }
    let title = branch.get("title").or_else(|| branch.get("const"));
    if let Some(title) = title.and_then(Value::as_str) {
        return Some(title.to_owned());
    }
    let mut names = fields_of(branch)?.keys();
    match (names.next(), names.next()) {
        (Some(only), None) if branch.get("required").is_some() => Some(only.clone()),
        _ => None,
    }
}

fn constant<'a>(branch: &'a Value, field: &str) -> Option<&'a str> {
    fields_of(branch)?.get(field)?.get("const")?.as_str()
}

fn fields_of(branch: &Value) -> Option<&Map<String, Value>> {
    branch.get("properties")?.as_object()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(def: &mut Value) -> Vec<String> {
        split("Sum", def).into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn the_variants_of_a_tagged_enum_are_told_apart_by_the_tag() {
        let mut def = json!({ "oneOf": [
            { "type": "object", "properties": { "kind": { "type": "string", "const": "full" } } },
            { "type": "object", "properties": {
                "kind": { "type": "string", "const": "not_now" }, "until": { "type": "integer" },
            } },
        ] });
        assert_eq!(names(&mut def), ["SumFull", "SumNotNow"]);
        assert_eq!(
            def,
            json!({
                "type": "object", "discriminator": { "propertyName": "kind" },
                "oneOf": [{ "$ref": "#/$defs/SumFull" }, { "$ref": "#/$defs/SumNotNow" }],
            })
        );
    }

    #[test]
    fn the_variants_of_a_keyed_enum_are_named_by_their_key() {
        let mut def = json!({ "oneOf": [
            { "type": "string", "enum": ["Full", "Closed"] },
            { "type": "object", "properties": { "banned": {} }, "required": ["banned"] },
        ] });
        assert_eq!(names(&mut def), ["SumFull", "SumClosed", "SumBanned"]);
        assert_eq!(def.get("discriminator"), None);
    }

    #[test]
    fn what_may_be_null_is_no_sum_type() {
        let optional = json!({ "anyOf": [{ "$ref": "#/$defs/A" }, { "type": "null" }] });
        let mut def = optional.clone();
        assert!(names(&mut def).is_empty());
        assert_eq!(def, optional);
    }
}
