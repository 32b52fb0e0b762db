//! The traits that the derives implement: what a protocol, a request, a channel and an event are.

mod channel;
mod event;
mod protocol;
mod request;
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

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, de::DeserializeOwned};

/// Everything that can travel as a payload. Implemented for every type that can; never by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot travel as a payload",
    label = "not a payload",
    note = "put `#[derive(Serialize, Deserialize, JsonSchema)]` on `{Self}`"
)]
pub trait Payload: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static> Payload for T {}

/// Makes the schema of one type, with its definitions in the generator.
pub type SchemaFn = fn(&mut SchemaGenerator) -> Schema;
