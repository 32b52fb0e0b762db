//! Headers.

use proptest::prelude::*;
use rmp::encode;
use serde::Serialize;
use uuid::Uuid;
use ws_proto::{Envelope, Format, Frame, Head, Limits, MessageId, Raw};

fn json(head: &Head) -> Vec<u8> {
    fn field(fields: &mut Vec<String>, name: &str, value: Option<&impl Serialize>) {
        let Some(value) = value else { return };
        let value = serde_json::to_string(value).expect("a text or a number");
        fields.push(format!("\"{name}\":{value}"));
    }
    let mut fields = Vec::new();
    field(&mut fields, "type", Some(&&*head.kind));
    field(&mut fields, "id", Some(&head.id));
    field(&mut fields, "ts", Some(&head.ts));
    field(&mut fields, "re", head.re.as_ref());
    field(&mut fields, "seq", head.seq.as_ref());
    field(&mut fields, "ack", head.ack.as_ref());
    field(&mut fields, "ch", head.ch.as_deref().as_ref());
    field(&mut fields, "off", head.off.as_ref());
    field(&mut fields, "prev", head.prev.as_ref());
    field(&mut fields, "key", head.key.as_deref().as_ref());
    field(&mut fields, "ttl", head.ttl.as_ref());
    field(&mut fields, "tp", head.tp.as_deref().as_ref());
    format!("{{{},\"payload\":null}}", fields.join(",")).into_bytes()
}

fn message_pack(head: &Head) -> Vec<u8> {
    let mut out = Vec::new();
    encode::write_array_len(&mut out, 5).expect("a vector takes all");
    encode::write_str(&mut out, &head.kind).expect("a vector takes all");
    encode::write_bin(&mut out, head.id.0.as_bytes()).expect("a vector takes all");
    encode::write_uint(&mut out, head.ts).expect("a vector takes all");
    let (mut count, mut entries) = (0, Vec::new());
    let mut name = |name: &str, entries: &mut Vec<u8>| {
        count += 1;
        encode::write_str(entries, name).expect("a vector takes all");
    };
    if let Some(re) = head.re {
        name("re", &mut entries);
        encode::write_bin(&mut entries, re.0.as_bytes()).expect("a vector takes all");
    }
    let fields = [
        ("seq", head.seq, None),
        ("ack", head.ack, None),
        ("ch", None, head.ch.as_deref()),
        ("off", head.off, None),
        ("prev", head.prev, None),
        ("key", None, head.key.as_deref()),
        ("ttl", head.ttl, None),
        ("tp", None, head.tp.as_deref()),
    ];
    for (field, number, text) in fields {
        if let Some(number) = number {
            name(field, &mut entries);
            encode::write_uint(&mut entries, number).expect("a vector takes all");
        }
        if let Some(text) = text {
            name(field, &mut entries);
            encode::write_str(&mut entries, text).expect("a vector takes all");
        }
    }
    if count == 0 {
        out.push(0xc0);
    } else {
        encode::write_map_len(&mut out, count).expect("a vector takes all");
    }
    out.extend(entries);
    out.push(0xc0);
    out
}

fn head() -> impl Strategy<Value = Head> {
    let number = || {
        let near_a_power =
            (0..53_u32).prop_flat_map(|bit| (0..3_u64).prop_map(move |by| (1 << bit) - 1 + by));
        prop_oneof![near_a_power, 0..=Limits::MAX_INTEGER]
            .prop_map(|number| number.min(Limits::MAX_INTEGER))
    };
    let short = || prop::option::of("[a-z/.]{0,40}|[\\x00-\\x7f]{0,128}|\\PC{0,30}");
    let id = || any::<u128>().prop_map(|bits| MessageId(Uuid::from_u128(bits)));
    let first =
        ("[a-z.]{1,128}|[\\x00-\\x7f]{1,40}|\\PC{1,30}", id(), number(), prop::option::of(id()));
    let numbers = proptest::array::uniform5(prop::option::of(number()));
    (first, numbers, prop::option::of(any::<String>()), short(), short()).prop_map(
        |((kind, id, ts, re), [seq, ack, off, prev, ttl], ch, key, tp)| Head {
            re,
            seq,
            ack,
            ch: ch.map(Into::into),
            off,
            prev,
            key: key.map(Into::into),
            ttl,
            tp: tp.map(Into::into),
            ..Head::new(kind.into(), id, ts)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn every_header_is_written_as_the_formats_own_crates_write_its_parts(head in head()) {
        let is_good = head.kind.len() <= Limits::KIND;
        let expected = [(Format::Json, json(&head)), (Format::MessagePack, message_pack(&head))];
        for (format, expected) in expected {
            let frame = Frame::Message(Raw::null(format));
            let mut out = Vec::new();
            let written = Envelope { head: head.clone(), frame }.encode(format, &mut out);
            prop_assert_eq!(written.is_ok(), is_good);
            if is_good {
                prop_assert_eq!(out, expected);
            }
        }
    }
}
