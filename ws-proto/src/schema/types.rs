//! The types behind the payloads: both of serde's contracts, one definition per name.

use super::{
    assemble::{Message, Sender, pascal},
    head::{NULL, reference},
    integers::{self, Wide},
    shape, variants,
};
use crate::message::SchemaFn;
use schemars::{
    JsonSchema, Schema, SchemaGenerator,
    generate::{Contract, SchemaSettings},
    transform::{RecursiveTransform, Transform},
};
use serde_json::{Value, json};
use std::{
    borrow::Cow,
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

type Defs = BTreeMap<String, Value>;

/// The definitions of all payloads.
#[derive(Debug)]
pub(super) struct Types {
    pub(super) defs: Defs,
    /// The definition of each message's payload, by sender and `type`.
    pub(super) payloads: BTreeMap<(Sender, String), String>,
    pub(super) problems: BTreeSet<String>,
}

/// All payload types of the messages. Both contracts are made of all of them, so that a name used
/// twice is seen whoever sends it.
pub(super) fn of(messages: &[Message], wide: Wide) -> Types {
    let mut problems = BTreeSet::new();
    let mut client = Side::new(messages, &Contract::Deserialize, &mut problems);
    let mut server = Side::new(messages, &Contract::Serialize, &mut problems);
    let serialize = server.defs.clone();
    for side in [&mut client, &mut server] {
        for (name, def) in &mut side.defs {
            shape::drop_nulls(def, serialize.get(name).unwrap_or(&Value::Null));
            normalise(def, wide);
        }
    }
    for (side, sender) in [(&mut client, Sender::Client), (&mut server, Sender::Server)] {
        side.keep_reachable(messages, sender);
        if wide == Wide::Refuse {
            for (name, def) in &side.defs {
                integers::report(side.path(name), def, &mut problems);
            }
        }
        for schema in side.defs.values_mut().flat_map(<&mut Schema>::try_from) {
            integers::plain(schema);
        }
        side.split_variants(&mut problems);
    }
    let renamed = differing(&client.defs, &server.defs);
    let mut payloads = BTreeMap::new();
    for message in messages {
        let (side, key) = match message.sender {
            Sender::Client => (&client, (Sender::Client, message.kind.clone())),
            Sender::Server => (&server, (Sender::Server, message.kind.clone())),
        };
        if let Some(name) = side.roots.get(&message.kind) {
            let renamed = renamed.get(name).filter(|_| message.sender == Sender::Client);
            payloads.insert(key, renamed.unwrap_or(name).clone());
        }
    }
    let mut defs = server.defs;
    for (name, mut def) in client.defs {
        rename(&mut def, &renamed);
        let name = renamed.get(&name).unwrap_or(&name);
        if defs.get(name).is_some_and(|other| *other != def) {
            problems.insert(format!(
                "`{name}` is the name of a type and of what clients send of another one: rename \
                 it with `#[schemars(rename = \"..\")]`"
            ));
        }
        defs.insert(name.clone(), def);
    }
    Types { defs, payloads, problems }
}

/// The types under one of serde's contracts.
struct Side {
    defs: Defs,
    /// The definition of each payload, by `type`.
    roots: BTreeMap<String, String>,
}

impl Side {
    fn new(messages: &[Message], contract: &Contract, problems: &mut BTreeSet<String>) -> Self {
        let mut generator = generator(contract);
        let mut schemas = BTreeMap::new();
        for message in messages {
            schemas
                .entry(message.kind.as_str())
                .or_insert_with(|| (message.payload)(&mut generator).to_value());
        }
        let mut defs: Defs = generator.take_definitions(false).into_iter().collect();
        let payloads: Vec<SchemaFn> = messages.iter().map(|message| message.payload).collect();
        report_names(&defs, &schemas, &payloads, contract, problems);
        let mut roots = BTreeMap::new();
        for (kind, schema) in schemas {
            let name = target(&schema).map_or_else(
                || {
                    if schema == json!({ "type": NULL }) {
                        return NULL.to_owned();
                    }
                    let name = format!("{}Payload", pascal(kind));
                    if defs.insert(name.clone(), schema.clone()).is_some() {
                        problems.insert(format!(
                            "`{name}` is the name of a type and of the payload of `{kind}`: \
                             rename the type with `#[schemars(rename = \"..\")]`"
                        ));
                    }
                    name
                },
                str::to_owned,
            );
            roots.insert(kind.to_owned(), name);
        }
        Self { defs, roots }
    }

    /// Drops what only the other side's messages use.
    fn keep_reachable(&mut self, messages: &[Message], sender: Sender) {
        let mut open: Vec<String> = messages
            .iter()
            .filter(|message| message.sender == sender)
            .filter_map(|message| self.roots.get(&message.kind).cloned())
            .collect();
        let mut reached = BTreeSet::new();
        while let Some(name) = open.pop() {
            if let Some(def) = self.defs.get(&name)
                && reached.insert(name)
            {
                open.extend(references(def));
            }
        }
        self.defs.retain(|name, _| reached.contains(name));
    }

    /// How a problem names a definition: a payload without a name of its own is its message.
    fn path<'a>(&'a self, name: &'a str) -> &'a str {
        let of_message = |(kind, root): &(&String, &String)| {
            root.as_str() == name && name == format!("{}Payload", pascal(kind))
        };
        self.roots.iter().find(of_message).map_or(name, |(kind, _)| kind)
    }

    fn split_variants(&mut self, problems: &mut BTreeSet<String>) {
        let mut all = vec![];
        for (name, def) in &mut self.defs {
            let variants = variants::split(name, def);
            all.extend(variants.into_iter().map(|variant| (name.clone(), variant)));
        }
        for (sum, (name, variant)) in all {
            if self.defs.insert(name.clone(), variant).is_some() {
                problems.insert(format!(
                    "`{name}` is the name of a variant of `{sum}` and of something else: rename \
                     one of them with `#[schemars(rename = \"..\")]`"
                ));
            }
        }
    }
}

fn generator(contract: &Contract) -> SchemaGenerator {
    SchemaSettings::draft2020_12()
        .with(|settings| {
            settings.contract = contract.clone();
            settings.untagged_enum_variant_titles = true;
        })
        .into_generator()
}

fn normalise(def: &mut Value, wide: Wide) {
    if let Ok(schema) = <&mut Schema>::try_from(&mut *def) {
        shape::normalise(schema);
        if wide == Wide::Bound {
            integers::bound(schema);
        }
    }
    if def.as_bool() == Some(false) {
        *def = serde_json::json!({ "not": {} });
    }
}

/// What clients send under another name than servers: definitions that differ, and those that
/// refer to one.
fn differing(client: &Defs, server: &Defs) -> BTreeMap<String, String> {
    let both = || client.iter().filter(|(name, _)| server.contains_key(*name));
    let mut renamed: BTreeMap<String, String> = BTreeMap::new();
    loop {
        let before = renamed.len();
        for (name, def) in both() {
            let differs = server.get(name) != Some(def)
                || references(def).iter().any(|target| renamed.contains_key(target));
            if differs {
                renamed.insert(name.clone(), format!("{name}Input"));
            }
        }
        if renamed.len() == before {
            return renamed;
        }
    }
}

fn target(schema: &Value) -> Option<&str> {
    let object = schema.as_object().filter(|object| object.len() == 1)?;
    object.get("$ref")?.as_str()?.strip_prefix("#/$defs/")
}

fn references(def: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut def = def.clone();
    if let Ok(schema) = <&mut Schema>::try_from(&mut def) {
        RecursiveTransform(|schema: &mut Schema| {
            let target = schema.get("$ref").and_then(Value::as_str);
            found.extend(target.and_then(|to| to.strip_prefix("#/$defs/")).map(str::to_owned));
        })
        .transform(schema);
    }
    found
}

fn rename(def: &mut Value, renamed: &BTreeMap<String, String>) {
    if let Ok(schema) = <&mut Schema>::try_from(def) {
        RecursiveTransform(|schema: &mut Schema| {
            let target = schema.get("$ref").and_then(Value::as_str);
            let name = target.and_then(|to| to.strip_prefix("#/$defs/"));
            if let Some(name) = name.and_then(|name| renamed.get(name)) {
                *schema = Schema::try_from(reference(name)).unwrap_or_default();
            }
        })
        .transform(schema);
    }
}

/// Reports names that two types share, and names that cannot stand in a reference.
fn report_names(
    defs: &Defs,
    schemas: &BTreeMap<&str, Value>,
    payloads: &[SchemaFn],
    contract: &Contract,
    problems: &mut BTreeSet<String>,
) {
    for name in defs.keys() {
        if name == NULL {
            problems.insert(format!("`{name}` names the payload of `()`: rename the type"));
        }
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            problems.insert(format!(
                "`{name}` cannot name a type for other languages: rename it to letters, digits \
                 and `_` with `#[schemars(rename = \"..\")]`"
            ));
        }
        let Some(shared) = shared_name(name, defs) else { continue };
        if is_second_type(name, defs, payloads, contract) {
            let (one, other) = (place(shared, defs, schemas), place(name, defs, schemas));
            problems.insert(format!(
                "`{shared}` is the name of two types, one at `{one}` and one at `{other}`: rename \
                 one of them with `#[schemars(rename = \"..\")]` (a generic type with \
                 `#[schemars(rename = \"{{T}}{shared}\")]`)"
            ));
        }
    }
}

