//! What generated code calls. Not part of the public interface.
//!
//! The user's types are reached through the traits that the derives implement (`Call<Set>`,
//! `Channel<Set>`, [`Carries`], [`ChannelField`]), never through `Payload` or `AddressField`
//! themselves: a type that lacks one is then one error, at the impl, and not one per use.

#![expect(clippy::must_use_candidate, reason = "only generated code calls these functions")]

use super::{
    Call, Channel, ChannelSet, ChannelSpec, EncodedEvent, EventSet, EventSpec, HasSnapshot,
    Payload, Protocol, RequestSet, RequestSpec, Resend, UnknownEvent,
};
use crate::{
    address::{AddressError, AddressField, AddressReader, AddressWriter},
    codec::{DecodeError, EncodeError, Format},
    fault::Fault,
    raw::Raw,
    serve::{Answer, Caller, Items, Parts, ReplySlot, Snapshot},
};
use bytestring::ByteString;
use schemars::{JsonSchema, Schema, SchemaGenerator};

/// The schema of one type, as a function pointer for the tables.
pub fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// The facts of a request, for the table.
pub const fn spec_of<Set: RequestSet, R: Call<Set>>() -> RequestSpec {
    R::SPEC
}

/// The events of a channel, for the table.
pub const fn events_of<Set: ChannelSet, C: Channel<Set>>() -> &'static [EventSpec] {
    C::Event::SPECS
}

/// The schema of a request's payload.
pub fn request_schema<Set: RequestSet, R: Call<Set>>(generator: &mut SchemaGenerator) -> Schema {
    R::schema_in(generator)
}

/// The schema of a request's successful answer.
pub fn reply_schema<Set: RequestSet, R: Call<Set>>(generator: &mut SchemaGenerator) -> Schema {
    R::Reply::schema_in(generator)
}

/// The schema of a request's typed error.
pub fn error_schema<Set: RequestSet, R: Call<Set>>(generator: &mut SchemaGenerator) -> Schema {
    R::Error::schema_in(generator)
}

/// The schema of a request's stream items.
pub fn item_schema<Set: RequestSet, R: Call<Set>>(generator: &mut SchemaGenerator) -> Schema {
    R::Item::schema_in(generator)
}

/// The schema of the parts of a request's upload.
pub fn part_schema<Set: RequestSet, R: Call<Set>>(generator: &mut SchemaGenerator) -> Schema {
    R::Part::schema_in(generator)
}

/// Decodes the payload of a request.
pub fn decode_request<Set: RequestSet, R: Call<Set>>(raw: &Raw) -> Result<R, DecodeError> {
    R::from_raw(raw)
}

/// No message has this kind.
pub fn unknown_kind(kind: &str) -> DecodeError {
    DecodeError::UnknownKind(kind.to_owned())
}

/// Encodes what a handler answered.
pub fn answer<Set: RequestSet, R: Call<Set>, P>(
    caller: &Caller<'_, P>,
    result: &Result<R::Reply, R::Error>,
) -> Answer {
    Answer::of(caller.format(), result)
}

/// The way for stream items, for a handler.
pub fn caller_items<Set: RequestSet, R: Call<Set>, P>(caller: &Caller<'_, P>) -> Items<R::Item> {
    caller.items()
}

/// The way for stream items, for the call enum.
pub fn reply_items<Set: RequestSet, R: Call<Set>>(slot: &ReplySlot) -> Items<R::Item> {
    slot.items()
}

/// The parts of an upload, for a handler.
pub fn caller_parts<Set: RequestSet, R: Call<Set>, P>(caller: &Caller<'_, P>) -> Parts<R::Part> {
    caller.parts()
}

/// The parts of an upload, for the call enum.
pub fn reply_parts<Set: RequestSet, R: Call<Set>>(slot: &ReplySlot) -> Parts<R::Part> {
    slot.parts()
}

/// "The event `Variant` carries `Self`": the payload of a newtype variant.
pub trait Carries<Variant>: Payload {}

/// The schema of a newtype variant's payload.
pub fn carried_schema<Variant, T: Carries<Variant>>(generator: &mut SchemaGenerator) -> Schema {
    T::schema_in(generator)
}

/// Encodes the payload of a newtype variant.
pub fn encode_carried<Variant, T: Carries<Variant>>(
    event: &T,
    format: Format,
) -> Result<Raw, EncodeError> {
    event.to_raw(format)
}

/// Decodes the payload of a newtype variant.
pub fn decode_carried<Variant, T: Carries<Variant>>(raw: &Raw) -> Result<T, DecodeError> {
    T::from_raw(raw)
}

/// Passes an event on that this build does not know.
pub fn encode_unknown(event: &UnknownEvent, format: Format) -> Result<Raw, EncodeError> {
    event.payload.transcode(format).map_err(|error| EncodeError(error.to_string()))
}

