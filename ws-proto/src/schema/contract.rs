//! A protocol's tables as messages, and what a schema cannot say about them.

use super::{
    assemble::{self, Definitions, Message, Sender, definitions},
    codes, head,
    integers::Wide,
};
use crate::message::{
    AckMeaning, ChannelSet, ChannelSpec, Delivery, EventSpec, Protocol, RequestSet, RequestSpec,
    Resend, SchemaFn,
};
use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The document of a protocol, complete also where there are problems.
pub(super) fn build<P: Protocol>() -> (Value, BTreeSet<String>) {
    let requests = <P::Requests as RequestSet>::SPECS;
    let channels = <P::Channels as ChannelSet>::SPECS;
    let callbacks = <P::Callbacks as RequestSet>::SPECS;
    let messages = messages(requests, channels, callbacks);
    let mut definitions = definitions(&messages, Wide::Refuse);
    report_types([requests, callbacks], channels, &mut definitions.problems);
    let table = |specs: &[RequestSpec], asker| {
        let entry = |spec: &RequestSpec| (spec.kind.to_owned(), request(spec, asker, &definitions));
        specs.iter().map(entry).collect::<Map<_, _>>()
    };
    let mut facts = json!({
        "name": P::NAME,
        "version": P::VERSION,
        "min_version": P::MIN_VERSION,
        "requests": table(requests, Sender::Client),
        "channels": channels.iter().map(|spec| (spec.kind.to_owned(), channel(spec, &definitions)))
            .collect::<Map<_, _>>(),
        "close_codes": codes::ranges(),
    });
    if !callbacks.is_empty() {
        facts["callbacks"] = table(callbacks, Sender::Server).into();
    }
    let Definitions { defs, problems, .. } = definitions;
    (
        assemble::document(&urn(P::NAME, P::VERSION), P::NAME, defs, ("x-ws-protocol", facts)),
        problems,
    )
}

/// A name for the document that resolves nowhere.
fn urn(name: &str, version: u32) -> String {
    let name = name.replace(|c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c)), "-");
    format!("urn:ws-proto:{name}:{version}")
}

fn messages(
    requests: &[RequestSpec],
    channels: &[ChannelSpec],
    callbacks: &[RequestSpec],
) -> Vec<Message> {
    let requests = requests.iter().flat_map(|spec| messages_of_request(spec, Sender::Client));
    let callbacks = callbacks.iter().flat_map(|spec| messages_of_request(spec, Sender::Server));
    let events = channels.iter().flat_map(|channel| {
        channel.events.iter().flat_map(|event| messages_of_event(channel, event))
    });
    let snapshots = channels.iter().filter_map(message_of_snapshot);
    requests.chain(events).chain(snapshots).chain(callbacks).collect()
}

fn messages_of_request(spec: &RequestSpec, asker: Sender) -> Vec<Message> {
    let answer = |kind: &str, payload, doc| Message {
        kind: kind.to_owned(),
        sender: asker.other(),
        head: head::ANSWER,
        payload,
        doc,
        deprecated: spec.deprecated.is_some(),
    };
    let mut messages = vec![
        Message { sender: asker, head: head::REQUEST, ..answer(spec.kind, spec.request, spec.doc) },
        answer(spec.ok, spec.reply, ""),
        answer(spec.err, spec.error, ""),
    ];
    if let (Some(kind), Some(payload)) = (spec.item, spec.item_schema) {
        messages.push(answer(kind, payload, ""));
    }
    if let (Some(kind), Some(payload)) = (spec.part, spec.part_schema) {
        messages.push(Message { sender: Sender::Client, ..answer(kind, payload, "") });
    }
    // The type without values makes no message.
    messages.retain(|message| has_values(message.payload));
    messages
}

fn messages_of_event(channel: &ChannelSpec, event: &EventSpec) -> Vec<Message> {
    let from_server = Message {
        kind: kind(channel, event),
        sender: Sender::Server,
        head: match channel.delivery {
            Delivery::AtLeastOnce => head::POSITIONED,
            Delivery::BestEffort => head::UNPOSITIONED,
        },
        payload: event.payload,
        doc: event.doc,
        deprecated: event.deprecated.or(channel.deprecated).is_some(),
    };
    let published = channel.client_publish.then(|| Message {
        sender: Sender::Client,
        head: head::PUBLISH,
        ..from_server.clone()
    });
    [from_server].into_iter().chain(published).collect()
}

fn message_of_snapshot(channel: &ChannelSpec) -> Option<Message> {
    Some(Message {
        kind: snapshot_kind(channel),
        sender: Sender::Server,
        head: head::SNAPSHOT,
        payload: channel.snapshot?,
        doc: "",
        deprecated: channel.deprecated.is_some(),
    })
}

fn snapshot_kind(channel: &ChannelSpec) -> String {
    format!("{}.snapshot", channel.kind)
}

