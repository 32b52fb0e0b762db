//! What a contract says about a request, a channel or a payload, for people who type them.

use crate::documents::Failure;
use serde_json::{Map, Value, json};
use std::path::Path;
use ws_proto::{Address, VersionRange};

/// How like a name must be to be meant: 1 is the same.
const LIKE: f64 = 0.6;
/// Problems of one payload that are said.
const SAID: usize = 3;
/// The payload of what has none; it is no definition.
const NOTHING: &str = "null";

/// The contract of a protocol, read only.
#[derive(Debug)]
pub(crate) struct Contract(Value);

impl Contract {
    pub(crate) const fn new(document: Value) -> Self {
        Self(document)
    }

    /// The requests, by name.
    pub(crate) fn requests(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.facts("requests")
    }

    /// The channels, by name.
    pub(crate) fn channels(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.facts("channels")
    }

    /// The protocol's name and the versions of the contract.
    pub(crate) fn spoken(&self) -> Option<(&str, VersionRange)> {
        let facts = self.0.get("x-ws-protocol")?;
        let number = |name: &str| u32::try_from(facts.get(name)?.as_u64()?).ok();
        let versions = VersionRange::new(number("min_version")?, number("version")?);
        Some((facts.get("name")?.as_str()?, versions))
    }

    /// The facts of a request.
    pub(crate) fn request(&self, kind: &str) -> Result<&Value, String> {
        let found = self.requests().find(|(name, _)| *name == kind);
        found.map(|(_, request)| request).ok_or_else(|| {
            unknown("request", kind, self.requests().map(|(name, _)| name.to_owned()))
        })
    }

    /// The name and the facts of an address's channel.
    pub(crate) fn channel(&self, address: &Address) -> Result<(&str, &Value), String> {
        let places = |text: &str| text.split('/').count();
        let template = |channel: &Value| -> String {
            channel.get("address").and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let found = self
            .channels()
            .find(|(_, channel)| template(channel).split('/').next() == Some(address.kind()));
        let Some((name, channel)) = found else {
            let kinds = self.channels().map(|(_, channel)| template(channel));
            return Err(unknown("channel", address.as_str(), kinds));
        };
        let wanted = template(channel);
        if places(&wanted) == places(address.as_str()) {
            Ok((name, channel))
        } else {
            Err(format!("the addresses of this channel are `{wanted}`"))
        }
    }

    /// The facts of an event that clients may publish to a channel; its full type is `kind`.
    pub(crate) fn published(&self, address: &Address, kind: &str) -> Result<&Value, String> {
        let (name, channel) = self.channel(address)?;
        if channel.get("publish").and_then(Value::as_str) != Some("client") {
            return Err(format!("clients do not publish to `{name}`"));
        }
        let events = channel.get("events").and_then(Value::as_object);
        let event = kind.strip_prefix(name).and_then(|rest| rest.strip_prefix('.'));
        let found = event.and_then(|event| events?.get(event));
        found.ok_or_else(|| {
            let known = events.into_iter().flat_map(Map::keys);
            unknown("event", kind, known.map(|event| format!("{name}.{event}")))
        })
    }

    /// Whether a payload is what a request or an event takes; where it is not, each problem with
    /// its place.
    pub(crate) fn check(&self, facts: &Value, payload: &Value) -> Result<(), String> {
        let Some(schema) = self.payload_schema(facts) else { return Ok(()) };
        let validator = jsonschema::validator_for(&schema).map_err(|error| error.to_string())?;
        let said = |problem: jsonschema::ValidationError<'_>| {
            let place = problem.instance_path().to_string();
            let place = if place.is_empty() { "the payload".to_owned() } else { place };
            format!("{place}: {problem}")
        };
        let mut problems: Vec<_> = validator.iter_errors(payload).take(SAID).map(said).collect();
        if problems.is_empty() {
            return Ok(());
        }
        problems.extend(self.misspelt(facts, payload));
        Err(problems.join("; "))
    }

    /// The payload of a request or an event for which none is given.
    pub(crate) fn empty(facts: Option<&Value>) -> Value {
        let is_nothing =
            facts.and_then(|facts| facts.get("payload")).is_some_and(|it| it == NOTHING);
        if is_nothing { Value::Null } else { json!({}) }
    }

    /// The schema of what a request or an event takes, with the definitions that it names.
    pub(crate) fn payload_schema(&self, facts: &Value) -> Option<Value> {
        let name = facts.get("payload").and_then(Value::as_str)?;
        if name == NOTHING {
            return Some(json!({ "type": NOTHING }));
        }
        Some(json!({ "$defs": self.0.get("$defs"), "$ref": format!("#/$defs/{name}") }))
    }

    /// A definition by its name, or where a reference leads.
    pub(crate) fn definition(&self, name: &str) -> Option<&Value> {
        self.0.get("$defs")?.get(name.strip_prefix("#/$defs/").unwrap_or(name))
    }

