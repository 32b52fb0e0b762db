//! Every rule of the envelope with an example that breaks it (`docs/protocol.md`, section 2).

use bytes::Bytes;
use rmp::encode;
use serde_json::Value;
use std::collections::BTreeMap;
use ws_proto::{DecodeError, Envelope, Format, Frame, Limits, Raw};

const ID: &str = "01905a6f-7c00-7abc-8def-0123456789ab";

fn json(text: &str) -> Result<Envelope, DecodeError> {
    Envelope::decode(Format::Json, &Bytes::copy_from_slice(text.as_bytes()))
}

fn message_pack(message: Vec<u8>) -> Result<Envelope, DecodeError> {
    Envelope::decode(Format::MessagePack, &Bytes::from(message))
}

/// A JSON envelope with one more piece of header text.
fn json_with(field: &str) -> String {
    format!(r#"{{"type":"join","id":"{ID}","ts":5,{field}"payload":null}}"#)
}

fn id() -> [u8; 16] {
    *ID.parse::<uuid::Uuid>().expect("a UUID").as_bytes()
}

/// `[type, id, ts` of a MessagePack envelope; header and payload follow.
fn start() -> Vec<u8> {
    let mut out = vec![0x95];
    encode::write_str(&mut out, "join").expect("a vector takes all");
    encode::write_bin(&mut out, &id()).expect("a vector takes all");
    out.push(5);
    out
}

fn message_pack_with(header: &[u8], payload: &[u8]) -> Vec<u8> {
    [&start(), header, payload].concat()
}

#[test]
fn header_fields_are_read_in_any_order_and_with_white_space() {
    let text = format!(
        " {{ \"payload\" : {{\"a\":[1]}} ,\n\"ttl\":7,\"ts\":\t5,\"ch\":\"room/a\",\"re\":\"{}\",\
         \"type\":\"join\",\"id\":\"{ID}\" }} ",
        ID.to_uppercase()
    );
    let envelope = json(&text).expect("any order is good");
    assert_eq!((envelope.head.ts, envelope.head.ttl), (5, Some(7)));
    assert_eq!(envelope.head.re, Some(envelope.head.id));
    assert_eq!(envelope.head.ch.as_deref(), Some("room/a"));
    let Frame::Message(raw) = envelope.frame else { panic!("a message of the application") };
    assert_eq!(raw.bytes().as_ref(), br#"{"a":[1]}"#);
}

/// Where a writer's order is ours, and its spaces are not.
#[test]
fn white_space_may_stand_at_every_place_of_an_envelope() {
    let tight = json_with(r#""re":"RE","seq":1,"ch":"c","key":"k","ttl":7,"#).replace("RE", ID);
    let wanted = json(&tight).expect("without white space");
    let is_mark = |byte: char| matches!(byte, '{' | '}' | ':' | ',');
    let places = tight.match_indices(is_mark).flat_map(|(at, _)| [at, at + 1]);
    let mut roomy = tight.clone();
    for place in places.collect::<Vec<_>>().into_iter().rev() {
        let mut one = tight.clone();
        for text in [&mut one, &mut roomy] {
            text.insert(place, ' ');
        }
        assert_eq!(json(&one).as_ref(), Ok(&wanted), "{one}");
    }
    assert_eq!(json(&roomy), Ok(wanted), "{roomy}");
}

#[test]
fn the_order_written_is_the_order_of_the_document() {
    let envelope = json(&json_with(
        r#""tp":"t","ttl":1,"key":"k","prev":2,"off":3,"ch":"c","ack":4,"seq":5,"#,
    ));
    let mut out = Vec::new();
    envelope.expect("good").encode(Format::Json, &mut out).expect("good");
    let expected =
        json_with(r#""seq":5,"ack":4,"ch":"c","off":3,"prev":2,"key":"k","ttl":1,"tp":"t","#);
    assert_eq!(String::from_utf8(out).as_deref(), Ok(expected.as_str()));
}

#[test]
fn the_payload_shares_the_bytes_of_the_message() {
    let message = Bytes::from(json_with(r#""ch":"room/a","#));
    let (range, envelope) = (message.as_ptr_range(), Envelope::decode(Format::Json, &message));
    let envelope = envelope.expect("good");
    assert!(range.contains(&envelope.head.kind.as_ptr()));
    assert!(range.contains(&envelope.head.ch.expect("has one").as_ptr()));
    let Frame::Message(raw) = envelope.frame else { panic!("a message of the application") };
    assert!(range.contains(&raw.bytes().as_ptr()));
}

#[test]
fn unknown_header_fields_are_ignored_when_they_are_well_formed() {
    assert!(json(&json_with(r#""newer":{"a":[1,2,{}]},"#)).is_ok());
    assert!(json(&json_with(r#""newer":{"a":[1,2,{}},"#)).is_err());
    assert!(json(&json_with(r#""newer":1,"newer":1,"#)).is_err());
    assert!(json(&json_with(r#""newer":1,"new\u0065r":1,"#)).is_err());
    assert!(message_pack(message_pack_with(b"\x81\xa5newer\x92\x01\xc0", b"\xc0")).is_ok());
    assert!(message_pack(message_pack_with(b"\x82\xa1n\x01\xa1n\x01", b"\xc0")).is_err());
    assert!(message_pack(message_pack_with(b"\x81\xa5newer\xc1", b"\xc0")).is_err());
}

#[test]
fn repeated_header_fields_are_refused() {
    let good = json_with(r#""seq":1,"#);
    assert!(json(&good).is_ok());
    for field in [r#""seq":1,"seq":1,"#, r#""ts":5,"#, r#""payload":1,"#, r#""\u0074s":5,"#] {
        assert!(json(&json_with(field)).is_err(), "{field}");
    }
    assert!(message_pack(message_pack_with(b"\x81\xa3seq\x01", b"\xc0")).is_ok());
    // Short and long payloads: what stands next is looked at by eight bytes where so many are left.
    for payload in [b"\xc0".as_slice(), b"\xa812345678"] {
        let once = message_pack_with(b"\x81\xa3seq\x01", payload);
        assert!(message_pack(once).is_ok(), "{payload:?}");
        let twice = message_pack_with(b"\x82\xa3seq\x01\xa3seq\x01", payload);
        assert!(message_pack(twice).is_err(), "{payload:?}");
    }
    for name in ["type", "id", "ts", "payload"] {
        let mut header = vec![0x81];
        encode::write_str(&mut header, name).expect("a vector takes all");
        header.push(5);
        assert!(message_pack(message_pack_with(&header, b"\xc0")).is_err(), "{name}");
    }
}

#[test]
fn required_fields_must_be_there() {
    let fields = ["\"type\":\"join\"", &format!("\"id\":\"{ID}\""), "\"ts\":5", "\"payload\":1"];
    assert!(json(&format!("{{{}}}", fields.join(","))).is_ok());
    for missing in 0..fields.len() {
        let mut left = fields.to_vec();
        left.remove(missing);
        assert!(json(&format!("{{{}}}", left.join(","))).is_err(), "without {}", fields[missing]);
    }
    for text in ["", "{}", "[]", "null", "{", "\u{feff}{}"] {
        assert!(json(text).is_err(), "{text}");
    }
    let mut four = start();
    four[0] = 0x94;
    four.push(0xc0);
    assert!(message_pack(four).is_err(), "an array of four");
    let mut six = start();
    six[0] = 0x96;
    six.extend([0xc0; 3]);
    assert!(message_pack(six).is_err(), "an array of six");
}

#[test]
fn header_integers_have_one_form() {
    let ok = ["0", "5", "9007199254740991"];
    let refused = [
        "-1",
        "-0",
        "+1",
        "01",
        "0123456789",
        "00",
        "1.0",
        "1e3",
        "1E3",
        "9007199254740992",
        "\"1\"",
        "null",
        "18446744073709551616",
        "99999999999999999999999999",
        "true",
        "",
        "0x1",
        "[1]",
    ];
    for (numbers, good) in [(&ok[..], true), (&refused, false)] {
        for number in numbers {
            let field = format!("\"seq\":{number},");
            assert_eq!(json(&json_with(&field)).is_ok(), good, "{field}");
        }
    }
    let cases: [(&[u8], bool); 11] = [
        (b"\x7f", true),
        (b"\xcd\x01\x00", true),
        (b"\xcf\x00\x1f\xff\xff\xff\xff\xff\xff", true),
        (b"\xcf\x00\x20\x00\x00\x00\x00\x00\x00", false),
        (b"\xd3\x00\x00\x00\x00\x00\x00\x00\x01", true),
        (b"\xd3\xff\xff\xff\xff\xff\xff\xff\xff", false),
        (b"\xd0\x80", false),
        (b"\xff", false),
        (b"\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00", false),
        (b"\xa11", false),
        (b"\xc0", false),
    ];
    for (number, good) in cases {
        let header = [b"\x81\xa3seq", number].concat();
        assert_eq!(message_pack(message_pack_with(&header, b"\xc0")).is_ok(), good, "{number:x?}");
    }
}

#[test]
fn header_texts_have_bounds() {
    for len in [0, 1, Limits::KIND, Limits::KIND + 1] {
        let good = (1..=Limits::KIND).contains(&len);
        let text = json_with("").replace("join", &"x".repeat(len));
        assert_eq!(json(&text).is_ok(), good, "JSON type of {len} bytes");
        let mut message = vec![0x95];
        encode::write_str(&mut message, &"x".repeat(len)).expect("a vector takes all");
        message.extend(message_pack_with(b"\xc0", b"\xc0").split_off(6));
        assert_eq!(message_pack(message).is_ok(), good, "MessagePack type of {len} bytes");
    }
    for name in ["key", "tp"] {
        for (len, good) in [(Limits::KEY, true), (Limits::KEY + 1, false)] {
            let value = "x".repeat(len);
            assert_eq!(json(&json_with(&format!("\"{name}\":\"{value}\","))).is_ok(), good);
            let mut header = vec![0x81];
            encode::write_str(&mut header, name).expect("a vector takes all");
            encode::write_str(&mut header, &value).expect("a vector takes all");
            assert_eq!(message_pack(message_pack_with(&header, b"\xc0")).is_ok(), good);
        }
    }
}

#[test]
fn escapes_in_header_texts_stand_for_their_characters() {
    let text = json_with(r#""ch":"room\/\u00e9\ud83d\ude00\n","#).replace("join", r"jo\u0069n");
    let envelope = json(&text.replace(ID, &ID.replace("7abc", r"7\u0061bc"))).expect("good");
    assert_eq!(&*envelope.head.kind, "join");
    assert_eq!(envelope.head.id.to_string(), ID);
    assert_eq!(envelope.head.ch.as_deref(), Some("room/\u{e9}\u{1f600}\n"));
}

#[test]
fn a_uuid_has_one_shape() {
    assert!(json(&json_with("").replace(ID, &ID.to_uppercase())).is_ok());
    let simple = ID.replace('-', "");
    let others = [
        simple.clone(),
        format!("{{{ID}}}"),
        format!("urn:uuid:{ID}"),
        ID.replace('7', "g"),
        ID.replacen('-', "0", 1),
        String::new(),
    ];
    for other in others {
        assert!(json(&json_with("").replace(ID, &other)).is_err(), "{other}");
    }
    for len in [0, 15, 17, 36] {
        let mut message = start()[..6].to_vec();
        encode::write_bin(&mut message, &vec![0; len]).expect("a vector takes all");
        message.extend([5, 0xc0, 0xc0]);
        assert!(message_pack(message).is_err(), "bin {len}");
    }
    let mut as_text = start()[..6].to_vec();
    encode::write_str(&mut as_text, ID).expect("a vector takes all");
    as_text.extend([5, 0xc0, 0xc0]);
    assert!(message_pack(as_text).is_err(), "text");
}

#[test]
fn nesting_is_good_at_the_limit_and_refused_one_past_it() {
    for (depth, good) in [(Limits::JSON_DEPTH, true), (Limits::JSON_DEPTH + 1, false)] {
        // The envelope is the first level.
        let inside = depth - 1;
        let lists = format!("{}{}", "[".repeat(inside), "]".repeat(inside));
        let maps = format!("{}1{}", "{\"a\":".repeat(inside), "}".repeat(inside));
        for payload in [lists, maps] {
            let text = json_with("").replace("null", &payload);
            assert_eq!(json(&text).is_ok(), good, "payload at level {depth}");
            let header = json_with(&format!("\"newer\":{payload},"));
            assert_eq!(json(&header).is_ok(), good, "header at level {depth}");
            let raw = Raw::new(Format::Json, payload.into());
            assert_eq!(raw.decode::<Value>().is_ok(), good, "alone at level {depth}");
        }
    }
    for (depth, good) in [(Limits::MSGPACK_DEPTH, true), (Limits::MSGPACK_DEPTH + 1, false)] {
        let inside = depth - 1;
        let lists = [vec![0x91; inside - 1], vec![0x90]].concat();
        let maps = [b"\x81\xa1a".repeat(inside - 1), vec![0x80]].concat();
        for payload in [lists, maps] {
            let message = message_pack_with(b"\xc0", &payload);
            assert_eq!(message_pack(message).is_ok(), good, "payload at level {depth}");
            let raw = Raw::new(Format::MessagePack, payload.into());
            assert_eq!(raw.decode::<Value>().is_ok(), good, "alone at level {depth}");
        }
        let header = [b"\x81\xa1n".to_vec(), vec![0x91; inside - 2], vec![0x90]].concat();
        assert_eq!(message_pack(message_pack_with(&header, b"\xc0")).is_ok(), good, "header");
    }
}

#[test]
fn deep_nesting_is_refused_without_a_deep_stack() {
    for open in ["[", "{\"a\":"] {
        assert!(json(&json_with("").replace("null", &open.repeat(100_000))).is_err());
        assert!(Format::Json.decode_payload::<Value>(open.repeat(100_000).as_bytes()).is_err());
    }
    for open in [&b"\x91"[..], b"\x81\xa1a"] {
        assert!(message_pack(message_pack_with(b"\xc0", &open.repeat(100_000))).is_err());
        assert!(Format::MessagePack.decode_payload::<Value>(&open.repeat(100_000)).is_err());
    }
}

#[test]
fn our_own_values_may_not_nest_past_the_limit_either() {
    #[derive(serde::Serialize)]
    enum Deep {
        End,
        List(Vec<Self>),
        Pair(u8, Box<Self>),
        Variant { inside: Box<Self> },
    }
    let list = |depth| (1..depth).fold(Deep::List(vec![]), |inside, _| Deep::List(vec![inside]));
    // A variant with content is a map of one entry around it: two levels.
    for (format, levels) in [(Format::Json, 31), (Format::MessagePack, 15)] {
        assert!(Raw::encode(format, &list(levels)).is_ok());
        assert!(Raw::encode(format, &list(levels + 1)).is_err());
        let variant = |depth| {
            (0..depth).fold(Deep::End, |inside, _| Deep::Variant { inside: Box::new(inside) })
        };
        let written = Raw::encode(format, &variant(levels)).expect("fits");
        assert!(Raw::new(format, written.bytes().clone()).decode::<Value>().is_ok());
        assert!(Raw::encode(format, &variant(levels + 1)).is_err());
        let pair = |depth| (0..depth).fold(Deep::End, |inside, _| Deep::Pair(0, Box::new(inside)));
        let written = Raw::encode(format, &pair(levels)).expect("fits");
        assert!(Raw::new(format, written.bytes().clone()).decode::<Value>().is_ok());
        assert!(Raw::encode(format, &pair(levels + 1)).is_err());
    }
}

#[test]
fn declared_lengths_are_not_believed() {
    let bombs: [&[u8]; 9] = [
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff\x01",
        b"\xdc\xff\xff\x01",
        b"\xde\x00\x02\xa1a\x01",
        b"\xdd\xff\xff\xff\xff\xdd\xff\xff\xff\xff\xdd\xff\xff\xff\xff",
        b"\xd9\x05abcd",
    ];
    for bomb in bombs {
        assert!(message_pack(message_pack_with(b"\xc0", bomb)).is_err(), "payload {bomb:x?}");
        assert!(message_pack(message_pack_with(bomb, b"\xc0")).is_err(), "header {bomb:x?}");
        assert!(message_pack(bomb.to_vec()).is_err(), "message {bomb:x?}");
        let format = Format::MessagePack;
        assert!(format.decode_payload::<Vec<u64>>(bomb).is_err(), "list from {bomb:x?}");
        assert!(format.decode_payload::<String>(bomb).is_err(), "text from {bomb:x?}");
        assert!(format.decode_payload::<BTreeMap<String, u8>>(bomb).is_err(), "map from {bomb:x?}");
    }
}

#[test]
fn nothing_may_follow_the_message() {
    for extra in ["}", "x", "null", ",", "\0"] {
        assert!(json(&(json_with("") + extra)).is_err(), "{extra}");
        assert!(Format::Json.decode_payload::<u8>(format!("1 {extra}").as_bytes()).is_err());
    }
    assert!(json(&(json_with("") + " \n")).is_ok());
    for extra in [0x00, 0xc0, 0xff] {
        assert!(message_pack(message_pack_with(b"\xc0", &[0xc0, extra])).is_err());
        assert!(Format::MessagePack.decode_payload::<u8>(&[1, extra]).is_err());
    }
}

#[test]
fn text_must_be_unicode() {
    let mut invalid = json_with("").replace("null", "\"?\"").into_bytes();
    let place = invalid.iter().position(|byte| *byte == b'?').expect("is there");
    for wrong in [0x80, 0xc0, 0xed, 0xff] {
        invalid[place] = wrong;
        let message = Bytes::from(invalid.clone());
        assert!(Envelope::decode(Format::Json, &message).is_err(), "{wrong:#x}");
        assert!(message_pack(message_pack_with(b"\xc0", &[0xa1, wrong])).is_err(), "{wrong:#x}");
        assert!(Format::MessagePack.decode_payload::<String>(&[0xa1, wrong]).is_err());
    }
    for escape in [r"\ud800", r"\udc00", r"\ud800\u0041", r"\ud800x", r"\u12", r"\x41"] {
        let payload = format!("\"{escape}\"");
        assert!(json(&json_with("").replace("null", &payload)).is_err(), "{escape}");
        assert!(json(&json_with(&format!("\"ch\":{payload},"))).is_err(), "{escape}");
        assert!(Format::Json.decode_payload::<String>(payload.as_bytes()).is_err(), "{escape}");
    }
    assert!(json(&json_with("").replace("null", "\"\u{1}\"")).is_err(), "a bare control character");
}

#[test]
fn a_nul_in_text_is_a_character() {
    assert_eq!(Format::Json.decode_payload(br#""a\u0000b""#), Ok("a\0b".to_owned()));
    assert_eq!(Format::MessagePack.decode_payload(b"\xa3a\0b"), Ok("a\0b".to_owned()));
}

#[test]
fn extension_types_and_reserved_bytes_are_refused() {
    let cases: [&[u8]; 5] = [
        b"\xd6\xff\x00\x00\x00\x00",
        b"\xd4\x01\x00",
        b"\xc7\x01\x05\x00",
        b"\xc1",
        b"\x92\x01\xd4\x01\x00",
    ];
    for case in cases {
        assert!(message_pack(message_pack_with(b"\xc0", case)).is_err(), "{case:x?}");
        assert!(Format::MessagePack.decode_payload::<Value>(case).is_err(), "{case:x?}");
    }
}

#[test]
fn a_message_in_the_other_format_is_refused() {
    let text = Bytes::from(json_with(""));
    assert!(Envelope::decode(Format::MessagePack, &text).is_err());
    let binary = Bytes::from(message_pack_with(b"\xc0", b"\xc0"));
    assert!(Envelope::decode(Format::MessagePack, &binary).is_ok());
    assert!(Envelope::decode(Format::Json, &binary).is_err());
}
