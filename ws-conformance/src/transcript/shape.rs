//! Frames and their short forms: building what a scripted side sends, and comparing what a session
//! sent.

use super::{
    Who,
    short::{Short, fault},
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use ws_proto::{
    CloseCode, Envelope, Format, Frame, Head, IdSource, MessageId, Raw, Secret, VersionRange,
    frame::{Heartbeat, Rate, ServerInfo, ServerLimits, SessionGrant, Welcome},
};

/// The names of messages: `join#1`.
pub type Labels = BTreeMap<String, MessageId>;

/// What a frame's first word says: the type, and the name after `#`.
fn type_and_label(short: &Short) -> (&str, Option<&str>) {
    match short.first().split_once('#') {
        Some((kind, label)) => (kind, Some(label)),
        None => (short.first(), None),
    }
}

/// The name after `re#`.
fn answered(short: &Short) -> Option<&str> {
    short.words.iter().find_map(|word| word.strip_prefix("re#"))
}

/// Compares a frame with its short form; what the short form does not say is not compared.
///
/// # Errors
///
/// A sentence for whoever wrote the line.
pub fn compare(short: &Short, envelope: &Envelope, labels: &mut Labels) -> Result<(), String> {
    let (kind, label) = type_and_label(short);
    let head = &envelope.head;
    if kind != &*head.kind {
        return Err(format!("the type is `{}`", head.kind));
    }
    if let Some(label) = label {
        let known = *labels.entry(label.to_owned()).or_insert(head.id);
        if known != head.id {
            return Err(format!("`#{label}` is another message"));
        }
    }
    let re = answered(short).map(|label| labels.get(label).copied());
    if re.is_some_and(|re| re.is_none() || re != head.re) {
        return Err("`re` names another message".to_owned());
    }
    let fields = [
        ("seq", head.seq.map(|it| it.to_string())),
        ("ack", head.ack.map(|it| it.to_string())),
        ("off", head.off.map(|it| it.to_string())),
        ("prev", head.prev.map(|it| it.to_string())),
        ("ttl", head.ttl.map(|it| it.to_string())),
        ("ch", head.ch.as_ref().map(ToString::to_string)),
        ("key", head.key.as_ref().map(ToString::to_string)),
    ];
    for (name, value) in fields {
        let value = value.unwrap_or_else(|| "-".to_owned());
        if short.field(name).is_some_and(|expected| expected != value) {
            return Err(format!("`{name}` is {value}"));
        }
    }
    compare_payload(short, kind, &payload_of(envelope)?)
}

fn compare_payload(short: &Short, kind: &str, payload: &Value) -> Result<(), String> {
    let is_control = kind.starts_with('$');
    let expected = if is_control { control_payload(short)? } else { short.json.clone() };
    let holds = match &expected {
        None => true,
        Some(expected) if is_control => is_within(expected, payload),
        Some(expected) => expected == payload,
    };
    if holds {
        Ok(())
    } else {
        let expected = expected.unwrap_or_default();
        Err(format!("expected the payload {expected}\n  got {payload}"))
    }
}

/// Builds the frame of a scripted side, without its place in the session stream.
///
/// # Errors
///
/// A sentence for whoever wrote the line.
pub fn build(
    short: &Short,
    format: Format,
    labels: &mut Labels,
    ids: &mut IdSource,
    ts: u64,
) -> Result<Envelope, String> {
    let (kind, label) = type_and_label(short);
    let fresh = ids.next(ts);
    let id = label.map_or(fresh, |label| *labels.entry(label.to_owned()).or_insert(fresh));
    let mut head = Head::new(kind.to_owned().into(), id, ts);
    if let Some(label) = answered(short) {
        head.re = Some(*labels.get(label).ok_or_else(|| format!("no message is `#{label}`"))?);
    }
    head.ack = short.field_number("ack")?;
    head.off = short.field_number("off")?;
    head.prev = short.field_number("prev")?;
    head.ttl = short.field_number("ttl")?;
    head.ch = short.field("ch").map(|it| it.to_owned().into());
    head.key = short.field("key").map(|it| it.to_owned().into());
    let payload = if kind.starts_with('$') {
        let mut whole = template(kind)?;
        if let Some(said) = control_payload(short)? {
            merge(&mut whole, said);
        }
        whole
    } else {
        short.json.clone().unwrap_or_default()
    };
    let raw = Raw::encode(format, &payload).map_err(|error| error.to_string())?;
    let frame = Frame::decode_payload(kind, raw).map_err(|error| error.to_string())?;
    Ok(Envelope { head, frame })
}

/// Whether a frame has a place in the session stream (`docs/protocol.md`, section 6).
#[must_use]
pub fn is_sequenced(who: Who, envelope: &Envelope) -> bool {
    let head = &envelope.head;
    match &*head.kind {
        "$cancel" | "$credit" | "$end" | "$sub" | "$unsub" | "$ok" | "$err" | "$unsubbed" => true,
        kind if kind.starts_with('$') => false,
        _ => who == Who::C || head.re.is_some() || head.ch.is_none(),
    }
}

/// A frame in short form, for failures.
#[must_use]
pub fn describe(envelope: &Envelope) -> String {
    let head = &envelope.head;
    let mut words = vec![head.kind.to_string()];
    let numbers = [
        ("seq", head.seq),
        ("ack", head.ack),
        ("off", head.off),
        ("prev", head.prev),
        ("ttl", head.ttl),
    ];
    words.extend(head.ch.iter().map(|ch| format!("ch={ch}")));
    words.extend(
        numbers.iter().filter_map(|(name, value)| value.map(|value| format!("{name}={value}"))),
    );
    let payload = payload_of(envelope).unwrap_or_else(Value::String);
    format!("{} {payload}", words.join(" "))
}

/// The payload as a value.
///
/// # Errors
///
/// When it is not what its format says.
pub fn payload_of(envelope: &Envelope) -> Result<Value, String> {
    let mut bytes = Vec::new();
    let encoded = envelope.frame.encode_payload(Format::Json, &mut bytes);
    encoded.map_err(|error| error.to_string())?;
    serde_json::from_slice(&bytes).map_err(|error| error.to_string())
}

/// The payload that the words of a control frame stand for.
fn control_payload(short: &Short) -> Result<Option<Value>, String> {
    let (kind, _) = type_and_label(short);
    let word = short.words.iter().skip(1).find(|it| !it.contains('=') && !it.contains('#'));
    let mut said = Map::new();
    if let Some(word) = word {
        let number = || word.parse::<u64>().map(Value::from).map_err(|error| error.to_string());
        match kind {
            "$hello" => {
                said.insert("protocol".to_owned(), word.clone().into());
                said.insert("version".to_owned(), versions(short.at(2)?)?);
            }
            "$welcome" => drop(said.insert("version".to_owned(), number()?)),
            "$reject" => drop(said.insert("close".to_owned(), number()?)),
            "$close" => drop(said.insert("code".to_owned(), number()?)),
            "$credit" => drop(said.insert("n".to_owned(), number()?)),
            "$err" | "$unsubbed" => drop(said.insert("code".to_owned(), word.clone().into())),
            "$gap" => drop(said.insert("reason".to_owned(), word.clone().into())),
            _ => return Err(format!("`{kind}` takes no word `{word}`")),
        }
    }
    let mut payload = Value::Object(said);
    match &short.json {
        None if payload == json!({}) => Ok(None),
        None => Ok(Some(payload)),
        Some(more) => {
            merge(&mut payload, more.clone());
            Ok(Some(payload))
        }
    }
}

fn versions(text: &str) -> Result<Value, String> {
    let (min, max) = text.split_once("..").ok_or("versions are `1..3`")?;
    let number = |it: &str| it.parse::<u32>().map_err(|error| error.to_string());
    Ok(json!([number(min)?, number(max)?]))
}

/// What a scripted side's control frame holds where the transcript says nothing.
fn template(kind: &str) -> Result<Value, String> {
    Ok(match kind {
        "$hello" => json!({"protocol": "chat", "version": [1, 3]}),
        "$welcome" => serde_json::to_value(welcome()).map_err(|error| error.to_string())?,
        "$reject" => json!({
            "close": CloseCode::VERSION,
            "error": fault("unimplemented")?,
            "protocol": "chat",
            "supported": VersionRange::new(1, 3),
        }),
        "$ping" => json!({"t": 0}),
        "$pong" => json!({"t": 0, "now": 0}),
        "$close" => json!({"code": 1000, "reason": "as told"}),
        "$err" => serde_json::to_value(fault("internal")?).map_err(|error| error.to_string())?,
        "$unsubbed" => json!({"code": "internal", "reason": "as told", "retry": "never"}),
        "$auth" => json!({"token": "token"}),
        "$auth_required" => json!({"within_ms": 25_000}),
        "$ack" | "$auth_ok" | "$sub" | "$ok" | "$credit" | "$gap" => json!({}),
        _ => Value::Null,
    })
}

fn welcome() -> Welcome {
    Welcome {
        version: 3,
        fingerprint: String::new(),
        session: SessionGrant {
            id: "session".to_owned(),
            ticket: Secret::new("ticket"),
            ttl_ms: 120_000,
            resumed: false,
            reason: None,
        },
        recv: 0,
        heartbeat: Heartbeat { interval_ms: 30_000, timeout_ms: 10_000 },
        limits: ServerLimits {
            max_frame: 65_536,
            max_in_flight: 64,
            max_subs: 128,
            window: 256,
            rate: Rate { per_s: 200, burst: 400 },
        },
        auth: None,
        caps: Vec::new(),
        server: ServerInfo { node: "node".to_owned(), now: 0 },
    }
}

fn merge(whole: &mut Value, said: Value) {
    match (whole, said) {
        (Value::Object(whole), Value::Object(said)) => {
            for (name, value) in said {
                merge(whole.entry(name).or_insert(Value::Null), value);
            }
        }
        (whole, said) => *whole = said,
    }
}

/// Whether everything that is expected is there; objects may hold more, unless `null` says no.
#[must_use]
pub fn is_within(expected: &Value, got: &Value) -> bool {
    match (expected, got) {
        (Value::Object(expected), Value::Object(got)) => expected.iter().all(|(name, value)| {
            got.get(name).map_or(value.is_null(), |got| is_within(value, got))
        }),
        (expected, got) => expected == got,
    }
}
