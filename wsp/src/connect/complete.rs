//! What may come next in a line: commands, and from the contract requests, channels, events, fields
//! and words.

use super::line::WORDS;
use crate::contract::Contract;
use rustyline::{
    Result, completion::Completer, highlight::Highlighter, hint::Hinter, validate::Validator,
};
use serde_json::Value;
use std::sync::Arc;

/// References that are followed to find the type of a place.
const DEPTH: usize = 16;

/// Completes lines from a contract.
#[derive(Debug)]
pub(crate) struct Completing(pub(crate) Option<Arc<Contract>>);

impl rustyline::Helper for Completing {}
impl Hinter for Completing {
    type Hint = String;
}
impl Highlighter for Completing {}
impl Validator for Completing {}

impl Completer for Completing {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        at: usize,
        _: &rustyline::Context<'_>,
    ) -> Result<(usize, Vec<String>)> {
        Ok(candidates(&line[..at], self.0.as_deref()))
    }
}

/// Where the word at the end of a text begins, and what it may become.
pub(crate) fn candidates(text: &str, known: Option<&Contract>) -> (usize, Vec<String>) {
    let word_at = text.rfind(char::is_whitespace).map_or(0, |at| at + 1);
    let words: Vec<&str> = text[..word_at].split_whitespace().collect();
    let of = |names: Vec<String>| {
        let word = &text[word_at..];
        (word_at, names.into_iter().filter(|name| name.starts_with(word)).collect())
    };
    let Some(known) = known else {
        return if words.is_empty() { of(commands()) } else { (text.len(), Vec::new()) };
    };
    match words.as_slice() {
        [] => of(commands()),
        ["call" | "contract"] => of(known.requests().map(|(name, _)| name.to_owned()).collect()),
        ["sub" | "unsub"] => of(addresses(known, |_| true)),
        ["publish"] => of(addresses(known, is_open)),
        ["publish", address] => of(events(known, address)),
        ["call", kind, ..] => match known.request(kind) {
            Ok(request) => payload(text, 2, known, request),
            Err(_) => (text.len(), Vec::new()),
        },
        ["publish", address, kind, ..] => {
            let address = ws_proto::Address::parse((*address).to_owned());
            let kind = match &address {
                Ok(address) if !kind.contains('.') => format!("{}.{kind}", address.kind()),
                _ => (*kind).to_owned(),
            };
            match address.ok().and_then(|address| known.published(&address, &kind).ok()) {
                Some(event) => payload(text, 3, known, event),
                None => (text.len(), Vec::new()),
            }
        }
        _ => (text.len(), Vec::new()),
    }
}

fn commands() -> Vec<String> {
    WORDS.iter().map(|(word, ..)| (*word).to_owned()).collect()
}

fn is_open(channel: &Value) -> bool {
    channel.get("publish").is_some_and(|by| by == "client")
}

/// Addresses, up to where the first field begins.
fn addresses(known: &Contract, is_wanted: fn(&Value) -> bool) -> Vec<String> {
    let channels = known.channels().filter(|(_, channel)| is_wanted(channel));
    let addresses = channels.filter_map(|(_, channel)| channel.get("address")?.as_str());
    addresses.map(|it| it.split('{').next().unwrap_or_default().to_owned()).collect()
}

fn events(known: &Contract, address: &str) -> Vec<String> {
    let Ok(address) = ws_proto::Address::parse(address.to_owned()) else { return Vec::new() };
    let Ok((name, channel)) = known.channel(&address) else { return Vec::new() };
    let events = channel.get("events").and_then(Value::as_object);
    events.into_iter().flatten().map(|(event, _)| format!("{name}.{event}")).collect()
}

