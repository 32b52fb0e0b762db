//! A document, read far enough that its parts have names.

use crate::report::Sender;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The parts of one document.
#[derive(Debug)]
pub(crate) struct Contract<'a> {
    pub(crate) name: &'a str,
    pub(crate) version: u64,
    pub(crate) min_version: u64,
    pub(crate) defs: &'a Map<String, Value>,
    /// `x-ws-protocol`.
    pub(crate) facts: &'a Map<String, Value>,
    /// The schema of each message, by who sends it and its `type`.
    pub(crate) messages: BTreeMap<(Sender, &'a str), &'a Value>,
}

impl<'a> Contract<'a> {
    /// Reads a document, or says why it is none.
    pub(crate) fn read(document: &'a Value) -> Result<Self, String> {
        let object = |key: &str| {
            let found = document.get(key).and_then(Value::as_object);
            found.ok_or_else(|| format!("it has no `{key}`, so it is no contract of a protocol"))
        };
        let defs = object("$defs")?;
        // The control frames have no application's name, and the version of the wire.
        let control = document.get("x-ws-control").and_then(Value::as_object);
        let facts = control.map_or_else(|| object("x-ws-protocol"), Ok)?;
        let number = |key: &str| {
            let key = if control.is_some() { "wire_version" } else { key };
            let found = facts.get(key).and_then(Value::as_u64);
            found.ok_or_else(|| format!("`x-ws-protocol` has no number `{key}`"))
        };
        let name = facts.get("name").and_then(Value::as_str).or(control.map(|_| "ws-proto"));
        let mut messages = BTreeMap::new();
        for (sender, union) in
            [(Sender::Client, "ClientMessage"), (Sender::Server, "ServerMessage")]
        {
            let union = defs.get(union).ok_or_else(|| format!("`$defs` has no `{union}`"))?;
            for branch in union.get("oneOf").and_then(Value::as_array).into_iter().flatten() {
                let (kind, schema) = message(defs, branch)?;
                messages.insert((sender, kind), schema);
            }
        }
        Ok(Self {
            name: name.ok_or("`x-ws-protocol` has no `name`")?,
            version: number("version")?,
            min_version: number("min_version")?,
            defs,
            facts,
            messages,
        })
    }

    /// An entry of a table of `x-ws-protocol`: of `requests`, `callbacks` or `channels`.
    pub(crate) fn entry(&self, table: &str, name: &str) -> Option<&'a Value> {
        self.facts.get(table)?.get(name)
    }

    /// The entries of a table, in order; none where the table is absent.
    pub(crate) fn table(&self, table: &str) -> BTreeMap<&'a str, &'a Value> {
        entries(self.facts.get(table))
    }
}

/// The entries of an object, in order.
pub(crate) fn entries(object: Option<&Value>) -> BTreeMap<&str, &Value> {
    let entries = object.and_then(Value::as_object).into_iter().flatten();
    entries.map(|(name, value)| (name.as_str(), value)).collect()
}

/// The key of `$defs` that a schema refers to.
pub(crate) fn target(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix("#/$defs/")
}

fn message<'a>(
    defs: &'a Map<String, Value>,
    branch: &'a Value,
) -> Result<(&'a str, &'a Value), String> {
    let name = target(branch).ok_or("a message that is no reference into `$defs`")?;
    let schema = defs.get(name).ok_or_else(|| format!("`$defs` has no `{name}`"))?;
    let kind = schema.pointer("/properties/type/const").and_then(Value::as_str);
    Ok((kind.ok_or_else(|| format!("the message `{name}` has no constant `type`"))?, schema))
}
