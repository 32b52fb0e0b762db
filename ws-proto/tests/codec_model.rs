//! One data model in both formats: what a payload is, and what it is not
//! (`docs/protocol.md`, section 2).

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, de::DeserializeOwned, ser};
use serde_json::Value;
use std::{collections::BTreeMap, fmt};
use uuid::Uuid;
use ws_proto::{Format, Raw};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Point {
    x: u8,
    #[serde(default)]
    y: u8,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Empty,
    Circle(u8),
    Line(u8, u8),
    Square { side: u8 },
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Blob(Vec<u8>);

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl<'de> de::Visitor<'de> for Bytes {
            type Value = Blob;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Blob, E> {
                Ok(Blob(bytes.to_vec()))
            }
            fn visit_str<E: de::Error>(self, _: &str) -> Result<Blob, E> {
                panic!("text is decoded before the type sees it")
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, _: A) -> Result<Blob, A::Error> {
                panic!("a list is no bytes")
            }
        }
        from.deserialize_byte_buf(Bytes)
    }
}

fn json<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    Format::Json.decode_payload(text.as_bytes()).map_err(|error| error.to_string())
}

fn message_pack<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    Format::MessagePack.decode_payload(bytes).map_err(|error| error.to_string())
}

/// The value as MessagePack writes it, and JSON.
fn written<T: Serialize>(value: &T) -> (Vec<u8>, String) {
    let [text, binary] = Format::ALL.map(|format| Raw::encode(format, value).expect("is good"));
    let text = String::from_utf8(text.bytes().to_vec()).expect("JSON is text");
    (binary.bytes().to_vec(), text)
}

fn both_refuse<T: Serialize>(value: &T) {
    for format in Format::ALL {
        assert!(Raw::encode(format, value).is_err(), "{format} takes it");
    }
}

#[test]
fn structs_are_maps_and_never_lists() {
    assert_eq!(written(&Point { x: 1, y: 2 }).0, b"\x82\xa1x\x01\xa1y\x02");
    assert_eq!(message_pack(b"\x81\xa1x\x01"), Ok(Point { x: 1, y: 0 }));
    assert!(message_pack::<Point>(b"\x92\x01\x02").is_err());
    assert!(json::<Point>("[1,2]").is_err());
    assert!(message_pack::<Point>(b"\xc4\x02\x01\x02").is_err(), "nor bytes");
    assert!(message_pack::<Point>(b"\x82\x00\x01\x01\x02").is_err(), "nor numbered fields");
    assert!(message_pack::<Point>(b"\x82\xc4\x01x\x01\xa1y\x02").is_err(), "nor names of bytes");
}

