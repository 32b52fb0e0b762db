//! What a server asks its clients, in the tables and in the schema of a protocol.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use ws_proto::{NoRequests, Protocol, RequestSet, Requests, schema};

#[derive(Protocol)]
#[protocol(name = "own", version = 2, requests = OwnRequest, callbacks = OwnCallback)]
struct Own;

#[derive(Protocol)]
#[protocol(name = "own", version = 2, requests = OwnRequest)]
struct Plain;

#[derive(Debug, Requests)]
enum OwnRequest {
    #[rpc(reply = ())]
    Leave,
}

#[derive(Debug, Requests)]
enum OwnCallback {
    /// Asks the person.
    #[rpc(reply = bool, error = Busy, idempotent, since = 2)]
    Confirm { text: String },
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Busy {
    why: String,
}

fn document<P: Protocol>() -> Value {
    schema::document::<P>().unwrap()
}

/// The messages that a side may send.
fn messages(document: &Value, side: &str) -> Vec<String> {
    let branches = document["$defs"][side]["oneOf"].as_array().unwrap();
    let name = |branch: &Value| branch["$ref"].as_str().unwrap().replace("#/$defs/", "");
    branches.iter().map(name).collect()
}

#[test]
fn a_protocol_without_callbacks_has_none() {
    assert!(<NoRequests as RequestSet>::SPECS.is_empty());
    assert!(<Plain as Protocol>::Callbacks::SPECS.is_empty());
    assert_eq!(document::<Plain>()["x-ws-protocol"].get("callbacks"), None);
}

#[test]
fn the_schema_says_what_the_server_asks() {
    assert_eq!(
        document::<Own>()["x-ws-protocol"]["callbacks"],
        json!({ "confirm": {
            "payload": "Confirm", "reply": "ConfirmOkPayload", "error": "Busy",
            "resend": "idempotent", "idempotent": true, "ordered": false, "ack": "received",
            "since": 2,
        }})
    );
}

#[test]
fn the_server_sends_callbacks_and_the_client_their_answers() {
    let document = document::<Own>();
    assert_eq!(messages(&document, "ServerMessage"), ["LeaveOkMessage", "ConfirmMessage"]);
    assert_eq!(
        messages(&document, "ClientMessage"),
        ["LeaveMessage", "ConfirmOkMessage", "ConfirmErrMessage"]
    );
}

#[test]
fn a_callback_changes_the_fingerprint() {
    assert_ne!(schema::fingerprint::<Own>(), schema::fingerprint::<Plain>());
}
