//! The contract in the forms that other tools want.

use crate::{
    contract::{Contract, target},
    report::Sender,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// A draft of JSON Schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Draft {
    /// 2020-12, in which contracts are written.
    #[default]
    Current,
    /// Draft 07: `definitions`, and tuples as lists of `items`.
    Seven,
}

/// The whole document in a draft.
///
/// # Errors
///
/// A sentence, when the document is no contract.
pub fn in_draft(document: &Value, draft: Draft) -> Result<Value, String> {
    Contract::read(document)?;
    Ok(match draft {
        Draft::Current => document.clone(),
        Draft::Seven => seven(document, "#/definitions/"),
    })
}

/// What one side sends: a schema of its messages, with the definitions that they reach.
///
/// # Errors
///
/// A sentence, when the document is no contract.
pub fn side(document: &Value, sender: Sender, draft: Draft) -> Result<Value, String> {
    let contract = Contract::read(document)?;
    let union = match sender {
        Sender::Client => "ClientMessage",
        Sender::Server => "ServerMessage",
    };
    let id = document.get("$id").and_then(Value::as_str).unwrap_or_default();
    let defs: Map<String, Value> = reachable(&contract, union)
        .into_iter()
        .filter_map(|name| Some((name.clone(), contract.defs.get(&name)?.clone())))
        .collect();
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": format!("{id}:{}", sender.name()),
        "title": format!("{}: what {}s send", contract.name, sender.name()),
        "allOf": [{ "$ref": format!("#/$defs/{union}") }],
        "$defs": defs,
    });
    Ok(match draft {
        Draft::Current => schema,
        Draft::Seven => seven(&schema, "#/definitions/"),
    })
}

/// A schema in draft 07, with its definitions under `prefix`.
pub(crate) fn seven(schema: &Value, prefix: &str) -> Value {
    let Value::Object(object) = schema else { return schema.clone() };
    let is_tuple = object.contains_key("prefixItems");
    let mut out = Map::new();
    for (key, value) in object {
        let map = |value: &Value| match value {
            Value::Object(map) => {
                let entries = map.iter().map(|(name, inner)| (name.clone(), seven(inner, prefix)));
                Value::Object(entries.collect())
            }
            other => other.clone(),
        };
        let list = |value: &Value| match value {
            Value::Array(items) => items.iter().map(|item| seven(item, prefix)).collect(),
            other => seven(other, prefix),
        };
        let (key, value) = match key.as_str() {
            "$schema" => ("$schema", "http://json-schema.org/draft-07/schema#".into()),
            "$defs" => ("definitions", map(value)),
            "properties" | "patternProperties" => (key.as_str(), map(value)),
            "oneOf" | "anyOf" | "allOf" => (key.as_str(), list(value)),
            "prefixItems" => ("items", list(value)),
            "items" if is_tuple => ("additionalItems", seven(value, prefix)),
            "items" | "additionalProperties" | "not" => (key.as_str(), seven(value, prefix)),
            "$ref" => match target(schema) {
                Some(name) => ("$ref", format!("{prefix}{name}").into()),
                None => ("$ref", value.clone()),
            },
            _ => (key.as_str(), value.clone()),
        };
        out.insert(key.to_owned(), value);
    }
    Value::Object(out)
}

fn reachable(contract: &Contract<'_>, from: &str) -> BTreeSet<String> {
    let mut open = vec![from.to_owned()];
    let mut reached = BTreeSet::new();
    while let Some(name) = open.pop() {
        if let Some(def) = contract.defs.get(&name)
            && reached.insert(name)
        {
            open.extend(references(def));
        }
    }
    reached
}

/// The definitions that a schema names.
pub(crate) fn references(schema: &Value) -> BTreeSet<String> {
    let mut found: BTreeSet<String> = target(schema).map(str::to_owned).into_iter().collect();
    match schema {
        Value::Object(object) => found.extend(object.values().flat_map(references)),
        Value::Array(items) => found.extend(items.iter().flat_map(references)),
        _ => {}
    }
    found
}
