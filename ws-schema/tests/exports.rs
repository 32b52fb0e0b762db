//! Each exported schema takes what its side sends and nothing else, in both drafts.

use serde_json::{Value, json};
use ws_schema::{Draft, Sender};

fn chat() -> Value {
    serde_json::from_str(include_str!("../../schema/chat.json")).expect("the chat's contract")
}

fn frame(kind: &str, more: &[(&str, Value)]) -> Value {
    let mut frame = json!({
        "type": kind, "id": "0199c82c-c000-7000-8000-000000000001", "ts": 1_760_000_000_000_u64,
    });
    for (key, value) in more {
        frame[*key] = value.clone();
    }
    frame
}

#[test]
fn a_side_takes_its_own_messages_only() {
    let re = json!("0199c82c-c000-7000-8000-000000000002");
    let join = frame("join", &[("seq", json!(1)), ("payload", json!({ "room": "lobby" }))]);
    let joined = json!({ "members": ["ann"], "epoch": "e", "off": 4 });
    let joined = frame("join.ok", &[("seq", json!(1)), ("re", re), ("payload", joined)]);
    let bad = frame("join", &[("seq", json!(1)), ("payload", json!({ "room": 7 }))]);
    for draft in [Draft::Current, Draft::Seven] {
        for (sender, own, other) in
            [(Sender::Client, &join, &joined), (Sender::Server, &joined, &join)]
        {
            let schema = ws_schema::side(&chat(), sender, draft).expect("a schema");
            jsonschema::meta::validate(&schema).expect("a schema by its metaschema");
            let validator = jsonschema::validator_for(&schema).expect("a schema that compiles");
            assert!(validator.is_valid(own), "{sender:?} {draft:?}");
            assert!(!validator.is_valid(other), "{sender:?} {draft:?}");
            assert!(!validator.is_valid(&bad), "{sender:?} {draft:?}");
        }
    }
}

#[test]
fn tuples_have_the_form_of_their_draft() {
    let mut contract = chat();
    let pair = json!({
        "type": "array", "prefixItems": [{ "type": "integer" }, { "type": "string" }],
        "minItems": 2, "maxItems": 2, "items": false,
    });
    contract["$defs"]["Join"]["properties"]["room"] = pair;
    let with =
        |room: Value| frame("join", &[("seq", json!(1)), ("payload", json!({ "room": room }))]);
    for draft in [Draft::Current, Draft::Seven] {
        let schema = ws_schema::in_draft(&contract, draft).expect("a schema");
        let validator = jsonschema::validator_for(&schema).expect("a schema that compiles");
        assert!(validator.is_valid(&with(json!([1, "a"]))), "{draft:?}");
        assert!(!validator.is_valid(&with(json!(["a", 1]))), "{draft:?}");
    }
}

#[test]
fn the_control_frames_are_a_contract_too() {
    let control: Value = serde_json::from_str(include_str!("../../schema/control.json"))
        .expect("the contract of the control frames");
    let live = [("ch", json!("room/lobby")), ("off", json!(4)), ("payload", Value::Null)];
    let live = frame("$live", &live);
    for (sender, takes) in [(Sender::Client, false), (Sender::Server, true)] {
        let schema = ws_schema::side(&control, sender, Draft::Current).expect("a schema");
        let validator = jsonschema::validator_for(&schema).expect("a schema that compiles");
        assert_eq!(validator.is_valid(&live), takes, "{sender:?}");
    }
    assert!(ws_schema::python(&control).expect("models").contains("class LiveMessage("));
}

#[test]
fn a_model_with_a_name_of_pythons_own_comes_before_whatever_names_it() {
    let contract: Value =
        serde_json::from_str(include_str!("../../schema/conformance.json")).expect("a contract");
    let text = ws_schema::python(&contract).expect("models");
    let place = |class: &str| text.find(class).expect("a class");
    assert!(place("class ImportError(") < place("payload: ImportError"));
}

#[test]
fn another_type_with_a_name_of_pythons_own_is_refused() {
    let mut contract = chat();
    contract["$defs"]["Warning"] = json!({ "type": "string" });
    let refused = ws_schema::python(&contract).expect_err("a name that hides another");
    assert!(refused.contains("`Warning`"), "{refused}");
}
