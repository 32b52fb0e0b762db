use crate::chat::{chat, empty, reworded, without_find};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use ws_proto::schema;

fn document() -> Value {
    schema::document::<chat::It>().unwrap()
}

fn names(document: &Value) -> BTreeSet<&str> {
    document["$defs"].as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn every_message_payload_and_variant_has_a_definition() {
    let expected = [
        "ClientMessage",
        "ServerMessage",
        "JoinMessage",
        "JoinOkMessage",
        "JoinErrMessage",
        "SearchMessage",
        "SearchOkMessage",
        "SearchItemMessage",
        "FindMessage",
        "FindOkMessage",
        "RoomSaidMessage",
        "RoomEnteredMessage",
        "TypingKeysMessage",
        "TypingKeysMessageInput",
        "TypingWhoMessage",
        "TypingWhoMessageInput",
        "Join",
        "Joined",
        "JoinError",
        "JoinErrorFull",
        "JoinErrorClosed",
        "JoinErrorBanned",
        "Search",
        "SearchOkPayload",
        "Hit",
        "HitMessage",
        "HitPerson",
        "HitNothing",
        "FindPayload",
        "User",
        "UserInput",
        "Mood",
        "Said",
        "Extra",
        "Keys",
    ];
    let document = document();
    assert_eq!(names(&document), BTreeSet::from(expected));
    for (name, def) in document["$defs"].as_object().unwrap() {
        assert_eq!(def["title"], name.as_str());
    }
}

#[test]
fn a_message_has_its_type_its_header_and_a_reference_to_its_payload() {
    let document = document();
    let join = &document["$defs"]["JoinMessage"];
    assert_eq!(join["properties"]["type"], json!({ "type": "string", "const": "join" }));
    assert_eq!(join["properties"]["payload"], json!({ "$ref": "#/$defs/Join" }));
    let nothing = &document["$defs"]["FindOkMessage"]["properties"]["payload"];
    assert_eq!(nothing, &json!({ "type": "null" }), "not a definition: languages cannot name it");
    assert_eq!(join["required"], json!(["type", "id", "ts", "seq", "payload"]));
    assert_eq!(join["description"], "Enter a room.");
    let defs = &document["$defs"];
    assert_eq!(
        defs["JoinOkMessage"]["required"],
        json!(["type", "id", "ts", "re", "seq", "payload"])
    );
    assert_eq!(
        defs["RoomSaidMessage"]["required"],
        json!(["type", "id", "ts", "ch", "off", "prev", "payload"])
    );
    assert_eq!(defs["TypingKeysMessage"]["required"], json!(["type", "id", "ts", "ch", "payload"]));
    assert_eq!(
        defs["TypingKeysMessageInput"]["required"],
        json!(["type", "id", "ts", "ch", "seq", "payload"])
    );
    for message in names(&document).into_iter().filter(|name| name.ends_with("Message")) {
        assert_eq!(document["$defs"][message].get("additionalProperties"), None, "{message}");
    }
}

#[test]
fn each_side_has_a_union_told_apart_by_type() {
    let document = document();
    let client = &document["$defs"]["ClientMessage"];
    assert_eq!(client["discriminator"], json!({ "propertyName": "type" }));
    assert_eq!(client.get("required"), None);
    assert_eq!(
        client["oneOf"],
        json!([
            { "$ref": "#/$defs/JoinMessage" },
            { "$ref": "#/$defs/SearchMessage" },
            { "$ref": "#/$defs/FindMessage" },
            { "$ref": "#/$defs/TypingKeysMessageInput" },
            { "$ref": "#/$defs/TypingWhoMessageInput" },
        ])
    );
    let server = document["$defs"]["ServerMessage"]["oneOf"].as_array().unwrap();
    assert_eq!(server.len(), 9);
    assert_eq!(
        document["anyOf"],
        json!([{ "$ref": "#/$defs/ClientMessage" }, { "$ref": "#/$defs/ServerMessage" }])
    );
}

#[test]
fn what_a_schema_cannot_say_stands_beside_it() {
    let document = document();
    let facts = &document["x-ws-protocol"];
    assert_eq!((&facts["name"], &facts["version"]), (&json!("chat"), &json!(3)));
    assert_eq!(
        facts["requests"],
        json!({
            "join": {
                "payload": "Join", "reply": "Joined", "error": "JoinError", "resend": "never",
                "idempotent": false, "ordered": true, "ack": "received", "since": 1,
            },
            "search": {
                "payload": "Search", "reply": "SearchOkPayload", "stream": "Hit",
                "resend": "idempotent", "idempotent": true, "ordered": false, "ack": "received",
                "since": 2,
            },
            "find": {
                "payload": "FindPayload", "reply": "null", "resend": "never",
                "idempotent": false, "ordered": false, "ack": "received", "since": 1,
                "removed": 4, "deprecated": "use search",
            },
        })
    );
    assert_eq!(
        facts["channels"],
        json!({
            "room": {
                "address": "room/{id}", "delivery": "at_least_once", "publish": "server",
                "history": 256, "since": 1,
                "events": {
                    "said": { "payload": "Said", "since": 1 },
                    "entered": { "payload": "User", "since": 3 },
                },
            },
            "typing": {
                "address": "typing/{room}/{team}", "delivery": "best_effort", "publish": "client",
                "history": 0, "since": 1,
                "events": {
                    "keys": { "payload": "Keys", "since": 1 },
                    "who": { "payload": "User", "input": "UserInput", "since": 1 },
                },
            },
        })
    );
    assert_eq!(facts["close_codes"][0], json!({ "from": 4000, "to": 4099, "advice": "resume" }));
}

#[test]
fn a_type_that_differs_by_direction_is_input_for_clients() {
    let document = document();
    let defs = &document["$defs"];
    assert_eq!(defs["User"]["required"], json!(["id", "avatar"]));
    assert_eq!(defs["UserInput"]["required"], json!(["id"]));
    assert_eq!(
        defs["Search"]["properties"]["author"],
        json!({ "anyOf": [{ "$ref": "#/$defs/UserInput" }, { "type": "null" }] })
    );
    assert_eq!(defs["Joined"]["properties"]["me"], json!({ "$ref": "#/$defs/User" }));
}

#[test]
fn sum_types_and_enums_have_the_shapes_that_generators_understand() {
    let document = document();
    let defs = &document["$defs"];
    assert_eq!(
        defs["Hit"],
        json!({
            "title": "Hit", "type": "object", "discriminator": { "propertyName": "kind" },
            "oneOf": [
                { "$ref": "#/$defs/HitMessage" },
                { "$ref": "#/$defs/HitPerson" },
                { "$ref": "#/$defs/HitNothing" },
            ],
        })
    );
    assert_eq!(
        defs["Mood"],
        json!({
            "title": "Mood", "description": "How one feels.", "type": "string",
            "enum": ["good", "bad"], "x-enum-deprecated": ["bad"],
            "x-enum-descriptions": { "good": "Fine.", "bad": "Not so fine." },
        })
    );
    assert_eq!(defs["Join"]["properties"]["mood"], json!({ "$ref": "#/$defs/Mood" }));
    assert_eq!(
        defs["Said"]["properties"]["extra"],
        json!({ "allOf": [{ "$ref": "#/$defs/Extra" }], "description": "Anything." })
    );
    assert_eq!(
        defs["Search"]["properties"]["between"]["items"],
        json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX })
    );
}