    /// A field that there is not and whose name is like that of one: others may add fields, so by
    /// itself it is no problem.
    fn misspelt(&self, facts: &Value, payload: &Value) -> Option<String> {
        let fields = self.definition(facts.get("payload")?.as_str()?)?.get("properties")?;
        let fields = fields.as_object()?;
        let mut strange = payload.as_object()?.keys().filter(|name| !fields.contains_key(*name));
        strange.find_map(|name| {
            let meant = nearest(name, fields.keys().cloned())?;
            Some(format!("`{name}` is none of its fields: did you mean `{meant}`?"))
        })
    }

    fn facts(&self, of: &str) -> impl Iterator<Item = (&str, &Value)> {
        let facts = self.0.get("x-ws-protocol").and_then(|facts| facts.get(of));
        let facts = facts.and_then(Value::as_object);
        facts.into_iter().flatten().map(|(name, facts)| (name.as_str(), facts))
    }
}

/// A request that the contract has, with a payload that it takes.
pub(crate) fn check_request(
    contract: &Contract,
    kind: &str,
    payload: &Value,
) -> Result<(), Failure> {
    let wrong = |what: String| Failure::Contract(Path::new("the contract").to_owned(), what);
    let request = contract.request(kind).map_err(wrong)?;
    if request.get("upload").is_some() {
        return Err(wrong(format!("`{kind}` takes an upload, which this command does not send")));
    }
    contract.check(request, payload).map_err(|problems| {
        Failure::Live(format!("the payload is not what `{kind}` takes: {problems}"))
    })
}

/// The name of these that is most like a word, where one is like it.
pub(crate) fn nearest(word: &str, names: impl Iterator<Item = String>) -> Option<String> {
    let likeness = |name: String| (strsim::jaro_winkler(word, &name), name);
    let best = names.map(likeness).max_by(|(one, _), (other, _)| one.total_cmp(other));
    best.filter(|(like, _)| *like >= LIKE).map(|(_, name)| name)
}

/// A sentence for a name that there is not.
pub(crate) fn unknown(what: &str, word: &str, names: impl Iterator<Item = String>) -> String {
    let names: Vec<String> = names.collect();
    let meant = nearest(word, names.iter().cloned());
    let meant = meant.map(|name| format!(": did you mean `{name}`?")).unwrap_or_default();
    let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    match meant.as_str() {
        "" => format!("no {what} is `{word}`; there are {known}"),
        meant => format!("no {what} is `{word}`{meant} There are {known}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chat() -> Contract {
        let text = include_str!("../../schema/chat.json");
        Contract::new(serde_json::from_str(text).unwrap())
    }

    fn address(text: &str) -> Address {
        Address::parse(text.to_owned()).unwrap()
    }

    #[test]
    fn a_name_that_is_nearly_one_is_recognised_and_another_is_not() {
        let said = chat().request("jion").unwrap_err();
        assert!(said.contains("did you mean `join`?"), "{said}");
        let said = chat().request("zzz").unwrap_err();
        assert!(!said.contains("did you mean") && said.contains("list_rooms"), "{said}");
    }

    #[test]
    fn an_address_belongs_to_its_channel_and_has_its_places() {
        let chat = chat();
        assert_eq!(chat.channel(&address("room/den")).unwrap().0, "room");
        assert_eq!(
            chat.channel(&address("room/den/x")).unwrap_err(),
            "the addresses of this channel are `room/{name}`"
        );
        let said = chat.channel(&address("rooms/den")).unwrap_err();
        assert!(said.contains("did you mean `room/{name}`?"), "{said}");
    }

    #[test]
    fn only_what_clients_publish_may_be_published() {
        let chat = chat();
        assert!(chat.published(&address("typing/den"), "typing.keys").is_ok());
        assert_eq!(
            chat.published(&address("lobby"), "lobby.members").unwrap_err(),
            "clients do not publish to `lobby`"
        );
        let said = chat.published(&address("typing/den"), "typing.key").unwrap_err();
        assert!(said.contains("did you mean `typing.keys`?"), "{said}");
    }

    #[test]
    fn every_problem_of_a_payload_has_its_place() {
        let chat = chat();
        let post = chat.request("post").unwrap();
        let said = chat.check(post, &json!({ "room": 7, "text": "hello" })).unwrap_err();
        assert!(said.starts_with("/room: 7 is not"), "{said}");
        let said = chat.check(post, &json!({ "room": "den" })).unwrap_err();
        assert!(said.starts_with("the payload: \"text\" is a required"), "{said}");
        let said = chat.check(post, &json!({ "rom": "den", "text": "hello" })).unwrap_err();
        assert!(said.ends_with("`rom` is none of its fields: did you mean `room`?"), "{said}");
        assert!(chat.check(post, &json!({ "room": "den", "text": "hello" })).is_ok());
        let ping = json!({ "payload": "null" });
        assert!(chat.check(&ping, &Contract::empty(Some(&ping))).is_ok());
        assert!(chat.check(&ping, &json!({})).is_err());
    }
}
