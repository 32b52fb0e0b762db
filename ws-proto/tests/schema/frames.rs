//! Real messages of a protocol against its document.

use crate::chat::{Hit, Join, JoinError, Joined, Keys, Mood, Said, Search, User, chat};
use jsonschema::Validator;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use ws_proto::schema;

/// What accepts the messages of one side. Unknown formats are errors, as in strict validators.
pub(crate) fn side(mut document: Value, union: &str) -> Validator {
    document["anyOf"] = json!([{ "$ref": format!("#/$defs/{union}") }]);
    jsonschema::options()
        .should_validate_formats(true)
        .should_ignore_unknown_formats(false)
        .build(&document)
        .unwrap()
}

fn chat(union: &str) -> Validator {
    side(schema::document::<chat::It>().unwrap(), union)
}

const ID: &str = "0190b6f0-0000-7000-8000-000000000001";

/// A message with every header field that a message may have.
fn message(kind: &str, payload: impl Serialize) -> Value {
    json!({
        "type": kind, "id": ID, "ts": 1_700_000_000_000_u64, "re": ID, "seq": 1, "ack": 0,
        "ch": "room/lobby", "off": 2, "prev": 1, "payload": payload,
    })
}

fn user(avatar: Option<&str>) -> User {
    User { id: u64::MAX, avatar: avatar.map(str::to_owned) }
}

fn from_client() -> Vec<Value> {
    let search = |author| Search { text: "a".into(), between: (1, 2), author };
    vec![
        message("join", Join { room: "lobby".into(), mood: None }),
        message("join", Join { room: "lobby".into(), mood: Some(Mood::Good) }),
        message("search", search(None)),
        message("search", search(Some(user(None)))),
        message("find", "a"),
        message("typing.keys", Keys { who: 7 }),
        message("typing.who", user(Some("cat.png"))),
    ]
}

fn from_server() -> Vec<Value> {
    let extra = || crate::chat::Extra { replies: vec![] };
    let said = Said {
        by: user(None),
        text: "hello".into(),
        extra: Box::new(crate::chat::Extra { replies: vec![extra(), extra()] }),
    };
    vec![
        message("join.ok", Joined { members: 3, me: user(None) }),
        message("join.err", JoinError::Full),
        message("join.err", JoinError::Closed),
        message("join.err", JoinError::Banned { until: 1 << 52 }),
        message("search.ok", vec!["a"]),
        message("search.item", Hit::Message { text: "a".into() }),
        message("search.item", Hit::Person(user(Some("cat.png")))),
        message("search.item", Hit::Nothing),
        message("find.ok", ()),
        message("room.said", said),
        message("room.entered", user(None)),
        message("typing.keys", Keys { who: 7 }),
        message("typing.who", user(None)),
    ]
}

#[test]
fn what_serde_writes_is_valid() {
    for (union, messages) in [("ClientMessage", from_client()), ("ServerMessage", from_server())] {
        let validator = chat(union);
        for message in messages {
            let errors: Vec<_> = validator.iter_errors(&message).map(|e| e.to_string()).collect();
            assert!(errors.is_empty(), "{message}: {errors:?}");
        }
    }
}

#[test]
fn a_message_of_the_other_side_is_not_valid() {
    assert!(!chat("ServerMessage").is_valid(&message("find", "a")));
    assert!(!chat("ClientMessage").is_valid(&message("find.ok", ())));
}

#[test]
fn every_mutation_of_the_header_is_refused() {
    let required = |kind: &str| match kind {
        "room.said" | "room.entered" => &["type", "id", "ts", "ch", "off", "prev", "payload"][..],
        "typing.keys" | "typing.who" => &["type", "id", "ts", "ch", "payload"],
        _ => &["type", "id", "ts", "re", "seq", "payload"],
    };
    let validator = chat("ServerMessage");
    for message in from_server() {
        for field in required(message["type"].as_str().unwrap()) {
            let mut without = message.clone();
            without.as_object_mut().unwrap().remove(*field);
            assert!(!validator.is_valid(&without), "{without}");
            let mut wrong = message.clone();
            wrong[field] = json!({ "wrong": [true] });
            assert!(!validator.is_valid(&wrong), "{wrong}");
        }
        let mut unknown = message.clone();
        unknown["type"] = "join.maybe".into();
        assert!(!validator.is_valid(&unknown), "{unknown}");
    }
}

#[test]
fn a_wrong_id_and_a_rounded_number_are_refused() {
    let validator = chat("ClientMessage");
    for (field, wrong) in [
        ("id", json!("7")),
        ("ts", json!(1_u64 << 53)),
        ("seq", json!(0)),
        ("seq", json!(1.5)),
        ("ack", json!(-1)),
    ] {
        let mut message = message("find", "a");
        message[field] = wrong;
        assert!(!validator.is_valid(&message), "{message}");
    }
}

/// What the schema accepts from a client, serde reads, and the other way round: with each field
/// taken away, and replaced by another type. Says how many of these were refused.
fn agrees<T: DeserializeOwned>(validator: &Validator, message: &Value) -> usize {
    let mut refused = 0;
    let fields: Vec<_> = message["payload"].as_object().unwrap().keys().cloned().collect();
    for field in fields {
        let mut without = message.clone();
        without["payload"].as_object_mut().unwrap().remove(&field);
        let mut wrong = message.clone();
        wrong["payload"][&field] = json!({ "wrong": [true] });
        for mutation in [without, wrong] {
            let reads = serde_json::from_value::<T>(mutation["payload"].clone()).is_ok();
            assert_eq!(validator.is_valid(&mutation), reads, "{mutation}");
            refused += usize::from(!reads);
        }
    }
    refused
}

#[test]
fn the_schema_of_a_payload_agrees_with_serde() {
    let validator = chat("ClientMessage");
    for message in from_client() {
        let refused = match message["type"].as_str().unwrap() {
            "join" => agrees::<Join>(&validator, &message),
            "search" => agrees::<Search>(&validator, &message),
            "typing.keys" => agrees::<Keys>(&validator, &message),
            "typing.who" => agrees::<User>(&validator, &message),
            _ => continue,
        };
        assert!(refused >= 2, "{message}");
    }
}

#[test]
fn an_unknown_field_is_accepted() {
    let mut message = message("join", Join { room: "lobby".into(), mood: None });
    message["payload"]["newer"] = true.into();
    message["newer"] = true.into();
    assert!(chat("ClientMessage").is_valid(&message));
}

#[test]
fn an_answer_leaves_null_where_serde_writes_it() {
    let validator = chat("ServerMessage");
    let mut answer = message("room.entered", user(None));
    assert_eq!(answer["payload"]["avatar"], Value::Null);
    assert!(validator.is_valid(&answer));
    answer["payload"].as_object_mut().unwrap().remove("avatar");
    assert!(!validator.is_valid(&answer), "serde always writes it");
}
