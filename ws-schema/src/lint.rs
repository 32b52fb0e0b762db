//! What other languages have trouble with.

use crate::{
    contract::{Contract, target},
    names::is_identifier,
};
use serde_json::Value;

/// Formats of numbers that strict validators do not know, and whose values JavaScript rounds.
const WIDE: [&str; 6] = ["uint64", "int64", "uint", "int", "uint128", "int128"];

/// Everything in a contract that generators or validators of other languages do badly: one
/// sentence each, with the place and what to do. The contract is right all the same.
///
/// # Errors
///
/// A sentence, when the document is no contract.
pub fn lint(document: &Value) -> Result<Vec<String>, String> {
    let contract = Contract::read(document)?;
    let mut problems = vec![];
    for (name, schema) in contract.defs {
        if !is_identifier(name) {
            problems.push(format!("`{name}` is no name of a type in most languages: rename it"));
        }
        if ["ClientMessage", "ServerMessage"].contains(&name.as_str()) {
            continue;
        }
        judge(name, schema, &mut problems);
    }
    Ok(problems)
}

fn judge(path: &str, schema: &Value, problems: &mut Vec<String>) {
    if target(schema).is_some() {
        return;
    }
    let Some(object) = schema.as_object() else {
        let text = "is a boolean schema, on which generators fail: give it a type";
        return problems.push(format!("`{path}` {text}"));
    };
    let found = faults(schema);
    problems.extend(found.into_iter().map(|text| format!("`{path}` {text}")));
    for (key, value) in object {
        match (key.as_str(), value) {
            ("properties", Value::Object(fields)) => {
                for (name, field) in fields {
                    judge(&format!("{path}.{name}"), field, problems);
                }
            }
            ("items", Value::Object(_)) => judge(&format!("{path}[]"), value, problems),
            ("additionalProperties", Value::Object(_)) => {
                judge(&format!("{path}.*"), value, problems);
            }
            ("oneOf" | "anyOf" | "allOf" | "prefixItems", Value::Array(parts)) => {
                for (at, part) in parts.iter().enumerate() {
                    judge(&format!("{path}.{at}"), part, problems);
                }
            }
            _ => {}
        }
    }
}

fn faults(schema: &Value) -> Vec<&'static str> {
    let has = |key: &str| schema.get(key).is_some();
    let branches = |key: &str| schema.get(key).and_then(Value::as_array).map_or(0, Vec::len);
    let mut faults = vec![];
    if has("prefixItems") {
        faults.push(
            "is a tuple of different types, which most languages read as a list of \
                     anything: use a struct",
        );
    }
    if has("patternProperties") {
        faults.push("is a map whose keys are no free text: use text keys, or a list of pairs");
    }
    if schema.get("additionalProperties") == Some(&Value::Bool(false)) {
        faults.push(
            "takes no unknown fields, so no field can be added later: leave out \
                     `deny_unknown_fields`",
        );
    }
    if schema.get("format").and_then(Value::as_str).is_some_and(|name| WIDE.contains(&name)) {
        faults.push("may pass 2^53-1, where JavaScript rounds: bound it or send it as text");
    }
    if branches("allOf") > 1 || (has("properties") && (has("oneOf") || has("anyOf"))) {
        faults.push(
            "is put together of several schemas, of which generators take one: write a \
                     struct or an enum without `flatten`",
        );
    }
    let choice = branches("oneOf").max(branches("anyOf"));
    let or_null = ["oneOf", "anyOf"].iter().any(|key| {
        let parts = schema.get(key).and_then(Value::as_array);
        parts.is_some_and(|parts| parts.iter().any(|part| part["type"] == "null"))
    });
    if choice > 1 && !has("discriminator") && !or_null {
        faults.push(
            "is a choice without a tag, which readers in other languages have to guess: \
                     use `#[serde(tag = \"..\")]`",
        );
    }
    faults
}