#[test]
fn deprecation_is_said_of_every_message_of_the_request() {
    let document = document();
    for name in ["FindMessage", "FindOkMessage"] {
        assert_eq!(document["$defs"][name]["deprecated"], true);
    }
    assert_eq!(document["$defs"]["JoinMessage"].get("deprecated"), None);
}

#[test]
fn the_text_is_the_same_every_time_with_keys_in_order() {
    let text = schema::to_text(&document());
    assert_eq!(text, schema::to_text(&document()));
    assert!(text.ends_with("}\n") && !text.ends_with("\n\n"));
    let keys: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("    \"") && line.ends_with('{'))
        .take_while(|line| !line.contains("\"close_codes\""))
        .collect();
    let defs = &keys[..names(&document()).len()];
    assert!(defs.is_sorted());
}

#[test]
fn the_committed_text_is_the_same_in_every_build() {
    schema::assert_committed::<chat::It>("tests/schema/chat.json");
}

#[test]
fn a_protocol_without_messages_has_a_document() {
    let document = schema::document::<empty::It>().unwrap();
    assert_eq!(names(&document), BTreeSet::from(["ClientMessage", "ServerMessage"]));
    assert!(jsonschema::meta::is_valid(&document));
}

#[test]
fn the_document_satisfies_the_metaschema() {
    assert!(jsonschema::meta::is_valid(&document()));
}

#[test]
fn every_reference_has_a_definition() {
    fn check(value: &Value, names: &BTreeSet<&str>) {
        match value {
            Value::Object(object) => {
                if let Some(target) = object.get("$ref") {
                    let name = target.as_str().unwrap().strip_prefix("#/$defs/").unwrap();
                    assert!(names.contains(name), "{name}");
                }
                object.values().for_each(|value| check(value, names));
            }
            Value::Array(items) => items.iter().for_each(|value| check(value, names)),
            _ => {}
        }
    }
    let document = document();
    check(&document, &names(&document));
}

#[test]
fn the_fingerprint_follows_the_contract_and_not_its_words() {
    let chat = schema::fingerprint::<chat::It>();
    assert_eq!(chat.len(), 16);
    assert!(chat.bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert_eq!(chat, schema::fingerprint::<reworded::chat::It>());
    assert_ne!(chat, schema::fingerprint::<without_find::chat::It>());
}
