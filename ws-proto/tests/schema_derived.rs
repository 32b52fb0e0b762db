//! The schema of a protocol that the derives made.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ws_proto::{Channels, Events, Protocol, Requests, schema};

/// A protocol with one integer that nobody bounded.
#[derive(Debug, Protocol)]
#[protocol(name = "wide", version = 1, requests = WideRequest, channels = ChatChannel)]
pub struct Wide;

/// What a client of it may ask.
#[derive(Debug, Requests)]
pub enum WideRequest {
    /// Look somebody up.
    #[rpc(reply = Ban)]
    Look {
        /// Who.
        name: String,
    },
}

/// A protocol without problems.
#[derive(Debug, Protocol)]
#[protocol(name = "chat", version = 1, requests = ChatRequest, channels = ChatChannel)]
pub struct Chat;

/// What a client may ask.
#[derive(Debug, Requests)]
pub enum ChatRequest {
    /// Enter a room.
    #[rpc(reply = Vec<String>, idempotent)]
    Join {
        /// Its name.
        room: String,
        /// When, at the client.
        #[ws(bounded)]
        at: u64,
    },
}

/// What a client may listen to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Channels)]
pub enum ChatChannel {
    /// A room.
    #[channel(event = RoomEvent, delivery = at_least_once, history = 16, snapshot = Roster)]
    Room {
        /// Its name.
        id: String,
    },
}

/// Who is in a room.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Roster {
    /// Their names.
    pub members: Vec<String>,
}

/// What happens in a room.
#[derive(Clone, Debug, PartialEq, Events)]
pub enum RoomEvent {
    /// Somebody spoke.
    Said {
        /// Who.
        #[ws(text)]
        by: u64,
    },
}

/// A payload with a 64-bit integer inside.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Ban {
    /// When it ends.
    pub until: u64,
}

#[test]
fn a_derived_protocol_has_a_document() {
    let document = schema::document::<Chat>().unwrap();
    assert!(jsonschema::meta::is_valid(&document));
    let defs = &document["$defs"];
    assert_eq!(defs["JoinMessage"]["description"], "Enter a room.");
    assert_eq!(defs["Join"]["properties"]["at"]["maximum"], (1_u64 << 53) - 1);
    assert_eq!(document["x-ws-protocol"]["requests"]["join"].get("error"), None);
    let said = &document["x-ws-protocol"]["channels"]["room"]["events"]["said"]["payload"];
    assert_eq!(defs[said.as_str().unwrap()]["properties"]["by"]["type"], "string");
}

#[test]
fn a_channel_names_its_snapshot() {
    let document = schema::document::<Chat>().unwrap();
    let defs = &document["$defs"];
    assert_eq!(document["x-ws-protocol"]["channels"]["room"]["snapshot"], "Roster");
    assert_eq!(defs["Roster"]["required"], serde_json::json!(["members"]));
    let message = &defs["RoomSnapshotMessage"];
    assert_eq!(message["properties"]["type"]["const"], "room.snapshot");
    let required = message["required"].as_array().unwrap();
    for field in ["re", "seq", "ch", "off"] {
        assert!(required.contains(&field.into()), "{field}");
    }
    let messages = defs["ServerMessage"].to_string();
    assert!(messages.contains("RoomSnapshotMessage"), "{messages}");
}

#[test]
fn an_integer_inside_a_payload_is_reported_with_its_path() {
    let error = schema::document::<Wide>().unwrap_err();
    assert_eq!(error.problems().len(), 1);
    assert!(error.problems()[0].starts_with("`Ban.until` can pass 2^53-1"), "{error}");
}
