//! Requests: what a client asks, each with exactly one terminal answer
//! (`docs/protocol.md`, section 7).

use super::{Payload, SchemaFn};
use crate::{codec::DecodeError, raw::Raw, serve::ReplySlot};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{borrow::Cow, fmt::Debug};

/// Facts about one request, from its variant and `#[rpc(..)]`.
#[derive(Clone, Copy, Debug)]
pub struct RequestSpec {
    /// The `type` of the request: `join`.
    pub kind: &'static str,
    /// The `type` of its successful answer: `join.ok`.
    pub ok: &'static str,
    /// The `type` of its typed error: `join.err`.
    pub err: &'static str,
    /// The `type` of its stream items, `join.item`; `None` when it does not stream.
    pub item: Option<&'static str>,
    /// The `type` of the parts of its upload, `import.part`; `None` when it has none.
    pub part: Option<&'static str>,
    /// The variant's documentation.
    pub doc: &'static str,
    /// The first version that has it.
    pub since: u32,
    /// The first version that no longer has it.
    pub removed: Option<u32>,
    /// The note of `#[deprecated]`.
    pub deprecated: Option<&'static str>,
    /// Whether it may be sent again when its outcome is unknown.
    pub resend: Resend,
    /// One at a time per connection, in the order sent.
    pub ordered: bool,
    /// The handler is dropped when the request is cancelled or its deadline passes.
    pub cancel: bool,
    /// What the acknowledgement of this request means.
    pub ack: AckMeaning,
    /// The schema of the payload.
    pub request: SchemaFn,
    /// The schema of the successful answer.
    pub reply: SchemaFn,
    /// The schema of the typed error.
    pub error: SchemaFn,
    /// The schema of a stream item.
    pub item_schema: Option<SchemaFn>,
    /// The schema of a part of the upload.
    pub part_schema: Option<SchemaFn>,
}

/// Whether a request may be sent again when it may have been worked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resend {
    /// No: the caller is told that the outcome is unknown.
    Never,
    /// Yes: working on it twice does no harm.
    Idempotent,
    /// Yes: the server keeps the result under the request's key.
    Dedup,
}

/// What the acknowledgement of a message means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckMeaning {
    /// It was accepted into the queue of the handlers.
    Received,
    /// Its handler has returned.
    Handled,
}

/// The requests of a protocol. Implemented by `#[derive(Requests)]` on an enum.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a request enum",
    label = "not a request enum",
    note = "put `#[derive(Requests)]` on `{Self}`"
)]
pub trait RequestSet: Sized + Send + 'static {
    /// One entry per variant, in the order of declaration.
    const SPECS: &'static [RequestSpec];
    /// What is marked `redact`: the `type` of the request, and the name of the field on the wire. A
    /// field that may travel under several names has an entry for each, and `*` stands for the
    /// whole payload.
    const REDACTED: &'static [(&'static str, &'static str)] = &[];
    /// The same enum with a reply slot beside each payload, for loops that own their state.
    type Call: Send + 'static;

    /// Decodes the payload of the request `kind`.
    ///
    /// # Errors
    ///
    /// [`DecodeError::UnknownKind`], or what is wrong with the payload.
    fn decode(kind: &str, payload: &Raw) -> Result<Self, DecodeError>;

    /// Puts the slot for the answer beside the payload.
    fn with_reply(self, slot: ReplySlot) -> Self::Call;

    /// The entry of the request `kind`.
    #[must_use]
    fn spec(kind: &str) -> Option<&'static RequestSpec> {
        Self::SPECS.iter().find(|spec| spec.kind == kind)
    }
}

/// "`Self` is the payload of one request of `Set`." Implemented by `#[derive(Requests)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a request of `{Set}`",
    label = "not the payload of any variant of `{Set}`",
    note = "add a variant to `{Set}`: `#[rpc(reply = ..)] {Self}({Self})`"
)]
pub trait Call<Set: RequestSet>: Payload {
    /// The successful answer.
    type Reply: Payload;
    /// The typed error.
    type Error: Payload + Debug;
    /// A stream item; [`Never`] when the request does not stream.
    type Item: Payload;
    /// A part of its upload; [`Never`] when it has none.
    type Part: Payload;
    /// [`retry::Allowed`] or not.
    type Retry: 'static;
    /// [`shape::Single`], [`shape::Streaming`] or [`shape::Uploading`].
    type Shape: 'static;
    /// Facts about the request.
    const SPEC: RequestSpec;
}

/// Whether a request may be sent again automatically.
pub mod retry {
    /// Declared `idempotent` or `dedup`.
    #[derive(Debug)]
    pub enum Yes {}
    /// Declared neither.
    #[derive(Debug)]
    pub enum No {}

    /// The request may be sent again automatically.
    #[diagnostic::on_unimplemented(
        message = "this request may not run twice, so it cannot be retried automatically",
        label = "neither `idempotent` nor `dedup`",
        note = "put `#[rpc(idempotent)]` or `#[rpc(dedup)]` on its variant, or decide with \
                `CallError::outcome()`"
    )]
    pub trait Allowed {}
    impl Allowed for Yes {}
}

/// Whether a request is one message and one answer, or has items or parts besides.
pub mod shape {
    /// One message, one answer.
    #[derive(Debug)]
    pub enum Once {}
    /// Items, then one answer.
    #[derive(Debug)]
    pub enum Items {}
    /// Parts of the caller, then one answer.
    #[derive(Debug)]
    pub enum Parts {}

    /// The request streams no items.
    #[diagnostic::on_unimplemented(
        message = "this request streams items: send it with `client.stream(..)`",
        label = "declared `#[rpc(stream = ..)]`"
    )]
    pub trait Single {}
    impl Single for Once {}
    impl Single for Parts {}

    /// The request has no parts.
    #[diagnostic::on_unimplemented(
        message = "this request takes an upload: send it with `client.upload(..)`",
        label = "declared `#[rpc(upload = ..)]`"
    )]
    pub trait Whole {}
    impl Whole for Once {}
    impl Whole for Items {}

    /// The request streams items: `client.stream(..)`.
    #[diagnostic::on_unimplemented(
        message = "this request answers once: send it with `client.call(..)`, or with \
                   `client.upload(..)` if it is declared `upload = ..`",
        label = "declared without `stream = ..`"
    )]
    pub trait Streaming {}
    impl Streaming for Items {}

    /// The request takes an upload: `client.upload(..)`.
    #[diagnostic::on_unimplemented(
        message = "this request takes no upload: send it with `client.call(..)`, or with \
                   `client.stream(..)` if it is declared `stream = ..`",
        label = "declared without `upload = ..`"
    )]
    pub trait Uploading {}
    impl Uploading for Parts {}
}

/// The type with no value: the error of a request that its handler cannot refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Never {}

impl Serialize for Never {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        match *self {}
    }
}

impl<'de> Deserialize<'de> for Never {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(de::Error::custom("this request has no typed error"))
    }
}

impl JsonSchema for Never {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Never".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!(false)
    }
}

/// The requests of a protocol that has none.
#[derive(Debug)]
pub enum NoRequests {}

impl RequestSet for NoRequests {
    const SPECS: &'static [RequestSpec] = &[];
    type Call = Self;

    fn decode(kind: &str, _: &Raw) -> Result<Self, DecodeError> {
        Err(DecodeError::UnknownKind(kind.to_owned()))
    }

    fn with_reply(self, _: ReplySlot) -> Self {
        self
    }
}
