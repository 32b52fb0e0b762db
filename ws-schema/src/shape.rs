//! What a schema says about a value, in one of few forms.

use crate::contract::target;
use serde_json::{Map, Value};

/// A schema with its references followed.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    /// The first definition on the way.
    pub(crate) name: Option<String>,
    pub(crate) nullable: bool,
    pub(crate) kind: Kind,
    /// Every keyword that is left, for what `kind` does not say.
    pub(crate) keywords: Map<String, Value>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    /// Every value.
    Any,
    /// No value.
    Never,
    Null,
    Bool,
    Integer,
    Number,
    Text,
    List(Value),
    Tuple(Vec<Value>),
    /// Fields by name; what else it may hold is in the keywords.
    Object(Map<String, Value>),
    /// One of these constants.
    Words(Vec<Value>),
    /// One of these schemas.
    Choice(Vec<Value>),
    /// Something that this program does not understand.
    Opaque,
}

impl Kind {
    /// What to call it in a sentence.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Any => "any value",
            Self::Never => "no value",
            Self::Null => "null",
            Self::Bool => "a boolean",
            Self::Integer => "an integer",
            Self::Number => "a number",
            Self::Text => "a text",
            Self::List(_) => "a list",
            Self::Tuple(_) => "a tuple",
            Self::Object(_) => "an object",
            Self::Words(_) => "an enum",
            Self::Choice(_) => "a choice of variants",
            Self::Opaque => "something else",
        }
    }
}

/// Words for people, and what this module takes out itself.
pub(crate) const ANNOTATIONS: [&str; 9] = [
    "title",
    "description",
    "deprecated",
    "examples",
    "default",
    "$comment",
    "readOnly",
    "writeOnly",
    "discriminator",
];

/// How many references lead to a schema that stands for itself at most.
const MAX_STEPS: usize = 64;

/// Follows the references of a schema and tells its form; the error is a sentence.
pub(crate) fn of(defs: &Map<String, Value>, schema: &Value) -> Result<Shape, String> {
    let mut name = None;
    let mut nullable = false;
    let mut keywords = object(schema)?;
    for _ in 0..MAX_STEPS {
        let Some(next) = step(&mut keywords, &mut nullable)? else {
            nullable |= take_null(&mut keywords);
            let kind = kind(&keywords);
            return Ok(Shape { name, nullable, kind, keywords });
        };
        let inner = match target(&next) {
            Some(to) => {
                name.get_or_insert_with(|| to.to_owned());
                object(defs.get(to).ok_or_else(|| format!("`$defs` has no `{to}`"))?)?
            }
            None if next.get("$ref").is_some() => {
                return Err(format!("the reference {} leads out of `$defs`", next["$ref"]));
            }
            None => object(&next)?,
        };
        // What is said about the place wins over what is said about its type.
        for (key, value) in inner {
            keywords.entry(key).or_insert(value);
        }
    }
    Err("its references lead in a circle".to_owned())
}

impl Shape {
    /// Whether the object takes no other fields.
    pub(crate) fn is_closed(&self) -> bool {
        self.keywords.get("additionalProperties") == Some(&Value::Bool(false))
    }

    /// Whether readers are declared to take words that they do not know.
    pub(crate) fn is_open(&self) -> bool {
        self.keywords.get("x-open") == Some(&Value::Bool(true))
    }

    pub(crate) fn requires(&self, field: &str) -> bool {
        let required = self.keywords.get("required").and_then(Value::as_array);
        required.is_some_and(|required| required.iter().any(|name| name == field))
    }

    /// How many items a list has, where that is fixed.
    pub(crate) fn fixed_length(&self) -> Option<u64> {
        let bound = |key: &str| self.keywords.get(key).and_then(Value::as_u64);
        bound("minItems").filter(|least| bound("maxItems") == Some(*least))
    }

    pub(crate) fn tag(&self) -> Option<&str> {
        self.keywords.get("discriminator")?.get("propertyName")?.as_str()
    }
}

