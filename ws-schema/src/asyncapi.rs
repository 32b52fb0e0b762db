//! The contract as an `AsyncAPI` document.

use crate::{
    contract::{Contract, entries},
    export::seven,
    report::Sender,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The channel of everything that belongs to no channel: requests and their answers.
const SESSION: &str = "_session";
const SCHEMAS: &str = "#/components/schemas/";

/// An `AsyncAPI` 3.0.0 document, seen from the server: it receives requests and sends events.
///
/// The payload of its messages is the whole envelope in JSON. It is for catalogues and for pages
/// to read; types for programs come from the contract itself.
///
/// # Errors
///
/// A sentence, when the document is no contract.
pub fn asyncapi(document: &Value) -> Result<Value, String> {
    let contract = Contract::read(document)?;
    let mut writer = Writer {
        contract: &contract,
        messages: Map::new(),
        channels: BTreeMap::new(),
        operations: Map::new(),
    };
    writer.requests("requests", Sender::Client);
    writer.requests("callbacks", Sender::Server);
    for (kind, facts) in contract.table("channels") {
        writer.channel(kind, facts);
    }
    let schemas = contract.defs.iter().map(|(name, def)| (name.clone(), schema(def)));
    let schemas: Map<String, Value> = schemas.collect();
    Ok(json!({
        "asyncapi": "3.0.0",
        "id": document.get("$id"),
        "info": { "title": contract.name, "version": contract.version.to_string() },
        "defaultContentType": "application/json",
        "channels": writer.channels,
        "operations": writer.operations,
        "components": { "messages": writer.messages, "schemas": schemas },
    }))
}

/// The discriminator is the name of a field here, and no object.
fn schema(def: &Value) -> Value {
    let mut schema = seven(def, SCHEMAS);
    let tag = schema.pointer("/discriminator/propertyName").cloned();
    if let (Some(tag), Some(object)) = (tag, schema.as_object_mut()) {
        object.insert("discriminator".to_owned(), tag);
    }
    schema
}

struct Writer<'a> {
    contract: &'a Contract<'a>,
    messages: Map<String, Value>,
    channels: BTreeMap<String, Map<String, Value>>,
    operations: Map<String, Value>,
}

impl Writer<'_> {
    fn requests(&mut self, table: &str, asker: Sender) {
        for (kind, facts) in self.contract.table(table) {
            let request = self.message(SESSION, asker, kind);
            let answers = ["ok", "err", "item"].map(|end| format!("{kind}.{end}"));
            let answers: Vec<Value> = answers
                .iter()
                .filter_map(|answer| self.message(SESSION, asker.other(), answer))
                .collect();
            let part = self.message(SESSION, Sender::Client, &format!("{kind}.part"));
            let request: Vec<Value> = request.into_iter().chain(part).collect();
            let action = if asker == Sender::Client { "receive" } else { "send" };
            let mut operation = operation(action, SESSION, &request, facts);
            if !answers.is_empty() {
                operation["reply"] =
                    json!({ "channel": channel_reference(SESSION), "messages": answers });
            }
            self.operations.insert(pointer_safe(kind), operation);
        }
    }

    fn channel(&mut self, kind: &str, facts: &Value) {
        let address = facts.get("address").and_then(Value::as_str).unwrap_or(kind);
        let names = address.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        let parameters: Map<String, Value> =
            names.map(|name| (name.to_owned(), json!({}))).collect();
        let entry = self.entry(kind);
        entry.insert("address".to_owned(), address.into());
        if !parameters.is_empty() {
            entry.insert("parameters".to_owned(), parameters.into());
        }
        if let Some(text) = facts.get("description") {
            entry.insert("description".to_owned(), text.clone());
        }
        let mut kinds: Vec<String> =
            entries(facts.get("events")).keys().map(|event| format!("{kind}.{event}")).collect();
        let published: Vec<Value> =
            kinds.iter().filter_map(|event| self.message(kind, Sender::Client, event)).collect();
        kinds.extend(facts.get("snapshot").map(|_| format!("{kind}.snapshot")));
        let sent: Vec<Value> =
            kinds.iter().filter_map(|event| self.message(kind, Sender::Server, event)).collect();
        let name = pointer_safe(kind);
        if !sent.is_empty() {
            let operation = operation("send", kind, &sent, facts);
            self.operations.insert(format!("{name}_events"), operation);
        }
        if !published.is_empty() {
            let operation = operation("receive", kind, &published, facts);
            self.operations.insert(format!("{name}_publish"), operation);
        }
    }

    /// Adds a message to its channel; a reference to it there.
    fn message(&mut self, channel: &str, sender: Sender, kind: &str) -> Option<Value> {
        let schema = self.contract.messages.get(&(sender, kind))?;
        let name = schema.get("title").and_then(Value::as_str)?.to_owned();
        let answers = schema.pointer("/properties/re").is_some();
        let field = if answers { "re" } else { "id" };
        let mut message = json!({
            "name": kind,
            "title": kind,
            "correlationId": { "location": format!("$message.payload#/{field}") },
            "payload": { "$ref": format!("{SCHEMAS}{name}") },
        });
        if let Some(text) = schema.get("description") {
            message["description"] = text.clone();
        }
        self.messages.insert(name.clone(), message);
        let reference = json!({ "$ref": format!("#/components/messages/{name}") });
        let entry = self.entry(channel);
        if let Some(Value::Object(messages)) = entry.get_mut("messages") {
            messages.insert(name.clone(), reference);
        }
        let key = pointer_safe(channel);
        Some(json!({ "$ref": format!("#/channels/{key}/messages/{name}") }))
    }

    fn entry(&mut self, channel: &str) -> &mut Map<String, Value> {
        self.channels.entry(pointer_safe(channel)).or_insert_with(|| {
            let nothing = [("address", Value::Null), ("messages", json!({}))];
            nothing.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
        })
    }
}

fn operation(action: &str, channel: &str, messages: &[Value], facts: &Value) -> Value {
    let mut operation = json!({
        "action": action,
        "channel": channel_reference(channel),
        "messages": messages,
    });
    if let Some(note) = facts.get("deprecated") {
        operation["x-deprecated"] = note.clone();
    }
    operation
}

fn channel_reference(channel: &str) -> Value {
    json!({ "$ref": format!("#/channels/{}", pointer_safe(channel)) })
}

/// A key that can stand in a reference as it is.
fn pointer_safe(name: &str) -> String {
    name.replace(|c: char| !c.is_ascii_alphanumeric(), "_")
}