/// `User` for `User2`, where both are definitions: schemars numbers the second type of a name.
fn shared_name<'a>(name: &'a str, defs: &Defs) -> Option<&'a str> {
    let digits = name.len() - name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    (1..=digits).find_map(|count| {
        let (stem, number) = name.split_at_checked(name.len() - count)?;
        let is_number = !number.starts_with('0') && number != "1";
        (is_number && defs.contains_key(stem)).then_some(stem)
    })
}

thread_local! {
    /// The name of [`Reserved`]: a type's name is a function without arguments.
    static RESERVED: RefCell<String> = const { RefCell::new(String::new()) };
}

/// A type that takes a name before any other can.
struct Reserved;

impl JsonSchema for Reserved {
    fn schema_name() -> Cow<'static, str> {
        RESERVED.with_borrow(Clone::clone).into()
    }

    fn schema_id() -> Cow<'static, str> {
        concat!(module_path!(), "::Reserved").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        false.into()
    }
}

/// Whether `User2` is the number schemars gave to a second `User`, and not a type of that name:
/// with the name taken, a type of that name becomes `User22`, and a second `User` `User3`.
fn is_second_type(name: &str, defs: &Defs, payloads: &[SchemaFn], contract: &Contract) -> bool {
    let mut generator = generator(contract);
    RESERVED.set(name.to_owned());
    generator.subschema_for::<Reserved>();
    for payload in payloads {
        payload(&mut generator);
    }
    let is_numbered = |other: &&String| {
        other.strip_prefix(name).is_some_and(|number| {
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    let before = defs.keys().filter(is_numbered).count();
    generator.definitions().keys().filter(is_numbered).count() <= before
}

/// The first place that refers to a definition.
fn place(name: &str, defs: &Defs, schemas: &BTreeMap<&str, Value>) -> String {
    if let Some((kind, _)) = schemas.iter().find(|(_, schema)| target(schema) == Some(name)) {
        return (*kind).to_owned();
    }
    let roots = schemas.iter().map(|(kind, schema)| (*kind, schema));
    let types = defs.iter().map(|(name, def)| (name.as_str(), def));
    types.chain(roots).find_map(|(path, def)| path_to(name, path, def)).unwrap_or_default()
}

fn path_to(name: &str, path: &str, schema: &Value) -> Option<String> {
    let here = schema.get("$ref").and_then(Value::as_str);
    if here.and_then(|to| to.strip_prefix("#/$defs/")) == Some(name) {
        return Some(path.to_owned());
    }
    let mut parts = integers::parts(schema).into_iter();
    parts.find_map(|(step, part)| path_to(name, &format!("{path}{step}"), part))
}
