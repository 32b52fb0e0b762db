//! Which header fields a message carries (`docs/protocol.md`, sections 2 and 6).

use crate::limits::Limits;
use serde_json::{Map, Value, json};

/// A header field that not every message has.
#[derive(Clone, Copy, Debug)]
pub(super) enum Field {
    Re,
    Seq,
    Ack,
    Ch,
    Off,
    Prev,
    Key,
    Ttl,
    Tp,
}

/// The header of one kind of message, beside `type`, `id` and `ts`.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeadShape {
    pub(super) required: &'static [Field],
    pub(super) optional: &'static [Field],
}

/// Nothing beside the three fields that are always there.
pub(super) const BARE: HeadShape = HeadShape { required: &[], optional: &[] };
/// A request, from the session stream.
pub(super) const REQUEST: HeadShape = HeadShape {
    required: &[Field::Seq],
    optional: &[Field::Ack, Field::Key, Field::Ttl, Field::Tp],
};
/// What answers a message, `x.ok`, `x.err`, `x.item`, and what belongs to one, `x.part`.
pub(super) const ANSWER: HeadShape =
    HeadShape { required: &[Field::Re, Field::Seq], optional: &[Field::Ack, Field::Tp] };
/// An event of an `at_least_once` channel.
pub(super) const POSITIONED: HeadShape =
    HeadShape { required: &[Field::Ch, Field::Off, Field::Prev], optional: &[Field::Tp] };
/// An event of a `best_effort` channel.
pub(super) const UNPOSITIONED: HeadShape =
    HeadShape { required: &[Field::Ch], optional: &[Field::Tp] };
/// The snapshot of a channel.
pub(super) const SNAPSHOT: HeadShape = HeadShape {
    required: &[Field::Re, Field::Seq, Field::Ch, Field::Off],
    optional: &[Field::Ack, Field::Tp],
};
/// An event that a client publishes.
pub(super) const PUBLISH: HeadShape = HeadShape {
    required: &[Field::Ch, Field::Seq],
    optional: &[Field::Ack, Field::Key, Field::Ttl, Field::Tp],
};

/// The payload that is nothing, which is no definition: some generators of types make one of each
/// definition, and their languages have no type of `null` to give a name to.
pub(super) const NULL: &str = "null";

/// The schema of a whole message, without title and description.
pub(super) fn message(kind: &str, head: HeadShape, payload: &str) -> Map<String, Value> {
    let mut properties = Map::new();
    properties.insert("type".into(), json!({ "type": "string", "const": kind }));
    properties.insert("id".into(), json!({ "type": "string", "format": "uuid" }));
    properties.insert("ts".into(), integer(0));
    for field in head.required.iter().chain(head.optional) {
        properties.insert(field.name().into(), field.schema());
    }
    let payload = if payload == NULL { json!({ "type": NULL }) } else { reference(payload) };
    properties.insert("payload".into(), payload);
    let mut required = vec!["type", "id", "ts"];
    required.extend(head.required.iter().map(|field| field.name()));
    required.push("payload");
    let mut schema = Map::new();
    schema.insert("type".into(), "object".into());
    schema.insert("properties".into(), properties.into());
    schema.insert("required".into(), required.into());
    schema
}

/// `{"$ref": ..}` to a definition.
pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

impl Field {
    const fn name(self) -> &'static str {
        match self {
            Self::Re => "re",
            Self::Seq => "seq",
            Self::Ack => "ack",
            Self::Ch => "ch",
            Self::Off => "off",
            Self::Prev => "prev",
            Self::Key => "key",
            Self::Ttl => "ttl",
            Self::Tp => "tp",
        }
    }

    fn schema(self) -> Value {
        match self {
            Self::Re => json!({ "type": "string", "format": "uuid" }),
            Self::Seq => integer(1),
            Self::Ack | Self::Off | Self::Prev | Self::Ttl => integer(0),
            Self::Ch => json!({ "type": "string", "maxLength": Limits::ADDRESS }),
            Self::Key | Self::Tp => json!({ "type": "string", "maxLength": Limits::KEY }),
        }
    }
}

fn integer(minimum: u64) -> Value {
    json!({ "type": "integer", "minimum": minimum, "maximum": Limits::MAX_INTEGER })
}
