//! Events: what a channel carries.

use super::SchemaFn;
use crate::{
    codec::{DecodeError, EncodeError, Format},
    raw::Raw,
};
use bytestring::ByteString;

/// Facts about one event, from its variant and `#[event(..)]`.
#[derive(Clone, Copy, Debug)]
pub struct EventSpec {
    /// The second half of the `type`: `said` of `room.said`.
    pub kind: &'static str,
    /// The variant's documentation.
    pub doc: &'static str,
    /// The first version that has it.
    pub since: u32,
    /// The first version that no longer has it.
    pub removed: Option<u32>,
    /// The note of `#[deprecated]`.
    pub deprecated: Option<&'static str>,
    /// The schema of the payload.
    pub payload: SchemaFn,
}

/// What a channel carries. Implemented by `#[derive(Events)]` on an enum.
///
/// The kind travels in the envelope's `type`, so decoding is a `match` on it and an unknown kind
/// can be a value: the variant marked `#[event(unknown)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot travel on a channel",
    label = "not an event enum",
    note = "put `#[derive(Events)]` on `{Self}`"
)]
pub trait EventSet: Sized + Send + Sync + 'static {
    /// One entry per known variant, in the order of declaration.
    const SPECS: &'static [EventSpec];

    /// The second half of the `type`.
    fn kind(&self) -> &str;

    /// Encodes the payload.
    ///
    /// # Errors
    ///
    /// When the format cannot express it.
    fn encode(&self, format: Format) -> Result<Raw, EncodeError>;

    /// Decodes the payload of the event `kind`.
    ///
    /// # Errors
    ///
    /// [`DecodeError::UnknownKind`] when the enum has no variant for it and none marked
    /// `#[event(unknown)]`, or what is wrong with the payload.
    fn decode(kind: &str, payload: &Raw) -> Result<Self, DecodeError>;

    /// The text that names the value of this event, from the fields marked `#[ws(latest)]`: on a
    /// channel declared `latest` a newer event with the same text takes its place while it waits.
    /// `None` where no field is marked: the kind alone counts then.
    ///
    /// # Errors
    ///
    /// When the text has more than 255 bytes.
    fn latest(&self) -> Result<Option<ByteString>, EncodeError> {
        Ok(None)
    }

    /// The entry of the event `kind`.
    #[must_use]
    fn spec(kind: &str) -> Option<&'static EventSpec> {
        Self::SPECS.iter().find(|spec| spec.kind == kind)
    }
}

/// An event that this build does not know: a newer peer sent it. Kept whole, so that it can be
/// passed on unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownEvent {
    /// The second half of the `type`.
    pub kind: String,
    /// The payload as it came.
    pub payload: Raw,
}

/// An event ready for a channel's log: its full `type` and its payload in every format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedEvent {
    /// The full `type`: `room.said`.
    pub kind: ByteString,
    json: Raw,
    message_pack: Raw,
    latest: Option<ByteString>,
}

impl EncodedEvent {
    /// Encodes an event of the channel kind `channel`.
    ///
    /// # Errors
    ///
    /// When a format cannot express it.
    pub fn new<E: EventSet>(channel: &str, event: &E) -> Result<Self, EncodeError> {
        Ok(Self {
            kind: format!("{channel}.{}", event.kind()).into(),
            json: event.encode(Format::Json)?,
            message_pack: event.encode(Format::MessagePack)?,
            latest: event.latest()?,
        })
    }

    /// The payload in one format.
    #[must_use]
    pub const fn payload(&self, format: Format) -> &Raw {
        match format {
            Format::Json => &self.json,
            Format::MessagePack => &self.message_pack,
        }
    }

    /// What names its value: two events of a channel with the same text say the same thing, and the
    /// newer one says it better.
    #[must_use]
    pub fn latest(&self) -> &ByteString {
        self.latest.as_ref().unwrap_or(&self.kind)
    }
}

/// The events of a channel that has none.
#[derive(Clone, Debug)]
pub enum NoEvents {}

impl EventSet for NoEvents {
    const SPECS: &'static [EventSpec] = &[];

    fn kind(&self) -> &str {
        match *self {}
    }

    fn encode(&self, _: Format) -> Result<Raw, EncodeError> {
        match *self {}
    }

    fn decode(kind: &str, _: &Raw) -> Result<Self, DecodeError> {
        Err(DecodeError::UnknownKind(kind.to_owned()))
    }
}
