//! The deserializers of both formats against those of the formats' own crates, behind a wrapper
//! that holds the data model: both take the same bytes, as the same value, or both refuse them.

mod strict;

use proptest::{collection, prelude::*};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, DeserializeOwned, IgnoredAny},
};
use serde_json::Value;
use std::{collections::BTreeMap, fmt};
use strict::Strict;
use uuid::Uuid;
use ws_proto::{Format, Raw};

#[derive(Debug, PartialEq, Deserialize)]
#[serde(default)]
#[derive(Default)]
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
    l: Blob,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
enum Choice {
    #[default]
    None,
    One(String),
    Two(u8, u8),
    Named {
        a: u8,
    },
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(u64),
    Float(f64),
    Text(String),
    List(Vec<Self>),
    Struct { a: Option<Box<Self>> },
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "a")]
enum Tagged {
    None,
    One { b: Value },
}

#[derive(Debug, PartialEq, Deserialize)]
struct Flat {
    a: Value,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[derive(Debug, Default, PartialEq)]
struct Blob(Vec<u8>);

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl de::Visitor<'_> for Bytes {
            type Value = Blob;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Blob, E> {
                Ok(Blob(bytes.to_vec()))
            }
        }
        from.deserialize_bytes(Bytes)
    }
}

/// What the format's own crate reads from bytes of good form.
fn reference<T: DeserializeOwned>(format: Format, bytes: &[u8]) -> Option<T> {
    match format {
        Format::Json => {
            let mut inner = serde_json::Deserializer::from_slice(bytes);
            let value = T::deserialize(Strict(&mut inner)).ok()?;
            inner.end().ok()?;
            Some(value)
        }
        Format::MessagePack => {
            T::deserialize(Strict(&mut rmp_serde::Deserializer::from_read_ref(bytes))).ok()
        }
    }
}

fn agree<T: DeserializeOwned + PartialEq + fmt::Debug>(format: Format, bytes: &[u8]) -> bool {
    let ours = format.decode_payload::<T>(bytes).ok();
    let shown = String::from_utf8_lossy(bytes);
    assert_eq!(ours, reference(format, bytes), "{format}: {shown} {bytes:x?}");
    ours.is_some()
}

