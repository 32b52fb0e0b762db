//! The derives of `ws-proto`: [`Protocol`], [`Requests`], [`Channels`], [`Events`] and
//! [`AddressField`]. They are re-exported there and documented for its users.
//!
//! The front end (`ast`, `attr`, `check`) reads an enum and collects every mistake; the back end
//! (`expand`) writes the code. An enum with mistakes is still expanded as far as it makes sense,
//! so that one mistake is one error.

mod ast;
mod attr;
mod check;
mod ctxt;
mod expand;
mod fallback;
mod words;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Ties a request enum and a channel enum into one versioned protocol.
///
/// Goes on a struct without generic parameters: `struct Chat;`. Words of `#[protocol(..)]`:
///
/// - `name = "chat"`: what both sides must agree on. Mandatory.
/// - `version = 3`: the newest version that this build speaks. Mandatory.
/// - `min_version = 1`: the oldest one; `version` unless given.
/// - `requests = ChatRequest`, `channels = ChatChannel`: the enums; none unless given.
///
/// A request, channel or event whose `since` is newer than `version` does not compile, and
/// neither does a message type that is both an answer and an event.
#[proc_macro_derive(Protocol, attributes(protocol, requests, rpc, channel, event, ws))]
pub fn protocol(input: TokenStream) -> TokenStream {
    expand::protocol(&parse_macro_input!(input as DeriveInput)).into()
}

/// Makes an enum the requests of a protocol: one variant, one request.
///
/// A variant with named fields makes a payload struct of its name, and so does a variant without
/// fields; a variant with one unnamed field uses that type. The derive also makes a handler trait
/// with one async method per variant and the call enum, which holds a reply slot beside each
/// payload. `#[requests(handler = .., call = ..)]` names the two; `{Enum}Handler` and
/// `{Enum}Call` unless given.
///
/// Words of `#[rpc(..)]` on a variant:
///
/// - `reply = T`: the successful answer. Mandatory; `()` where there is nothing to say.
/// - `error = E`: the typed error; none unless given.
/// - `stream = T`: items that are sent before the answer.
/// - `upload = T`: parts that the caller sends before the answer. Such a request is never sent
///   again, so it is neither `idempotent` nor `dedup`, and `ack = received`.
/// - `idempotent` or `dedup`: the request may be sent again when its outcome is unknown.
/// - `ordered`: one at a time per connection, in the order sent.
/// - `cancel`: the handler is dropped when nobody waits any more.
/// - `ack = received` (unless given) or `ack = handled`: what an acknowledgement means. The second
///   excludes `stream` and `upload`.
/// - `since = 2`, `removed = 4`: the first version with it, the first without it.
/// - `name = "wire_name"`: the `type` on the wire; the variant in snake case unless given.
///
/// Words of `#[ws(..)]` on a named field: `bounded` or `text` say how a 64-bit integer travels,
/// `redact` keeps the field out of the payload's `Debug` and from whoever shows payloads. `#[serde(..)]`, `#[schemars(..)]` and
/// docs move to the payload struct. `#[ws(crate = path)]` on the enum says where `ws_proto` is.
#[proc_macro_derive(
    Requests,
    attributes(requests, rpc, ws, serde, schemars, protocol, channel, event)
)]
pub fn requests(input: TokenStream) -> TokenStream {
    expand::requests(&parse_macro_input!(input as DeriveInput)).into()
}

/// Makes an enum the channels of a protocol: one variant, one kind of channel; a value is an
/// address.
///
/// A variant has named fields, which stand in the address in this order, or none. It makes a
/// struct of its name.
///
/// Words of `#[channel(..)]` on a variant:
///
/// - `event = T`: the event enum that it carries. Mandatory.
/// - `delivery = at_least_once` or `delivery = best_effort`. Mandatory.
/// - `history = 256`: how many events the log keeps; 256 unless given, at least 1, and only for
///   at-least-once delivery.
/// - `history_bytes = 1048576`, `history_secs = 600`: how many bytes of events it keeps, and for how
///   long; whichever bound is met first counts. An event that is larger alone is kept alone.
/// - `latest`: while a subscriber's connection is behind, a newer event takes the place of an older
///   one of the same kind that still waits; only for best-effort delivery. Fields marked
///   `#[ws(latest)]` say what else must be the same.
/// - `snapshot = T`: the state that a subscriber starts from; the application makes it with
///   `impl Snapshot<..>`. Only for at-least-once delivery.
/// - `publish = client`: clients may publish to it.
/// - `since`, `removed`, `name`: as for requests.
#[proc_macro_derive(
    Channels,
    attributes(channel, ws, serde, schemars, protocol, requests, rpc, event)
)]
pub fn channels(input: TokenStream) -> TokenStream {
    expand::channels(&parse_macro_input!(input as DeriveInput)).into()
}

/// Makes an enum the events of a channel: one variant, one event.
///
/// Words of `#[event(..)]` on a variant: `since`, `removed` and `name` as for requests, and
/// `unknown` on one variant of the form `Other(UnknownEvent)`, which takes the events that a
/// newer peer sends.
///
/// Words of `#[ws(..)]` on a named field: `bounded` or `text` say how a 64-bit integer travels;
/// `latest` says that the field names a value (a user, a document) of which only the newest counts,
/// on channels declared `latest`. Such fields are `String`, integers, `bool`, `Uuid` or enums with
/// `#[derive(AddressField)]`; together they have at most 255 bytes as text.
#[proc_macro_derive(
    Events,
    attributes(event, ws, serde, schemars, protocol, requests, rpc, channel)
)]
pub fn events(input: TokenStream) -> TokenStream {
    expand::events(&parse_macro_input!(input as DeriveInput)).into()
}

/// Lets an enum of unit variants stand in a channel address: each variant is its name in snake
/// case.
#[proc_macro_derive(AddressField, attributes(ws, protocol, requests, rpc, channel, event))]
pub fn address_field(input: TokenStream) -> TokenStream {
    expand::address_field(&parse_macro_input!(input as DeriveInput)).into()
}
