//! What crosses the wire: envelopes, frames, codes, codecs, and the traits that the derives
//! implement. No I/O, no clock, no async runtime; builds for wasm32.
//!
//! A user writes enums and derives [`Protocol`], [`Requests`], [`Channels`] and [`Events`];
//! `ws-runtime` makes a typed server and a typed client of them. The normative text behind every
//! type here is `docs/protocol.md`.

// Lets the derives' `::ws_proto::..` paths resolve inside this crate's own tests.
extern crate self as ws_proto;

mod address;
mod code;
pub mod codec;
mod envelope;
mod fault;
pub mod frame;
mod ids;
pub mod int;
mod limits;
mod message;
mod publication;
mod batch;
mod raw;
pub mod schema;
pub mod serve;
mod version;

pub use address::{Address, AddressError, AddressField, AddressReader, AddressWriter};
pub use batch::{Batch, FRAME_HEAD, write_frame_head};
pub use code::{Advice, CLOSE_CODES, CloseCode, CloseCodeSpec, FaultCode, Retry};
pub use codec::{DecodeError, EncodeError, Format};
pub use envelope::{Envelope, Head};
pub use fault::{Fault, Secret};
pub use frame::Frame;
pub use ids::{IdSource, MessageId, Position};
pub use limits::Limits;
pub use message::{
    AckMeaning, Call, Channel, ChannelSet, ChannelSpec, ClientPublish, Delivery, EncodedEvent,
    EventSet, EventSpec, HasSnapshot, Never, NoChannels, NoEvents, NoRequests, Payload, Protocol,
    RequestSet, RequestSpec, Resend, SchemaFn, UnknownEvent, delivery, retry, shape, snapshot,
};
pub use publication::Publication;
pub use raw::Raw;
pub use serve::{
    Access, Answer, Authenticate, Authorize, Broken, Caller, Credentials, Dispatch, Items, Parts,
    Principal, Reply, Serve, Snapshot, Snapshots,
};
pub use version::{VersionRange, WIRE_VERSION};
pub use ws_proto_derive::{AddressField, Channels, Events, Protocol, Requests};

/// What a program that declares and serves a protocol names: `use ws_proto::prelude::*;`
pub mod prelude {
    pub use crate::{
        Access, Authenticate, Authorize, Caller, Channels, Credentials, Events, Fault, Items,
        Never, Parts, Protocol, Requests, Serve, Snapshot,
    };
}

/// Re-exports and small functions for generated code; not part of the public interface.
#[doc(hidden)]
pub mod __private {
    pub use crate::message::support::*;
    pub use {bytestring, schemars, serde};
}