fn object(schema: &Value) -> Result<Map<String, Value>, String> {
    match schema {
        Value::Object(object) => Ok(object.clone()),
        Value::Bool(true) => Ok(Map::new()),
        Value::Bool(false) => {
            Ok([("not".to_owned(), Value::Object(Map::new()))].into_iter().collect())
        }
        _ => Err("it is no schema".to_owned()),
    }
}

/// Takes out the one schema that these keywords stand for, where there is one.
fn step(keywords: &mut Map<String, Value>, nullable: &mut bool) -> Result<Option<Value>, String> {
    if let Some(to) = keywords.remove("$ref") {
        return Ok(Some(Value::Object([("$ref".to_owned(), to)].into_iter().collect())));
    }
    if let Some(Value::Array(all)) = keywords.get("allOf")
        && let [only] = all.as_slice()
    {
        let only = only.clone();
        keywords.remove("allOf");
        return Ok(Some(only));
    }
    for key in ["anyOf", "oneOf"] {
        let Some(Value::Array(branches)) = keywords.get_mut(key) else { continue };
        let before = branches.len();
        branches.retain(|branch| branch.get("type").is_none_or(|name| name != "null"));
        *nullable |= branches.len() < before;
        match branches.as_slice() {
            [] => return Err(format!("an empty `{key}`")),
            [only] => {
                let only = only.clone();
                keywords.remove(key);
                return Ok(Some(only));
            }
            _ => {}
        }
    }
    Ok(None)
}

/// Removes `null` from the types and the constants; a schema that is only `null` keeps it.
fn take_null(keywords: &mut Map<String, Value>) -> bool {
    let mut had = false;
    if let Some(Value::Array(types)) = keywords.get_mut("type") {
        let before = types.len();
        types.retain(|name| name != "null");
        had = types.len() < before;
        if let [only] = types.as_slice() {
            let only = only.clone();
            keywords.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(values)) = keywords.get_mut("enum") {
        let before = values.len();
        values.retain(|value| !value.is_null());
        had |= values.len() < before;
    }
    had
}

fn kind(keywords: &Map<String, Value>) -> Kind {
    if keywords.get("not").is_some_and(|not| not.as_object().is_some_and(Map::is_empty)) {
        return Kind::Never;
    }
    if keywords.keys().any(|key| ["allOf", "not", "if", "dependentSchemas"].contains(&&**key)) {
        return Kind::Opaque;
    }
    if let Some(value) = keywords.get("const") {
        return Kind::Words(vec![value.clone()]);
    }
    if let Some(Value::Array(values)) = keywords.get("enum") {
        return Kind::Words(values.clone());
    }
    let choice = keywords.get("oneOf").or_else(|| keywords.get("anyOf"));
    let fields = keywords.get("properties").and_then(Value::as_object);
    match (choice, fields) {
        (Some(Value::Array(branches)), None) => return Kind::Choice(branches.clone()),
        (Some(_), _) => return Kind::Opaque,
        (None, _) => {}
    }
    match keywords.get("type") {
        Some(Value::String(name)) => typed(name, keywords),
        Some(_) => Kind::Opaque,
        None => fields.map_or(Kind::Any, |fields| Kind::Object(fields.clone())),
    }
}

fn typed(name: &str, keywords: &Map<String, Value>) -> Kind {
    match name {
        "null" => Kind::Null,
        "boolean" => Kind::Bool,
        "integer" => Kind::Integer,
        "number" => Kind::Number,
        "string" => Kind::Text,
        "array" => match keywords.get("prefixItems") {
            Some(Value::Array(items)) => Kind::Tuple(items.clone()),
            _ => Kind::List(keywords.get("items").cloned().unwrap_or(Value::Bool(true))),
        },
        "object" => {
            let fields = keywords.get("properties").and_then(Value::as_object);
            Kind::Object(fields.cloned().unwrap_or_default())
        }
        _ => Kind::Opaque,
    }
}
