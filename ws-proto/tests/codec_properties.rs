//! What holds of the codecs for every input.

use bytes::Bytes;
use proptest::{collection, prelude::*};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fmt::Debug};
use uuid::Uuid;
use ws_proto::{Envelope, Format, Frame, Head, Limits, MessageId, Raw};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Sample {
    a: u16,
    b: i64,
    c: f64,
    d: f32,
    e: String,
    f: Option<char>,
    g: Vec<bool>,
    h: BTreeMap<String, Option<i8>>,
    i: Choice,
    j: (u8, i8),
    k: (),
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
enum Choice {
    #[default]
    None,
    One(String),
    Two(u8, u8),
    Named {
        a: u8,
    },
}

impl Default for Sample {
    fn default() -> Self {
        Self {
            a: 0,
            b: 0,
            c: 0.0,
            d: 0.0,
            e: String::new(),
            f: None,
            g: vec![],
            h: BTreeMap::new(),
            i: Choice::None,
            j: (0, 0),
            k: (),
        }
    }
}

fn leaf() -> impl Strategy<Value = Value> {
    let end = (1_i64 << 53) + 2;
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3_i64..300).prop_map(Value::from),
        (-end..end).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[a-k]".prop_map(Value::from),
        "None|One|Two|Named|AA==".prop_map(Value::from),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(5, 40, 6, |inside| {
        prop_oneof![
            collection::vec(inside.clone(), 0..6).prop_map(Value::from),
            collection::btree_map(any::<String>(), inside.clone(), 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
            collection::btree_map("[a-k]|One|Two|Named", inside, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// A value close to a `Sample`, so that many of them are one.
fn nearly_sample() -> impl Strategy<Value = Value> {
    let choice = prop_oneof![
        Just(json!("None")),
        any::<String>().prop_map(|text| json!({ "One": text })),
        any::<[u8; 2]>().prop_map(|two| json!({ "Two": two })),
        any::<u8>().prop_map(|a| json!({ "Named": { "a": a } })),
    ];
    let good = (any::<u16>(), any::<i32>(), any::<f64>(), any::<f32>(), any::<String>(), choice);
    (good, "[a-l]", value(), any::<bool>()).prop_map(|(good, name, wrong, spoil)| {
        let mut map = json!({
            "a": good.0, "b": good.1, "c": good.2, "d": good.3, "e": good.4, "i": good.5,
            "j": [1, -1],
        });
        if spoil {
            map[name] = wrong;
        }
        map
    })
}

fn head() -> impl Strategy<Value = Head> {
    let number = || prop_oneof![Just(0), Just(Limits::MAX_INTEGER), 0..=Limits::MAX_INTEGER];
    let short = || prop::option::of("\\PC{0,30}|[\\x00-\\x7f]{0,128}");
    let id = || any::<u128>().prop_map(|bits| MessageId(Uuid::from_u128(bits)));
    let first = ("[a-z.]{1,128}|\\PC{1,30}", id(), number(), prop::option::of(id()));
    let numbers = proptest::array::uniform5(prop::option::of(number()));
    (first, numbers, prop::option::of(any::<String>()), short(), short()).prop_map(
        |((kind, id, ts, re), [seq, ack, off, prev, ttl], ch, key, tp)| Head {
            kind: kind.replace('$', "x").into(),
            id,
            ts,
            re,
            seq,
            ack,
            ch: ch.map(Into::into),
            off,
            prev,
            key: key.map(Into::into),
            ttl,
            tp: tp.map(Into::into),
        },
    )
}

/// The outcome in both formats, for a value that both can or cannot write.
fn in_both<T: DeserializeOwned>(value: &Value) -> [Option<T>; 2] {
    Format::ALL.map(|format| Raw::encode(format, value).ok()?.decode().ok())
}

fn same<T: DeserializeOwned + PartialEq + Debug>(value: &Value) {
    let [text, binary] = in_both::<T>(value);
    assert_eq!(text, binary, "{value}");
}

fn decode_all(format: Format, bytes: &[u8]) {
    drop(Envelope::decode(format, &Bytes::copy_from_slice(bytes)));
    drop(format.decode_payload::<Sample>(bytes));
    drop(format.decode_payload::<Choice>(bytes));
    drop(format.decode_payload::<Value>(bytes));
    drop(format.decode_payload::<Vec<Option<String>>>(bytes));
    drop(format.decode_payload::<BTreeMap<String, Uuid>>(bytes));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_envelope_comes_back(head in head(), value in value()) {
        for format in Format::ALL {
            let Ok(payload) = Raw::encode(format, &value) else { continue };
            let sent = Envelope { head: head.clone(), frame: Frame::Message(payload) };
            let mut out = Vec::new();
            if head.kind.len() > Limits::KIND {
                prop_assert!(sent.encode(format, &mut out).is_err());
                continue;
            }
            sent.encode(format, &mut out).expect("inside every bound");
            let read = Envelope::decode(format, &out.into()).expect("reads what it wrote");
            prop_assert_eq!(read, sent);
        }
    }

    #[test]
    fn header_fields_may_come_in_any_order(head in head(), seed in any::<u64>()) {
        prop_assume!(head.kind.len() <= Limits::KIND);
        let frame = Frame::Message(Raw::encode(Format::Json, &[1, 2]).expect("is good"));
        let sent = Envelope { head, frame };
        let mut out = Vec::new();
        sent.encode(Format::Json, &mut out).expect("inside every bound");
        let map: serde_json::Map<String, Value> = serde_json::from_slice(&out).expect("JSON");
        let mut fields: Vec<_> = map.iter().collect();
        fastrand::Rng::with_seed(seed).shuffle(&mut fields);
        let fields: Vec<_> =
            fields.iter().map(|(name, value)| format!(" {} : {value}\n", json!(name))).collect();
        let text = format!("{{{}}}", fields.join(","));
        prop_assert_eq!(Envelope::decode(Format::Json, &text.into()), Ok(sent));
    }

    #[test]
    fn both_formats_decode_the_same_or_both_refuse(value in value()) {
        same::<Value>(&value);
        same::<Sample>(&value);
        same::<Choice>(&value);
        same::<Vec<f32>>(&value);
        same::<(String, Option<f64>)>(&value);
        same::<BTreeMap<String, Value>>(&value);
    }

    #[test]
    fn both_formats_decode_a_struct_the_same(value in nearly_sample()) {
        same::<Sample>(&value);
    }

    #[test]
    fn a_value_is_the_same_after_a_change_of_format(value in value()) {
        for (format, other) in [(0, 1), (1, 0)].map(|(a, b)| (Format::ALL[a], Format::ALL[b])) {
            let Ok(raw) = Raw::encode(format, &value) else { continue };
            let there = raw.transcode(other).expect("one data model");
            prop_assert_eq!(&there, &Raw::encode(other, &value).expect("one data model"));
            prop_assert_eq!(there.transcode(format).expect("one data model"), raw);
        }
    }

    #[test]
    fn whatever_message_pack_holds_json_holds(bytes in collection::vec(any::<u8>(), 0..40)) {
        let raw = Raw::new(Format::MessagePack, bytes.into());
        if let Ok(value) = raw.decode::<Value>() {
            let text = raw.transcode(Format::Json).expect("one data model");
            prop_assert_eq!(text.decode::<Value>(), Ok(value));
        }
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in collection::vec(any::<u8>(), 0..300)) {
        for format in Format::ALL {
            decode_all(format, &bytes);
        }
    }

    #[test]
    fn arbitrary_tokens_do_not_panic(
        tokens in collection::vec(
            r#"[\[\]{}:, 0-9eE.+\-]|"|\\|\\u[0-9a-f]{4}|true|null|"[a-k]"|"type"|"id"|"payload""#,
            0..40,
        ),
    ) {
        let text = tokens.concat();
        decode_all(Format::Json, text.as_bytes());
        // The scan lets through exactly what a full parser does, but for numbers out of range.
        let scanned = Format::Json.decode_payload::<Value>(text.as_bytes()).is_ok();
        prop_assert!(!scanned || serde_json::from_str::<Value>(&text).is_ok());
    }

    #[test]
    fn every_damaged_message_is_read_or_refused(
        head in head(),
        value in value(),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        for format in Format::ALL {
            let Ok(payload) = Raw::encode(format, &value) else { continue };
            let mut out = Vec::new();
            let sent = Envelope { head: head.clone(), frame: Frame::Message(payload) };
            if sent.encode(format, &mut out).is_err() {
                continue;
            }
            let cut = place.index(out.len());
            let start = Bytes::copy_from_slice(&out[..cut]);
            prop_assert!(Envelope::decode(format, &start).is_err(), "cut at {}", cut);
            out[cut] = byte;
            decode_all(format, &out);
        }
    }
}