fn kind(channel: &ChannelSpec, event: &EventSpec) -> String {
    format!("{}.{}", channel.kind, event.kind)
}

fn has_values(payload: SchemaFn) -> bool {
    payload(&mut SchemaGenerator::default()).as_bool() != Some(false)
}

/// Reports a `type` that names two messages.
fn report_types(
    requests: [&[RequestSpec]; 2],
    channels: &[ChannelSpec],
    problems: &mut BTreeSet<String>,
) {
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    let mut claim = |kind: String, what: String| {
        if let Some(other) = seen.get(&kind) {
            problems.insert(format!("`{kind}` is the `type` of {other} and of {what}"));
        } else {
            seen.insert(kind, what);
        }
    };
    for spec in requests.into_iter().flatten() {
        claim(spec.kind.to_owned(), format!("the request `{}`", spec.kind));
        for answer in [Some(spec.ok), Some(spec.err), spec.item].into_iter().flatten() {
            claim(answer.to_owned(), format!("an answer to the request `{}`", spec.kind));
        }
        if let Some(part) = spec.part {
            claim(part.to_owned(), format!("a part of the request `{}`", spec.kind));
        }
    }
    for channel in channels {
        for event in channel.events {
            let what = format!("the event `{}` of the channel `{}`", event.kind, channel.kind);
            claim(kind(channel, event), what);
        }
        if channel.snapshot.is_some() {
            let what = format!("the snapshot of the channel `{}`", channel.kind);
            claim(snapshot_kind(channel), what);
        }
    }
}

fn request(spec: &RequestSpec, asker: Sender, definitions: &Definitions) -> Value {
    let mut facts = age(spec.since, spec.removed, spec.deprecated);
    let mut name = |key: &str, sender, kind: &str| {
        if let Some(name) = definitions.payloads.get(&(sender, kind.to_owned())) {
            facts.insert(key.into(), name.as_str().into());
        }
    };
    name("payload", asker, spec.kind);
    name("reply", asker.other(), spec.ok);
    name("error", asker.other(), spec.err);
    if let Some(item) = spec.item {
        name("stream", asker.other(), item);
    }
    if let Some(part) = spec.part {
        name("upload", Sender::Client, part);
    }
    let resend = match spec.resend {
        Resend::Never => "never",
        Resend::Idempotent => "idempotent",
        Resend::Dedup => "dedup",
    };
    let ack = match spec.ack {
        AckMeaning::Received => "received",
        AckMeaning::Handled => "handled",
    };
    facts.insert("resend".into(), resend.into());
    facts.insert("idempotent".into(), (spec.resend == Resend::Idempotent).into());
    facts.insert("ordered".into(), spec.ordered.into());
    facts.insert("ack".into(), ack.into());
    facts.into()
}

fn channel(spec: &ChannelSpec, definitions: &Definitions) -> Value {
    let mut facts = age(spec.since, spec.removed, spec.deprecated);
    let fields = spec.fields.iter().map(|field| format!("/{{{field}}}"));
    let events = spec.events.iter().map(|event| {
        let mut facts = age(event.since, event.removed, event.deprecated);
        let payload = |sender| definitions.payloads.get(&(sender, kind(spec, event)));
        let from_server = payload(Sender::Server);
        if let Some(name) = from_server {
            facts.insert("payload".into(), name.as_str().into());
        }
        if let Some(name) = payload(Sender::Client).filter(|name| Some(*name) != from_server) {
            facts.insert("input".into(), name.as_str().into());
        }
        (event.kind.to_owned(), facts.into())
    });
    let publish = if spec.client_publish { "client" } else { "server" };
    facts.insert("events".into(), events.collect::<Map<_, _>>().into());
    facts.insert("address".into(), format!("{}{}", spec.kind, fields.collect::<String>()).into());
    facts.insert("delivery".into(), spec.delivery.name().into());
    facts.insert("publish".into(), publish.into());
    facts.insert("history".into(), spec.history.into());
    // Absent where they say nothing, so that older documents stay what they are.
    if let Some(bytes) = spec.history_bytes {
        facts.insert("history_bytes".into(), bytes.into());
    }
    if let Some(secs) = spec.history_secs {
        facts.insert("history_secs".into(), secs.into());
    }
    if spec.latest {
        facts.insert("latest".into(), true.into());
    }
    if let Some(name) = definitions.payloads.get(&(Sender::Server, snapshot_kind(spec))) {
        facts.insert("snapshot".into(), name.as_str().into());
    }
    if !spec.doc.is_empty() {
        facts.insert("description".into(), spec.doc.into());
    }
    facts.into()
}

fn age(since: u32, removed: Option<u32>, deprecated: Option<&str>) -> Map<String, Value> {
    let mut age = Map::new();
    age.insert("since".into(), since.into());
    if let Some(removed) = removed {
        age.insert("removed".into(), removed.into());
    }
    if let Some(note) = deprecated {
        age.insert("deprecated".into(), note.into());
    }
    age
}