/// Fields and words of the JSON that begins after so many words.
fn payload(text: &str, after: usize, known: &Contract, facts: &Value) -> (usize, Vec<String>) {
    let nothing = (text.len(), Vec::new());
    let Some(name) = facts.get("payload").and_then(Value::as_str) else { return nothing };
    let Some(schema) = known.definition(name) else { return nothing };
    let mut begin = 0;
    for _ in 0..after {
        let rest = &text[begin..];
        let word = rest.len() - rest.trim_start().len();
        begin += word + rest[word..].find(char::is_whitespace).unwrap_or(rest.len() - word);
    }
    let json = text[begin..].trim_start();
    if json.is_empty() {
        let names = fields(known, schema, &[]).into_iter();
        return (text.len(), names.map(|name| format!("{{{name}")).collect());
    }
    let Some(place) = Place::of(json) else { return nothing };
    let schema = place.path.iter().try_fold(schema, |schema, step| {
        let schema = resolved(known, schema);
        match step {
            Some(name) => schema.get("properties")?.get(name),
            None => schema.get("items"),
        }
    });
    let Some(schema) = schema else { return nothing };
    let word = &json[place.word_at..];
    let names =
        if place.is_name { fields(known, schema, &place.named) } else { words(known, schema) };
    let names = names.into_iter().filter(|name| name.starts_with(word)).collect();
    (text.len() - word.len(), names)
}

/// `"room":` for each field that is not there yet.
fn fields(known: &Contract, schema: &Value, named: &[String]) -> Vec<String> {
    let schema = resolved(known, schema);
    let properties = schema.get("properties").and_then(Value::as_object);
    let free = properties.into_iter().flatten().filter(|(name, _)| !named.contains(name));
    free.map(|(name, _)| format!("\"{name}\":")).collect()
}

/// The words of an enumeration, or the truth values.
fn words(known: &Contract, schema: &Value) -> Vec<String> {
    let schema = resolved(known, schema);
    if schema.get("type").is_some_and(|kind| kind == "boolean") {
        return vec!["true".to_owned(), "false".to_owned()];
    }
    let words = schema.get("enum").and_then(Value::as_array);
    words.into_iter().flatten().map(ToString::to_string).collect()
}

/// What a reference stands for, also where `null` is the other choice.
fn resolved<'a>(known: &'a Contract, schema: &'a Value) -> &'a Value {
    let mut schema = schema;
    for _ in 0..DEPTH {
        let choice = schema.get("anyOf").and_then(Value::as_array).and_then(|choices| {
            choices.iter().find(|it| it.get("type").is_none_or(|kind| kind != "null"))
        });
        let to = schema.get("$ref").and_then(Value::as_str);
        match to.and_then(|to| known.definition(to)).or(choice) {
            Some(next) => schema = next,
            None => break,
        }
    }
    schema
}

/// Where in a JSON text its end is.
#[derive(Debug, Default, PartialEq)]
struct Place {
    /// The names of the fields around it; `None` in a list.
    path: Vec<Option<String>>,
    /// Whether the name of a field is wanted, and not a value.
    is_name: bool,
    /// The names that the object around it has.
    named: Vec<String>,
    /// Where the word at the end begins.
    word_at: usize,
}

/// One object or list that is not closed yet.
#[derive(Default)]
struct Open {
    is_list: bool,
    named: Vec<String>,
    /// The field whose value comes.
    field: Option<String>,
}

impl Place {
    /// `None` where nothing can be said: the text is no beginning of JSON, or a value is over.
    fn of(text: &str) -> Option<Self> {
        let mut open: Vec<Open> = Vec::new();
        let mut word_at = 0;
        let mut at = 0;
        // Whether a value, or the name before one, may begin here.
        let mut is_due = true;
        while let Some(letter) = text[at..].chars().next() {
            let end = at + letter.len_utf8();
            match letter {
                '{' | '[' => {
                    open.push(Open { is_list: letter == '[', ..Open::default() });
                    is_due = true;
                }
                '}' | ']' => {
                    open.pop()?;
                    is_due = false;
                }
                ',' => {
                    open.last_mut()?.field = None;
                    is_due = true;
                }
                ':' => {
                    let around = open.last_mut()?;
                    around.field = Some(around.named.last()?.clone());
                    is_due = true;
                }
                '"' => {
                    let Some(length) = string_end(&text[end..]) else {
                        word_at = at;
                        return is_due.then(|| Self::within(open, word_at));
                    };
                    let around = open.last_mut()?;
                    if !around.is_list && around.field.is_none() {
                        around.named.push(text[end..end + length].to_owned());
                    }
                    at = end + length + 1;
                    word_at = at;
                    is_due = false;
                    continue;
                }
                letter if letter.is_whitespace() => {}
                // The beginning of a number or of a word.
                _ => {
                    at = end;
                    continue;
                }
            }
            at = end;
            word_at = at;
        }
        (is_due && !open.is_empty()).then(|| Self::within(open, word_at))
    }

