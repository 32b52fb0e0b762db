//! Protocols that are tables alone: a schema needs nothing else.

use ws_proto::{
    AckMeaning, ChannelSpec, Delivery, EventSpec, Payload, RequestSpec, Resend, SchemaFn,
};

/// A request; `names` are its `type` and those of its two answers.
pub(crate) const fn request<Q: Payload, R: Payload, E: Payload>(
    names: [&'static str; 3],
) -> RequestSpec {
    RequestSpec {
        kind: names[0],
        ok: names[1],
        err: names[2],
        item: None,
        part: None,
        doc: "",
        since: 1,
        removed: None,
        deprecated: None,
        resend: Resend::Never,
        ordered: false,
        cancel: false,
        ack: AckMeaning::Received,
        request: Q::schema_in as SchemaFn,
        reply: R::schema_in as SchemaFn,
        error: E::schema_in as SchemaFn,
        item_schema: None,
        part_schema: None,
    }
}

pub(crate) const fn event<T: Payload>(kind: &'static str) -> EventSpec {
    EventSpec {
        kind,
        doc: "",
        since: 1,
        removed: None,
        deprecated: None,
        payload: T::schema_in as SchemaFn,
    }
}

pub(crate) const fn channel(
    kind: &'static str,
    delivery: Delivery,
    events: &'static [EventSpec],
) -> ChannelSpec {
    ChannelSpec {
        kind,
        fields: &["id"],
        doc: "",
        since: 1,
        removed: None,
        deprecated: None,
        delivery,
        history: match delivery {
            Delivery::AtLeastOnce => 256,
            Delivery::BestEffort => 0,
        },
        history_bytes: None,
        history_secs: None,
        latest: false,
        client_publish: false,
        snapshot: None,
        events,
    }
}

/// A protocol of these tables, in a module of its name.
macro_rules! protocol {
    ($name:ident, $requests:expr, $channels:expr) => {
        pub(crate) mod $name {
            pub(crate) struct It;
            #[derive(Debug)]
            pub(crate) enum Requests {}
            #[derive(Clone, Debug, PartialEq, Eq, Hash)]
            pub(crate) enum Channels {}
        }

        impl ws_proto::Protocol for $name::It {
            const NAME: &'static str = stringify!($name);
            const VERSION: u32 = 3;
            const MIN_VERSION: u32 = 1;
            type Requests = $name::Requests;
            type Channels = $name::Channels;
            type Callbacks = ws_proto::NoRequests;
        }

        impl ws_proto::RequestSet for $name::Requests {
            const SPECS: &'static [ws_proto::RequestSpec] = $requests;
            type Call = Self;
            fn decode(kind: &str, _: &ws_proto::Raw) -> Result<Self, ws_proto::DecodeError> {
                Err(ws_proto::DecodeError::UnknownKind(kind.to_owned()))
            }
            fn with_reply(self, _: ws_proto::serve::ReplySlot) -> Self {
                self
            }
        }

        impl ws_proto::ChannelSet for $name::Channels {
            const SPECS: &'static [ws_proto::ChannelSpec] = $channels;
            fn spec(&self) -> &'static ws_proto::ChannelSpec {
                match *self {}
            }
            fn address(&self) -> Result<ws_proto::Address, ws_proto::AddressError> {
                match *self {}
            }
            fn parse(_: &ws_proto::Address) -> Result<Self, ws_proto::AddressError> {
                Err(ws_proto::AddressError::UnknownKind)
            }
            fn check_event(
                &self,
                _: &str,
                _: &ws_proto::Raw,
            ) -> Result<ws_proto::EncodedEvent, ws_proto::DecodeError> {
                match *self {}
            }
        }
    };
}
pub(crate) use protocol;