#[test]
fn unknown_fields_are_skipped_and_missing_ones_refused() {
    assert_eq!(json(r#"{"x":1,"newer":{"a":[1,{}]}}"#), Ok(Point { x: 1, y: 0 }));
    assert_eq!(message_pack(b"\x82\xa1x\x01\xa1n\x91\x80"), Ok(Point { x: 1, y: 0 }));
    let error = json::<Point>(r#"{"y":1}"#).expect_err("x is missing");
    assert!(error.contains("missing field `x`"), "{error}");
    let error = message_pack::<Point>(b"\x81\xa1y\x01").expect_err("x is missing");
    assert!(error.contains("missing field `x`"), "{error}");
}

#[test]
fn keys_do_not_repeat_in_structs_maps_and_values() {
    let (text, binary) = (r#"{"x":1,"x":1}"#, b"\x82\xa1x\x01\xa1x\x01");
    assert!(json::<Point>(text).is_err() && message_pack::<Point>(binary).is_err());
    assert!(json::<BTreeMap<String, u8>>(text).is_err());
    assert!(message_pack::<BTreeMap<String, u8>>(binary).is_err());
    assert!(json::<Value>(text).is_err() && message_pack::<Value>(binary).is_err());
    assert!(json::<Value>(r#"[{"a":{"x":1,"\u0078":1}}]"#).is_err(), "an escape hides nothing");
    assert!(json::<Value>(r#"{"x":{"x":1},"y":{"x":1}}"#).is_ok(), "each map for itself");
    for format in Format::ALL {
        let from = if format.is_text() { text.as_bytes() } else { &binary[..] };
        let raw = Raw::new(format, from.to_vec().into());
        for to in Format::ALL {
            assert_eq!(raw.transcode(to).is_ok(), to == format, "{format} to {to}");
        }
    }
}

#[test]
fn many_keys_are_compared_too() {
    let keys: Vec<String> = (0..5_000).map(|key| format!("\"{key}\":1")).collect();
    let text = format!("{{{}}}", keys.join(","));
    assert_eq!(json::<BTreeMap<String, u8>>(&text).map(|map| map.len()), Ok(5_000));
    let twice = text.replace("\"4999\"", "\"17\"");
    assert!(json::<BTreeMap<String, u8>>(&twice).is_err());
}

#[test]
fn integers_lie_within_2_to_the_53() {
    let end = (1_i64 << 53) - 1;
    for good in [end, -end, 0] {
        let (binary, text) = written(&good);
        assert_eq!((message_pack(&binary), json(&text)), (Ok(good), Ok(good)));
        assert_eq!(json::<Value>(&text), message_pack::<Value>(&binary));
    }
    for past in [end + 1, -end - 1, i64::MAX, i64::MIN] {
        both_refuse(&past);
        assert!(json::<i64>(&past.to_string()).is_err());
        assert!(json::<Value>(&past.to_string()).is_err());
        let mut binary = vec![0xd3];
        binary.extend(past.to_be_bytes());
        assert!(message_pack::<i64>(&binary).is_err() && message_pack::<Value>(&binary).is_err());
    }
    both_refuse(&u64::MAX);
    assert!(json::<u64>("18446744073709551615").is_err());
    assert!(message_pack::<u64>(b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff").is_err());
    both_refuse(&1_u128);
    both_refuse(&1_i128);
    assert!(json::<u128>("1").is_err() && message_pack::<u128>(b"\x01").is_err());
    assert!(json::<u8>("256").is_err() && message_pack::<u8>(b"\xcd\x01\x00").is_err());
}

#[test]
fn a_whole_float_may_be_written_as_an_integer_but_not_the_other_way_round() {
    assert_eq!((json("3"), message_pack(b"\x03")), (Ok(3.0), Ok(3.0)));
    let large = 2_f64.powi(60);
    assert_eq!(json("1152921504606846976"), Ok(large));
    assert_eq!(message_pack(b"\xcf\x10\x00\x00\x00\x00\x00\x00\x00"), Ok(large));
    for text in ["1.0", "1e3", "1e0"] {
        assert!(json::<u32>(text).is_err(), "{text}");
    }
    assert!(message_pack::<u32>(b"\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00").is_err());
}

#[test]
fn floats_are_finite() {
    for wrong in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        both_refuse(&wrong);
        let mut binary = vec![0xcb];
        binary.extend(wrong.to_be_bytes());
        assert!(message_pack::<f64>(&binary).is_err() && message_pack::<Value>(&binary).is_err());
    }
    let unread = b"\x82\xa1x\x01\xa1n\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00";
    assert!(message_pack::<Point>(unread).is_err(), "nor in a field that the type does not know");
    both_refuse(&f32::NAN);
    assert!(message_pack::<f32>(b"\xca\x7f\xc0\x00\x00").is_err());
    for text in ["1e999", "NaN", "Infinity", "-1e400"] {
        assert!(json::<f64>(text).is_err(), "{text}");
    }
    let (binary, text) = written(&1e300);
    assert!(json::<f32>(&text).is_err() && message_pack::<f32>(&binary).is_err());
}

#[test]
fn a_32_bit_float_is_the_same_number_in_both_formats() {
    let (binary, text) = written(&0.1_f32);
    assert_eq!((json::<f32>(&text), message_pack::<f32>(&binary)), (Ok(0.1), Ok(0.1)));
    assert_eq!(json::<f64>(&text), message_pack::<f64>(&binary));
}

#[test]
fn bytes_are_bin_or_base64() {
    let blob = Blob(vec![0, 255, 62, 63]);
    let (binary, text) = written(&blob);
    assert_eq!(
        (binary.as_slice(), text.as_str()),
        (&b"\xc4\x04\x00\xff\x3e\x3f"[..], "\"AP8+Pw==\"")
    );
    assert_eq!((message_pack(&binary), json(&text)), (Ok(blob.clone()), Ok(blob.clone())));
    assert_eq!(message_pack(b"\xa8AP8+Pw=="), Ok(blob), "text is base64 everywhere");
    for wrong in ["\"AP8+Pw\"", "\"AP8-Pw==\"", "\"?\"", "[0,255]", "null", "1"] {
        assert!(json::<Blob>(wrong).is_err(), "{wrong}");
    }
    for wrong in [&b"\xa6AP8+Pw"[..], b"\x92\x00\x01", b"\xc0"] {
        assert!(message_pack::<Blob>(wrong).is_err(), "{wrong:x?}");
    }
    assert!(message_pack::<String>(b"\xc4\x01a").is_err(), "bytes are no text");
    assert!(message_pack::<Vec<u8>>(b"\xc4\x01a").is_err(), "nor a list");
    assert!(message_pack::<(u8,)>(b"\xc4\x01a").is_err(), "nor a tuple");
}

#[test]
fn a_uuid_is_16_bytes_or_text_and_text_as_a_key() {
    let id = Uuid::from_u128(7);
    let (binary, text) = written(&id);
    assert_eq!(text, format!("\"{id}\""));
    assert_eq!(binary, [&[0xc4, 16], &id.as_bytes()[..]].concat());
    assert_eq!((json(&text), message_pack(&binary)), (Ok(id), Ok(id)));
    let map = BTreeMap::from([(id, 1_u8)]);
    let (binary, text) = written(&map);
    assert_eq!((json(&text), message_pack(&binary)), (Ok(map.clone()), Ok(map)));
    assert_eq!(json::<Value>(&text), message_pack::<Value>(&binary));
}

#[test]
fn enums_are_a_name_or_a_map_of_one_entry() {
    let shapes = [
        (Shape::Empty, r#""Empty""#),
        (Shape::Circle(1), r#"{"Circle":1}"#),
        (Shape::Line(1, 2), r#"{"Line":[1,2]}"#),
        (Shape::Square { side: 1 }, r#"{"Square":{"side":1}}"#),
    ];
    for (shape, expected) in shapes {
        let (binary, text) = written(&shape);
        assert_eq!(text, expected);
        assert_eq!(json::<Value>(&text), message_pack::<Value>(&binary));
        assert_eq!((json(&text), message_pack(&binary)), (Ok(shape.clone()), Ok(shape)));
    }
    let refused = [
        r#"{"Empty":null}"#,
        r#""Circle""#,
        r#"{"Circle":1,"Circle":1}"#,
        "{}",
        "0",
        "null",
        r#"{"Circle":1,"Empty":null}"#,
        r#"{"Line":[1]}"#,
        r#"{"Line":[1,2,3]}"#,
        r#""Other""#,
        r#"{"Square":[1]}"#,
        r#"{"Line":{"0":1,"1":2}}"#,
        r#"["Circle",1]"#,
    ];
    for text in refused {
        assert!(json::<Shape>(text).is_err(), "{text}");
        if let Ok(value) = json::<Value>(text) {
            assert!(message_pack::<Shape>(&written(&value).0).is_err(), "{text}");
        }
    }
    let numbered: [&[u8]; 3] = [b"\x00", b"\x81\x01\x01", b"\x82\xa6Circle\x01\xa6Circle\x01"];
    for binary in numbered {
        assert!(message_pack::<Shape>(binary).is_err(), "{binary:x?}");
    }
}

#[test]
fn null_is_unit_and_none() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Unit;
    for (binary, text) in [written(&()), written(&Unit), written(&None::<u8>)] {
        assert_eq!((binary.as_slice(), text.as_str()), (&b"\xc0"[..], "null"));
    }
    assert_eq!((json("null"), message_pack(b"\xc0")), (Ok(Unit), Ok(Unit)));
    assert!(json::<Unit>("[]").is_err() && message_pack::<Unit>(b"\x90").is_err());
    assert_eq!(json("null"), Ok(None::<Option<u8>>));
    assert_eq!(message_pack(b"\xc0"), Ok(None::<Option<u8>>));
    assert_eq!((json("1"), message_pack(b"\x01")), (Ok(Some(Some(1))), Ok(Some(Some(1)))));
}

#[test]
fn keys_are_text() {
    both_refuse(&BTreeMap::from([(1, 1)]));
    both_refuse(&BTreeMap::from([(true, 1)]));
    both_refuse(&BTreeMap::from([(Some("a"), 1)]));
    both_refuse(&BTreeMap::from([((), 1)]));
    both_refuse(&BTreeMap::from([(("a", "b"), 1)]));
    assert!(json::<BTreeMap<u8, u8>>(r#"{"1":1}"#).is_err());
    assert!(message_pack::<BTreeMap<u8, u8>>(b"\x81\xa11\x01").is_err());
    assert!(message_pack::<BTreeMap<u8, u8>>(b"\x81\x01\x01").is_err());
    let chars = BTreeMap::from([('\u{e9}', 1)]);
    let (binary, text) = written(&chars);
    assert_eq!((json(&text), message_pack(&binary)), (Ok(chars.clone()), Ok(chars)));
}

#[test]
fn a_wrong_declared_length_is_refused_when_written() {
    struct Liar(usize);
    impl Serialize for Liar {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            let mut list = to.serialize_seq(Some(self.0))?;
            ser::SerializeSeq::serialize_element(&mut list, &1)?;
            ser::SerializeSeq::end(list)
        }
    }
    both_refuse(&Liar(0));
    both_refuse(&Liar(2));
    assert_eq!(written(&Liar(1)).1, "[1]");
}

#[test]
fn an_unknown_length_is_counted() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Flat {
        a: u8,
        #[serde(flatten)]
        rest: BTreeMap<String, u8>,
    }
    let flat = Flat { a: 1, rest: BTreeMap::from([("b".to_owned(), 2)]) };
    let (binary, text) = written(&flat);
    assert_eq!(message_pack(&binary), Ok(flat));
    assert!(json::<Flat>(&text).is_ok());
    assert!(json::<Flat>(r#"{"a":1,"b":2,"b":3}"#).is_err());
}

#[test]
fn bytes_become_base64_on_the_way_to_json_and_stay_text_on_the_way_back() {
    let raw = Raw::new(Format::MessagePack, (&b"\x81\xa1a\xc4\x01\x00"[..]).into());
    let text = raw.transcode(Format::Json).expect("is good");
    assert_eq!(text.bytes().as_ref(), br#"{"a":"AA=="}"#);
    let back = text.transcode(Format::MessagePack).expect("is good");
    assert_eq!(back.bytes().as_ref(), b"\x81\xa1a\xa4AA==");
    assert_eq!(back.decode(), raw.decode::<BTreeMap<String, Blob>>(), "and are the same bytes");
}

#[test]
fn errors_name_the_rule_and_never_the_value() {
    let texts = [
        r#"{"x":"hunter2"}"#,
        r#"{"x":1,"y":"hunter2"}"#,
        r#""hunter2""#,
        r#"{"x":["hunter2"]}"#,
        r#"{"hunter2":1}"#,
        r#"{"x":1,"x":"hunter2"}"#,
        r#"{"x":1}hunter2"#,
        r#"{"x":hunter2}"#,
    ];
    for text in texts {
        let mut errors = vec![json::<Point>(text).err(), json::<Shape>(text).err()];
        errors.push(json::<Uuid>(text).err());
        if let Ok(value) = json::<Value>(text) {
            let (binary, _) = written(&value);
            errors.push(message_pack::<Point>(&binary).err());
            errors.push(message_pack::<Shape>(&binary).err());
        }
        for error in errors.into_iter().flatten() {
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
    let error = json::<Point>(r#"{"x":"hunter2"}"#).expect_err("no number");
    assert_eq!(error, "payload: invalid type, expected u8 at line 1 column 14");
}
