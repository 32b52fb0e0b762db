//! What lets a client of the models infer types: of a request its answer, of a channel its events.

use crate::contract::{Contract, entries};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A table of the contract, and the forms of request in it: the hook of a form, and the fact that a
/// request of this form has.
const FORMS: [(&str, &str, &str); 4] = [
    ("requests", "_ws_call", ""),
    ("requests", "_ws_stream", "stream"),
    ("requests", "_ws_upload", "upload"),
    ("callbacks", "_ws_serve", "payload"),
];

/// The lines that a model of a request has for the checker alone, by the name of the model.
///
/// Each is a method that nobody calls: whoever takes a request matches it, structurally, and has
/// the types of its answer. So the module imports no client. A model that several requests share
/// has none, since nothing says which of them is meant.
pub(crate) fn hooks(contract: &Contract<'_>) -> BTreeMap<String, Vec<String>> {
    let mut shared: BTreeMap<&str, usize> = BTreeMap::new();
    for table in ["requests", "callbacks"] {
        for facts in contract.table(table).into_values() {
            *shared.entry(text(facts, "payload")).or_default() += 1;
        }
    }
    let mut hooks: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (table, hook, form) in FORMS {
        for facts in contract.table(table).into_values() {
            let payload = text(facts, "payload");
            let plain = facts.get("stream").is_none() && facts.get("upload").is_none();
            let fits = if form.is_empty() { plain } else { facts.get(form).is_some() };
            if !fits || shared[payload] > 1 {
                continue;
            }
            let first = (!form.is_empty()).then(|| text(facts, form));
            let (reply, error) = (text(facts, "reply"), text(facts, "error"));
            // What a client gives stands among the parameters: there the checker insists on it.
            let (takes, types) = match (hook, first) {
                ("_ws_upload", Some(part)) => (format!(", part: {part}"), vec![reply, error]),
                ("_ws_serve", Some(own)) => (format!(", reply: {reply}"), vec![own, error]),
                (_, first) => (String::new(), first.into_iter().chain([reply, error]).collect()),
            };
            let lines = hooks.entry(payload.to_owned()).or_insert_with(checked);
            lines.extend(method(hook, &takes, &format!("_b.tuple[{}]", types.join(", "))));
        }
    }
    hooks
}

/// A class per kind of channel, whose fields are those of its address.
pub(crate) fn channels(contract: &Contract<'_>) -> Vec<String> {
    let mut taken: BTreeSet<String> = contract.defs.keys().cloned().collect();
    let mut lines = vec![];
    for (kind, facts) in contract.table("channels") {
        let mut name = format!("{}Channel", crate::names::pascal(kind));
        while !taken.insert(name.clone()) {
            name.push('_');
        }
        lines.extend([String::new(), String::new(), "@_d.dataclass(frozen=True)".to_owned()]);
        lines.push(format!("class {name}:"));
        let doc = facts.get("description").and_then(Value::as_str).unwrap_or(kind);
        lines.push(format!("    \"\"\"{}\"\"\"", crate::python::quoted(&doc.replace('\n', " "))));
        lines.push(String::new());
        let address = facts.get("address").and_then(Value::as_str).unwrap_or_default();
        let fields =
            address.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        let spelled = "_t.Union[_b.str, _b.int, _b.bool]";
        lines.extend(
            fields.map(|field| format!("    {}: {spelled}", crate::python::attribute(field))),
        );
        lines.push(format!("    _ws_kind: _t.ClassVar[_b.str] = {}", Value::from(kind)));
        lines.extend(checked());
        let events = union(facts);
        let state = text(facts, "snapshot");
        lines.extend(method("_ws_events", "", &format!("_b.tuple[{events}, {state}]")));
        if facts.get("publish").is_some_and(|side| side == "client") {
            lines.extend(method("_ws_publish", &format!(", event: {events}"), "None"));
        }
    }
    lines
}

/// Tables of what a client must know while it runs.
pub(crate) fn tables(contract: &Contract<'_>) -> Vec<String> {
    let mut lines = vec![
        "# By kind: the snapshot of a channel that has one.".to_owned(),
        "SNAPSHOTS: _t.Final[dict[str, _t.Any]] = {".to_owned(),
    ];
    for (kind, facts) in contract.table("channels") {
        if facts.get("snapshot").is_some() {
            lines.push(format!("    {}: {},", Value::from(kind), text(facts, "snapshot")));
        }
    }
    lines.push("}".to_owned());
    lines
        .push("# What is special about a request, a callback or an event, by its type.".to_owned());
    lines.push("FACTS: _t.Final[dict[str, dict[str, _t.Any]]] = {".to_owned());
    for (kind, facts) in ["requests", "callbacks"].into_iter().flat_map(|it| contract.table(it)) {
        let special = special(facts, contract.min_version);
        if !special.is_empty() {
            lines.push(format!("    {}: {{{}}},", Value::from(kind), special.join(", ")));
        }
    }
    for (kind, channel) in contract.table("channels") {
        for (event, facts) in entries(channel.get("events")) {
            let special = special(facts, contract.min_version);
            if !special.is_empty() {
                let name = Value::from(format!("{kind}.{event}"));
                lines.push(format!("    {name}: {{{}}},", special.join(", ")));
            }
        }
    }
    lines.push("}".to_owned());
    lines
}

fn special(facts: &Value, min_version: u64) -> Vec<String> {
    let resend = facts.get("resend").and_then(Value::as_str).unwrap_or_default();
    let resend = ["idempotent", "dedup"].contains(&resend).then(|| format!("\"{resend}\": True"));
    let number = |key: &str| facts.get(key).and_then(Value::as_u64);
    let since = number("since").filter(|since| *since > min_version);
    let since = since.map(|since| format!("\"since\": {since}"));
    let removed = number("removed").map(|removed| format!("\"removed\": {removed}"));
    resend.into_iter().chain(since).chain(removed).collect()
}

fn union(facts: &Value) -> String {
    let mut payloads = vec![];
    for (_, event) in entries(facts.get("events")) {
        let payload = text(event, "payload");
        if !payloads.contains(&payload) {
            payloads.push(payload);
        }
    }
    match payloads.as_slice() {
        [] => "_t.NoReturn".to_owned(),
        [only] => (*only).to_owned(),
        _ => format!("_t.Union[{}]", payloads.join(", ")),
    }
}

fn checked() -> Vec<String> {
    vec![String::new(), "    if _t.TYPE_CHECKING:".to_owned()]
}

fn method(name: &str, more: &str, gives: &str) -> [String; 2] {
    [String::new(), format!("        def {name}(self{more}) -> {gives}: ...")]
}

/// The type that a fact names; `None` is both the type of nothing and that of a fact that is not
/// there.
pub(crate) fn text<'a>(facts: &'a Value, key: &str) -> &'a str {
    facts.get(key).and_then(Value::as_str).filter(|name| *name != "null").unwrap_or("None")
}
