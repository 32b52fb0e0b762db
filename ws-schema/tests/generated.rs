//! What is generated from the contracts in this repository and committed.

use serde_json::Value;
use ws_proto::schema::assert_committed_text;

fn chat() -> Value {
    serde_json::from_str(include_str!("../../schema/chat.json")).expect("the chat's contract")
}

#[test]
fn schema_committed_types_of_the_chat_are_what_its_contract_says() {
    let text = ws_schema::typescript(&chat()).expect("its types");
    assert_committed_text("../clients/typescript/examples/chat/protocol.ts", &text);
}

#[test]
fn schema_committed_models_of_the_chat_are_what_its_contract_says() {
    let text = ws_schema::python(&chat()).expect("its models");
    assert_committed_text("../clients/python/examples/chat_protocol.py", &text);
}

#[test]
fn schema_committed_models_of_the_conformance_contract_are_what_it_says() {
    let contract = include_str!("../../schema/conformance.json");
    let contract: Value = serde_json::from_str(contract).expect("the contract");
    let text = ws_schema::python(&contract).expect("its models");
    assert_committed_text("../clients/python/conformance/conformance_protocol.py", &text);
}