/// Compares every type; says how many of them took the bytes. Form alone is for the scan.
fn compare(format: Format, bytes: &[u8]) -> usize {
    if format.decode_payload::<IgnoredAny>(bytes).is_err() {
        return 0;
    }
    let numbers = [
        agree::<u8>(format, bytes),
        agree::<i64>(format, bytes),
        agree::<u64>(format, bytes),
        agree::<f32>(format, bytes),
        agree::<f64>(format, bytes),
        agree::<BTreeMap<u8, u8>>(format, bytes),
    ];
    let texts = [
        agree::<bool>(format, bytes),
        agree::<()>(format, bytes),
        agree::<char>(format, bytes),
        agree::<String>(format, bytes),
        agree::<Blob>(format, bytes),
        agree::<Uuid>(format, bytes),
    ];
    let compounds = [
        agree::<Value>(format, bytes),
        agree::<Sample>(format, bytes),
        agree::<Choice>(format, bytes),
        agree::<Untagged>(format, bytes),
        agree::<Tagged>(format, bytes),
        agree::<Flat>(format, bytes),
        agree::<[u8; 0]>(format, bytes),
        agree::<(Value, Option<Option<f64>>)>(format, bytes),
        agree::<Vec<Option<String>>>(format, bytes),
        agree::<BTreeMap<char, Value>>(format, bytes),
    ];
    numbers.iter().chain(&texts).chain(&compounds).filter(|taken| **taken).count()
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3_i64..300).prop_map(Value::from),
        any::<i64>().prop_map(|wide| Value::from(wide >> 11)),
        any::<f64>().prop_map(Value::from),
        any::<f32>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[ -~]{0,80}".prop_map(Value::from),
        "[a-l]|None|One|AA==|\\PC".prop_map(Value::from),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(4, 30, 5, |inside| {
        prop_oneof![
            collection::vec(inside.clone(), 0..4).prop_map(Value::from),
            collection::btree_map("[a-l]|One|Two|Named|\\PC{0,12}", inside, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// A change of bytes: at a place, so many of them, for others.
fn changes() -> impl Strategy<Value = Vec<(prop::sample::Index, usize, Vec<u8>)>> {
    let marks = r#"[\[\]{}:,0-9eE.+\- "\\tfn]|\\u0041|true|null|"a""#;
    let new = prop_oneof![
        marks.prop_map(String::into_bytes),
        collection::vec(any::<u8>(), 0..3),
        (0xc0_u8..=0xdf).prop_map(|marker| vec![marker]),
    ];
    collection::vec((any::<prop::sample::Index>(), 0_usize..3, new), 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn values_and_changed_bytes_are_read_as_the_reference_reads_them(
        value in value(),
        changes in changes(),
    ) {
        for format in Format::ALL {
            let Ok(raw) = Raw::encode(format, &value) else { continue };
            let mut bytes = raw.bytes().to_vec();
            for (place, taken, new) in &changes {
                let start = place.index(bytes.len() + 1);
                let end = (start + taken).min(bytes.len());
                bytes.splice(start..end, new.iter().copied());
            }
            let taken = compare(format, &bytes);
            prop_assert!(taken > 0 || !changes.is_empty(), "its own value is one");
        }
    }

    #[test]
    fn json_tokens_are_read_as_the_reference_reads_them(
        tokens in collection::vec(
            r#"[\[\]{}:, 0-9eE.+\-]|"|\\|\\u[0-9a-f]{4}|true|null|"[a-k]":|[0-9]{6,22}"#,
            0..12,
        ),
    ) {
        compare(Format::Json, tokens.concat().as_bytes());
    }

    #[test]
    fn message_pack_bytes_are_read_as_the_reference_reads_them(
        bytes in collection::vec(prop_oneof![any::<u8>(), 0x80_u8..0xb0, 0xc0_u8..0xe0], 0..16),
    ) {
        compare(Format::MessagePack, &bytes);
    }

    #[test]
    fn every_number_of_json_is_the_reference_s(
        text in r"-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?",
    ) {
        for text in [text.clone(), format!(" {text}\n"), format!("[{text},{text}]")] {
            compare(Format::Json, text.as_bytes());
        }
    }

    #[test]
    fn texts_of_every_length_are_the_reference_s(text in "[ -~]{0,70}", extra in any::<char>()) {
        for text in [text.clone(), format!("{text}{extra}"), format!("{extra}{text}\\\"")] {
            #[derive(Serialize)]
            struct Named<'a> {
                e: &'a str,
            }
            for format in Format::ALL {
                let raw = Raw::encode(format, &Named { e: &text }).expect("inside the data model");
                prop_assert!(agree::<Sample>(format, raw.bytes()));
                prop_assert!(agree::<Value>(format, raw.bytes()));
            }
        }
    }
}

#[test]
fn bytes_that_nobody_scanned_are_refused_or_read_and_do_no_harm() {
    use ws_proto::codec::{Codec, Json, MessagePack};
    let deep = ["[".repeat(100_000), "{\"a\":".repeat(100_000)];
    for text in &deep {
        assert!(Json::decode_scanned::<Value>(text.as_bytes()).is_err());
        assert!(Json::decode_scanned::<IgnoredAny>(text.as_bytes()).is_err());
    }
    for bytes in [vec![0x91; 100_000], b"\x81\xa1a".repeat(100_000)] {
        assert!(MessagePack::decode_scanned::<Value>(&bytes).is_err());
        assert!(MessagePack::decode_scanned::<IgnoredAny>(&bytes).is_err());
    }
    for bomb in [&b"\xdd\xff\xff\xff\xff"[..], b"\xdf\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff"] {
        assert!(MessagePack::decode_scanned::<Value>(bomb).is_err(), "{bomb:x?}");
        assert!(MessagePack::decode_scanned::<Vec<u8>>(bomb).is_err(), "{bomb:x?}");
    }
    for text in ["", "{", "[", "\"", "\"\\", "{\"a\"", "{\"a\":", "[1", "[1 2]", "{a:1}", "1 1"] {
        assert!(Json::decode_scanned::<Value>(text.as_bytes()).is_err(), "{text}");
        assert!(Json::decode_scanned::<Sample>(text.as_bytes()).is_err(), "{text}");
    }
}