/// Keeps an event that this build does not know.
pub fn decode_unknown(kind: &str, raw: &Raw) -> UnknownEvent {
    UnknownEvent { kind: kind.to_owned(), payload: raw.clone() }
}

/// Decodes and re-encodes an event that a client publishes. An event that this build does not
/// know is refused even where its enum could hold it.
pub fn check_event<Set: ChannelSet, C: Channel<Set>>(
    kind: &str,
    payload: &Raw,
) -> Result<EncodedEvent, DecodeError> {
    if C::Event::spec(kind).is_none() {
        return Err(DecodeError::UnknownKind(format!("{}.{kind}", C::KIND)));
    }
    let event = C::Event::decode(kind, payload)?;
    EncodedEvent::new(C::KIND, &event).map_err(|error| DecodeError::Invalid(error.to_string()))
}

/// The schema of a channel's snapshot.
pub fn snapshot_schema<C: HasSnapshot>(generator: &mut SchemaGenerator) -> Schema {
    C::State::schema_in(generator)
}

/// Makes and encodes the snapshot of a channel.
pub async fn take_snapshot<C: HasSnapshot, App: Snapshot<C>>(
    app: &App,
    caller: &Caller<'_, App::Principal>,
    channel: &C,
) -> Result<Raw, Fault> {
    let state = app.snapshot(caller, channel).await?;
    state
        .to_raw(caller.format())
        .map_err(|error| Fault::internal(format!("the snapshot cannot be encoded: {error}")))
}

/// What is asked for a snapshot has none.
pub fn no_snapshot() -> Fault {
    Fault::not_found("this channel has no snapshot")
}

/// "`Self` is the type of the channel field `Field`."
pub trait ChannelField<Field>: AddressField {}

/// Writes one field of an address.
pub fn write_field<Field, T: ChannelField<Field>>(to: AddressWriter, field: &T) -> AddressWriter {
    to.field(field)
}

/// Reads one field of an address.
pub fn read_field<Field, T: ChannelField<Field>>(
    from: &mut AddressReader<'_>,
) -> Result<T, AddressError> {
    from.field()
}

/// "`Self` is the type of the field `Field`, marked `#[ws(latest)]`."
pub trait LatestField<Field>: AddressField {}

/// Writes one field of what names a value.
pub fn write_latest<Field, T: LatestField<Field>>(to: AddressWriter, field: &T) -> AddressWriter {
    to.field(field)
}

/// The finished text.
pub fn latest(text: AddressWriter) -> Result<Option<ByteString>, EncodeError> {
    let finished = text.finish().map_err(|_| {
        EncodeError("fields marked `#[ws(latest)]` that have more than 255 bytes as text".into())
    });
    finished.map(|text| Some(text.text().clone()))
}

/// The rules across the enums of a protocol, run at compile time by `#[derive(Protocol)]`: nothing
/// is newer than the protocol, and no event has the `type` of an answer.
pub const fn check_protocol<P: Protocol>() {
    let requests = <P::Requests as RequestSet>::SPECS;
    let channels = <P::Channels as ChannelSet>::SPECS;
    refuse_newer_requests(P::VERSION, requests);
    let mut at = 0;
    while at < channels.len() {
        let kind = Sentence::new().push(channels[at].kind);
        refuse_newer(P::VERSION, &kind, channels[at].since);
        let mut event = 0;
        while event < channels[at].events.len() {
            let spec = channels[at].events[event];
            let kind = Sentence::new().push(channels[at].kind).push(".").push(spec.kind);
            refuse_newer(P::VERSION, &kind, spec.since);
            event += 1;
        }
        refuse_answers(&channels[at], requests);
        refuse_snapshots(&channels[at]);
        at += 1;
    }
}

/// The same for callbacks, which moreover are what a client can answer.
pub const fn check_callbacks<P: Protocol>() {
    let channels = <P::Channels as ChannelSet>::SPECS;
    let callbacks = <P::Callbacks as RequestSet>::SPECS;
    refuse_newer_requests(P::VERSION, callbacks);
    refuse_unanswerable(callbacks, <P::Requests as RequestSet>::SPECS);
    let mut at = 0;
    while at < channels.len() {
        refuse_answers(&channels[at], callbacks);
        at += 1;
    }
}

const fn refuse_newer_requests(version: u32, requests: &[RequestSpec]) {
    let mut at = 0;
    while at < requests.len() {
        let kind = Sentence::new().push(requests[at].kind);
        refuse_newer(version, &kind, requests[at].since);
        at += 1;
    }
}

