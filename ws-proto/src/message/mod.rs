//! The traits that the derives implement: what a protocol, a request, a channel and an event are.

mod channel;
mod event;
mod protocol;
mod request;
pub mod snapshot;
#[doc(hidden)]
pub(crate) mod support;

pub use channel::{
    Channel, ChannelSet, ChannelSpec, ClientPublish, Delivery, NoChannels, delivery,
};
pub use event::{EncodedEvent, EventSet, EventSpec, NoEvents, UnknownEvent};
pub use protocol::Protocol;
pub use request::{
    AckMeaning, Call, Never, NoRequests, RequestSet, RequestSpec, Resend, retry, shape,
};
pub use snapshot::HasSnapshot;

use crate::{
    codec::{DecodeError, EncodeError, Format},
    raw::Raw,
};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, de::DeserializeOwned};

/// Everything that can travel as a payload: what has serde's two derives and a schema. Implemented
/// for every type that can; never by hand.
///
/// Serde's traits do not stand above it: a type that has none of the three is then one error.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot travel as a payload",
    label = "not a payload",
    note = "put `#[derive(Serialize, Deserialize, JsonSchema)]` on `{Self}`"
)]
pub trait Payload: Sized + Send + Sync + 'static {
    /// Encodes it.
    ///
    /// # Errors
    ///
    /// As [`Raw::encode`].
    fn to_raw(&self, format: Format) -> Result<Raw, EncodeError>;

    /// Decodes it.
    ///
    /// # Errors
    ///
    /// As [`Raw::decode`].
    fn from_raw(raw: &Raw) -> Result<Self, DecodeError>;

    /// Makes its schema, with its definitions in the generator.
    fn schema_in(generator: &mut SchemaGenerator) -> Schema;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static> Payload for T {
    fn to_raw(&self, format: Format) -> Result<Raw, EncodeError> {
        Raw::encode(format, self)
    }

    fn from_raw(raw: &Raw) -> Result<Self, DecodeError> {
        raw.decode()
    }

    fn schema_in(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<T>()
    }
}

/// Makes the schema of one type, with its definitions in the generator.
pub type SchemaFn = fn(&mut SchemaGenerator) -> Schema;
