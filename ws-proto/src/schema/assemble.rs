//! From a list of messages to `$defs`.

use super::{
    head::{self, HeadShape, reference},
    integers::Wide,
    types::{self, Types},
};
use crate::message::SchemaFn;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// One message that one side may send. A message that both may send stands twice in the list.
#[derive(Clone, Debug)]
pub(super) struct Message {
    /// Its `type`.
    pub(super) kind: String,
    pub(super) sender: Sender,
    pub(super) head: HeadShape,
    pub(super) payload: SchemaFn,
    pub(super) doc: &'static str,
    pub(super) deprecated: bool,
}

/// Who sends a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sender {
    Client,
    Server,
}

impl Sender {
    /// The other side.
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// The definitions of a document.
#[derive(Debug)]
pub(super) struct Definitions {
    pub(super) defs: BTreeMap<String, Value>,
    /// The definition of each message's payload, by sender and `type`.
    pub(super) payloads: BTreeMap<(Sender, String), String>,
    pub(super) problems: BTreeSet<String>,
}

/// `$defs`, with `ClientMessage` and `ServerMessage` in them.
pub(super) fn definitions(messages: &[Message], wide: Wide) -> Definitions {
    let Types { defs, payloads, mut problems } = types::of(messages, wide);
    let mut taken = Taken { defs, problems: BTreeSet::new() };
    let mut unions = BTreeMap::from([(Sender::Client, vec![]), (Sender::Server, vec![])]);
    for (name, message, schema) in named(messages, &payloads) {
        if let Some(union) = unions.get_mut(&message.sender) {
            union.push(reference(&name));
        }
        taken.insert(&name, schema, &format!("the message `{}`", message.kind));
    }
    for (sender, union) in unions {
        let (name, doc) = match sender {
            Sender::Client => ("ClientMessage", "What a client may send."),
            Sender::Server => ("ServerMessage", "What a server may send."),
        };
        taken.insert(name, one_of(&union, doc), "the union of all messages");
    }
    problems.append(&mut taken.problems);
    for (name, def) in &mut taken.defs {
        if let Some(def) = def.as_object_mut() {
            def.insert("title".into(), name.as_str().into());
        }
    }
    Definitions { defs: taken.defs, payloads, problems }
}

/// The whole document: root, `$defs` and what a schema cannot say.
pub(super) fn document(
    id: &str,
    title: &str,
    defs: BTreeMap<String, Value>,
    facts: (&str, Value),
) -> Value {
    let (key, facts) = facts;
    super::sorted(&json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": id,
        "title": title,
        "anyOf": [reference("ClientMessage"), reference("ServerMessage")],
        "$defs": defs.into_iter().collect::<Map<_, _>>(),
        key: facts,
    }))
}

/// `join.ok` as `JoinOk`: the words of a wire name, each with a capital letter.
pub(super) fn pascal(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut pascal = String::new();
    for word in words {
        let mut letters = word.chars();
        pascal.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        pascal.push_str(letters.as_str());
    }
    pascal
}

/// The message whose sender is a client is `..Input` where the server sends one of the same type
/// that differs.
fn named<'a>(
    messages: &'a [Message],
    payloads: &BTreeMap<(Sender, String), String>,
) -> Vec<(String, &'a Message, Value)> {
    let schema = |message: &Message| {
        let payload = payloads.get(&(message.sender, message.kind.clone()))?;
        Some(message_schema(message, payload))
    };
    let from_server: BTreeMap<&str, Value> = messages
        .iter()
        .filter(|message| message.sender == Sender::Server)
        .filter_map(|message| Some((message.kind.as_str(), schema(message)?)))
        .collect();
    let mut seen = BTreeSet::new();
    messages
        .iter()
        .filter(|message| seen.insert((message.sender, message.kind.as_str())))
        .filter_map(|message| {
            let schema = schema(message)?;
            let name = format!("{}Message", pascal(&message.kind));
            let differs =
                from_server.get(message.kind.as_str()).is_some_and(|other| *other != schema);
            let name = if message.sender == Sender::Client && differs {
                format!("{name}Input")
            } else {
                name
            };
            Some((name, message, schema))
        })
        .collect()
}

fn message_schema(message: &Message, payload: &str) -> Value {
    let mut schema = head::message(&message.kind, message.head, payload);
    if !message.doc.is_empty() {
        schema.insert("description".into(), message.doc.into());
    }
    if message.deprecated {
        schema.insert("deprecated".into(), true.into());
    }
    schema.into()
}

/// No `mapping` and no `required`: validators that know `discriminator` refuse them.
fn one_of(branches: &[Value], doc: &str) -> Value {
    if branches.is_empty() {
        return json!({ "description": doc, "not": {} });
    }
    json!({
        "type": "object",
        "description": doc,
        "oneOf": branches,
        "discriminator": { "propertyName": "type" },
    })
}

struct Taken {
    defs: BTreeMap<String, Value>,
    problems: BTreeSet<String>,
}

impl Taken {
    /// The same definition twice is one definition; another one under the same name is a problem.
    fn insert(&mut self, name: &str, schema: Value, what: &str) {
        match self.defs.get(name) {
            Some(other) if *other == schema => {}
            Some(_) => {
                self.problems.insert(format!(
                    "`{name}` is the name of {what} and of something else: rename the type with \
                     `#[schemars(rename = \"..\")]`, or the message"
                ));
            }
            None => {
                self.defs.insert(name.to_owned(), schema);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_names_become_names_of_types() {
        for (wire, name) in
            [("join", "Join"), ("get_user.ok", "GetUserOk"), ("$hello", "Hello"), ("a-b", "AB")]
        {
            assert_eq!(pascal(wire), name);
        }
    }
}