    fn within(mut open: Vec<Open>, word_at: usize) -> Self {
        let named = open.last_mut().map(|around| std::mem::take(&mut around.named));
        let is_name = open.last().is_some_and(|it| !it.is_list && it.field.is_none());
        let steps = open.into_iter().map(|it| (it.is_list, it.field));
        let path = steps.filter_map(|(is_list, field)| match (is_list, field) {
            (true, _) => Some(None),
            (false, Some(field)) => Some(Some(field)),
            (false, None) => None,
        });
        Self { path: path.collect(), is_name, named: named.unwrap_or_default(), word_at }
    }
}

/// Where a string ends, from behind its first quote.
fn string_end(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.char_indices().find_map(|(at, letter)| {
        let is_end = letter == '"' && !is_escaped;
        is_escaped = letter == '\\' && !is_escaped;
        is_end.then_some(at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn contract() -> Contract {
        let mut document: Value =
            serde_json::from_str(include_str!("../../../schema/chat.json")).unwrap();
        // What the chat has none of: an object in a list, and words.
        let join = &mut document["$defs"]["Join"]["properties"];
        join["seats"] = json!({ "type": "array", "items": { "$ref": "#/$defs/Seat" } });
        document["$defs"]["Seat"] = json!({ "properties": {
            "colour": { "anyOf": [{ "$ref": "#/$defs/Colour" }, { "type": "null" }] },
            "free": { "type": "boolean" },
        } });
        document["$defs"]["Colour"] = json!({ "enum": ["red", "green"] });
        Contract::new(document)
    }

    /// The lines that a text may become.
    fn completed(text: &str) -> Vec<String> {
        let (at, words) = candidates(text, Some(&contract()));
        words.iter().map(|word| format!("{}{word}", &text[..at])).collect()
    }

    #[test]
    fn commands_requests_channels_and_events_are_completed() {
        assert_eq!(completed("ca"), ["call", "cancel"]);
        assert_eq!(completed("call j"), ["call join"]);
        assert_eq!(completed("sub r"), ["sub room/"]);
        assert_eq!(completed("publish "), ["publish typing/"]);
        assert_eq!(completed("publish typing/den "), ["publish typing/den typing.keys"]);
        assert_eq!(completed("contract li"), ["contract list_rooms"]);
    }

    #[test]
    fn the_fields_that_are_missing_are_completed() {
        assert_eq!(completed("call post "), [r#"call post {"room":"#, r#"call post {"text":"#]);
        assert_eq!(completed(r#"call post {"r"#), [r#"call post {"room":"#]);
        assert_eq!(
            completed(r#"call post {"room": "den, {", "#),
            [r#"call post {"room": "den, {", "text":"#]
        );
    }

    #[test]
    fn a_place_deep_in_a_payload_has_its_own_fields_and_words() {
        assert_eq!(
            completed(r#"call join {"seats": [{"free": true}, {"c"#),
            [r#"call join {"seats": [{"free": true}, {"colour":"#]
        );
        assert_eq!(
            completed(r#"call join {"seats": [{"colour": "r"#),
            [r#"call join {"seats": [{"colour": "red""#]
        );
        assert_eq!(
            completed(r#"call join {"seats": [{"free": f"#),
            [r#"call join {"seats": [{"free": false"#]
        );
    }

    #[test]
    fn where_nothing_can_follow_nothing_is_offered() {
        let lines = [
            r#"call join {"room": "den" "#,
            r#"call join {"room""#,
            "call join }",
            "call dance ",
            "wait ",
            "call join [",
        ];
        for line in lines {
            assert_eq!(completed(line), [""; 0], "{line}");
        }
        assert_eq!(candidates("c", None).1, ["call", "cancel", "contract"]);
    }
}
