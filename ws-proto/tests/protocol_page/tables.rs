//! The tables of codes, limits and fields.

use crate::page::{fields_of, table, unquoted};
use serde_json::Value;
use std::collections::BTreeMap;
use ws_proto::{
    CLOSE_CODES, CloseCode, Fault, FaultCode, Format, Limits, frame::CONTROL_TYPES, schema,
};

fn word(value: impl serde::Serialize) -> String {
    serde_json::to_value(value).unwrap().as_str().expect("a word").to_owned()
}

#[test]
fn the_sub_protocols_are_those_of_the_formats() {
    let rows = table(&["sub-protocol", "format", "WebSocket messages"]);
    let told: Vec<_> = rows.iter().map(|row| (unquoted(row[0]), row[1].to_owned())).collect();
    let known = Format::ALL.map(|format| (format.subprotocol(), format.to_string()));
    assert_eq!(told, known);
}

#[test]
fn the_close_codes_are_those_of_the_code() {
    let told = table(&["code", "name", "what happened"]);
    let known = CLOSE_CODES.iter().map(|spec| {
        vec![spec.code.0.to_string(), format!("`{}`", spec.name), spec.text.trim().to_owned()]
    });
    assert_eq!(told, known.collect::<Vec<_>>());
}

#[test]
fn the_advice_of_every_code_is_that_of_its_range() {
    let rows = table(&["codes", "advice", "meaning"]);
    let (every_other, named) = rows.split_last().expect("rows");
    assert_eq!(every_other[..2], ["every other", "`stop`"]);
    let mut told = BTreeMap::new();
    for row in named {
        for range in row[0].split(", ") {
            let (low, high) = range.split_once('-').unwrap_or((range, range));
            for code in low.parse::<u16>().unwrap()..=high.parse().unwrap() {
                assert!(told.insert(code, unquoted(row[1])).is_none(), "{code} twice");
            }
        }
    }
    for code in 1000..=4999 {
        let known = word(CloseCode(code).advice());
        assert_eq!(told.get(&code).copied().unwrap_or("stop"), known, "{code}");
    }
}

#[test]
fn the_fault_codes_and_their_retry_are_those_of_the_code() {
    let rows = table(&["`code`", "meaning", "usual `retry`"]);
    let told: Vec<_> =
        rows.iter().map(|row| (unquoted(row[0]).to_owned(), unquoted(row[2]).to_owned())).collect();
    let known = FaultCode::ALL.iter().map(|code| (word(code), word(Fault::new(*code, "").retry)));
    assert_eq!(told, known.collect::<Vec<_>>());
}

#[test]
fn the_limits_are_the_defaults() {
    let told = table(&["limit", "default", "past it"])
        .iter()
        .map(|row| format!("{}: {}", unquoted(row[0]), first_number(row[1])))
        .collect::<Vec<_>>();
    // The type may grow, so its own list of fields is the one to compare with.
    let known = format!("{:?}", Limits::default());
    assert_eq!(format!("Limits {{ {} }}", told.join(", ")), known);
}

#[test]
fn the_fixed_bounds_are_those_of_the_code() {
    let told: Vec<_> = table(&["fixed", "value", "past it"]).iter().map(|row| row[1]).collect();
    let [frame, address, kind, key, json, message_pack, integer] = told[..] else {
        panic!("another number of fixed bounds: {told:?}");
    };
    let numbers = [frame, address, kind, key, json, message_pack].map(first_number);
    let known = [
        Limits::MIN_FRAME,
        Limits::ADDRESS,
        Limits::KIND,
        Limits::KEY,
        Limits::JSON_DEPTH,
        Limits::MSGPACK_DEPTH,
    ];
    assert_eq!(numbers, known);
    assert_eq!((integer, Limits::MAX_INTEGER), ("2^53 - 1", (1 << 53) - 1));
}

#[test]
fn the_fields_of_every_control_frame_are_those_of_its_schema() {
    let document = schema::control();
    for kind in CONTROL_TYPES {
        let mut known = BTreeMap::new();
        collect(payload_of(kind, &document), &document, "", &mut known);
        assert_eq!(fields_of(kind), known, "{kind}");
    }
}

fn first_number(cell: &str) -> usize {
    let number = cell.split(' ').next().unwrap_or_default().replace(',', "");
    number.parse().unwrap_or_else(|_| panic!("no number in `{cell}`"))
}

/// The schema of the payload of a control frame.
fn payload_of<'a>(kind: &str, document: &'a Value) -> &'a Value {
    let defs = document["$defs"].as_object().expect("definitions");
    let is_it = |message: &&Value| message["properties"]["type"]["const"] == *kind;
    let message = defs.values().find(is_it).unwrap_or_else(|| panic!("no schema of {kind}"));
    &message["properties"]["payload"]
}

/// The fields of an object and of the objects in it, by their dotted names.
fn collect(schema: &Value, document: &Value, before: &str, found: &mut BTreeMap<String, bool>) {
    if let Some(target) = schema["$ref"].as_str() {
        let target = document.pointer(target.trim_start_matches('#')).expect("a definition");
        collect(target, document, before, found);
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        collect(part, document, before, found);
    }
    let required = schema["required"].as_array();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let always = required.is_some_and(|all| all.iter().any(|other| other == name));
        let path = format!("{before}{name}");
        collect(field, document, &format!("{path}."), found);
        found.insert(path, always);
    }
}