/// What only a server can do is refused, and one `type` names one message.
const fn refuse_unanswerable(callbacks: &[RequestSpec], requests: &[RequestSpec]) {
    let mut at = 0;
    while at < callbacks.len() {
        let kind = callbacks[at].kind;
        if callbacks[at].item.is_some() {
            let why = "`, which streams: a client answers once, so leave out `stream`";
            refuse_callback(kind, why);
        }
        if callbacks[at].part.is_some() {
            let why = "`, which takes an upload: a client takes none, so leave out `upload`";
            refuse_callback(kind, why);
        }
        if matches!(callbacks[at].resend, Resend::Dedup) {
            let why = "`, which says `dedup`: a client keeps no results, so say `idempotent`, or \
                       nothing";
            refuse_callback(kind, why);
        }
        let mut request = 0;
        while request < requests.len() {
            if is_same(kind, requests[request].kind) {
                let why =
                    "`, which is a request of the clients too: give one of them another `name`";
                refuse_callback(kind, why);
            }
            request += 1;
        }
        at += 1;
    }
}

const fn refuse_callback(kind: &str, why: &str) {
    let sentence = Sentence::new().push("`callbacks` has `").push(kind).push(why);
    panic!("{}", sentence.as_str());
}

const fn refuse_newer(version: u32, kind: &Sentence, since: u32) {
    if since > version {
        let sentence = Sentence::new()
            .push("`")
            .push(kind.as_str())
            .push("` says `since = ")
            .number(since)
            .push("`, which is newer than the protocol's `version = ")
            .number(version)
            .push("`");
        panic!("{}", sentence.as_str());
    }
}

const fn refuse_answers(channel: &ChannelSpec, requests: &[RequestSpec]) {
    let mut at = 0;
    while at < requests.len() {
        let mut event = 0;
        while event < channel.events.len() && is_same(channel.kind, requests[at].kind) {
            let kind = channel.events[event].kind;
            let is_item = is_same(kind, "item") && requests[at].item.is_some();
            let is_part = is_same(kind, "part") && requests[at].part.is_some();
            if is_same(kind, "ok") || is_same(kind, "err") || is_item || is_part {
                let what = if is_part { "a part" } else { "an answer" };
                let sentence = Sentence::new()
                    .push("`")
                    .push(channel.kind)
                    .push(".")
                    .push(kind)
                    .push("` is both ")
                    .push(what)
                    .push(" of the request `")
                    .push(channel.kind)
                    .push("` and an event of the channel `")
                    .push(channel.kind)
                    .push("`: give one of them another `name`");
                panic!("{}", sentence.as_str());
            }
            event += 1;
        }
        at += 1;
    }
}

const fn refuse_snapshots(channel: &ChannelSpec) {
    let mut at = 0;
    while at < channel.events.len() && channel.snapshot.is_some() {
        if is_same(channel.events[at].kind, "snapshot") {
            let sentence = Sentence::new()
                .push("`")
                .push(channel.kind)
                .push(".snapshot` is both the snapshot and an event of the channel `")
                .push(channel.kind)
                .push("`: give the event another `name`");
            panic!("{}", sentence.as_str());
        }
        at += 1;
    }
}

const fn is_same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}

/// A sentence put together in a constant, where nothing can be formatted. Wire names are ASCII and
/// at most 63 bytes, so every sentence above fits; a longer one would be cut.
#[derive(Clone, Copy)]
struct Sentence {
    bytes: [u8; 512],
    len: usize,
}

impl Sentence {
    const fn new() -> Self {
        Self { bytes: [0; 512], len: 0 }
    }

    const fn push(mut self, text: &str) -> Self {
        let text = text.as_bytes();
        let mut at = 0;
        while at < text.len() && self.len < self.bytes.len() {
            self.bytes[self.len] = text[at];
            self.len += 1;
            at += 1;
        }
        self
    }

    const fn number(self, number: u32) -> Self {
        const DIGITS: &str = "0123456789";
        let shorter = if number >= 10 { self.number(number / 10) } else { self };
        let (_, from) = DIGITS.split_at((number % 10) as usize);
        shorter.push(from.split_at(1).0)
    }

    const fn as_str(&self) -> &str {
        match str::from_utf8(self.bytes.split_at(self.len).0) {
            Ok(text) => text,
            Err(_) => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_can_write_a_sentence() {
        let sentence = Sentence::new().push("since = ").number(10).push(", ").number(u32::MAX);
        assert_eq!(sentence.as_str(), "since = 10, 4294967295");
        assert_eq!(Sentence::new().number(0).as_str(), "0");
    }

    #[test]
    fn a_sentence_past_its_end_is_cut() {
        let long = "x".repeat(600);
        assert_eq!(Sentence::new().push(&long).as_str().len(), 512);
    }

    #[test]
    #[should_panic(expected = "`room.said` says `since = 12`, which is newer than the \
                               protocol's `version = 3`")]
    fn what_is_newer_than_the_protocol_is_named() {
        refuse_newer(3, &Sentence::new().push("room.said"), 12);
    }

    #[test]
    fn what_is_as_old_as_the_protocol_passes() {
        refuse_newer(3, &Sentence::new().push("room.said"), 3);
    }

    #[test]
    fn texts_are_the_same_only_as_a_whole() {
        assert!(is_same("ok", "ok"));
        assert!(!is_same("ok", "okay"));
        assert!(!is_same("okay", "ok"));
        assert!(is_same("", ""));
    }
}
