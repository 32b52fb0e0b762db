//! The examples of single envelopes.

use crate::page::{blocks, table, unquoted};
use bytes::Bytes;
use ws_proto::{
    Address, Envelope, Format,
    frame::{CONTROL_TYPES, Frame},
};

/// The envelope of a line, which must be written as our codec writes it.
pub(crate) fn canonical(number: usize, line: &str) -> Envelope {
    let envelope = Envelope::decode(Format::Json, &Bytes::copy_from_slice(line.as_bytes()))
        .unwrap_or_else(|error| panic!("docs/protocol.md:{number}: {error}"));
    let mut again = Vec::new();
    envelope.encode(Format::Json, &mut again).unwrap();
    assert_eq!(line, str::from_utf8(&again).unwrap(), "docs/protocol.md:{number}");
    envelope
}

fn examples() -> Vec<(usize, Envelope)> {
    let lines = blocks("json").into_iter().flatten();
    lines.map(|(number, line)| (number, canonical(number, line))).collect()
}

#[test]
fn every_example_is_written_as_the_codec_writes_it() {
    assert!(examples().len() > CONTROL_TYPES.len());
}

#[test]
fn every_example_survives_message_pack() {
    for (number, envelope) in examples() {
        let mut packed = Vec::new();
        envelope.encode(Format::MessagePack, &mut packed).unwrap();
        let there = Envelope::decode(Format::MessagePack, &packed.into()).unwrap();
        let mut back = Vec::new();
        there.encode(Format::Json, &mut back).unwrap();
        let mut line = Vec::new();
        envelope.encode(Format::Json, &mut line).unwrap();
        assert_eq!(line, back, "docs/protocol.md:{number}");
    }
}

#[test]
fn the_bytes_of_message_pack_are_the_first_example() {
    let dump = blocks("hex").concat();
    let digits =
        dump.iter().flat_map(|(_, line)| line.split('#').next().unwrap_or_default().chars());
    let digits: Vec<u8> = digits
        .filter(|c| !c.is_whitespace())
        .map(|c| u8::try_from(c.to_digit(16).expect("a hex digit")).unwrap())
        .collect();
    let bytes: Vec<u8> = digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    let (_, first) = examples().remove(0);
    let mut packed = Vec::new();
    first.encode(Format::MessagePack, &mut packed).unwrap();
    assert_eq!(bytes, packed);
    let decoded = Envelope::decode(Format::MessagePack, &bytes.into()).unwrap();
    assert_eq!(decoded.head, first.head);
}

#[test]
fn every_control_frame_has_an_example_with_the_header_that_the_table_says() {
    let rows = table(&["`type`", "from", "`seq`", "header", "payload"]);
    let examples = examples();
    for kind in CONTROL_TYPES {
        let row = rows.iter().find(|row| unquoted(row[0]) == *kind).expect("a row of the table");
        let mut shown = examples.iter().filter(|(_, envelope)| envelope.head.kind == *kind);
        assert!(shown.clone().next().is_some(), "no example of {kind}");
        let right = shown.all(|(_, Envelope { head, .. })| {
            let named = |field: &str| row[3].split(", ").any(|name| unquoted(name) == field);
            head.seq.is_some() == (row[2] == "yes")
                && head.re.is_some() == named("re")
                && head.ch.is_some() == named("ch")
                && head.off.is_some() == named("off")
        });
        assert!(right, "an example of {kind} has another header than the table says");
    }
    let controls: Vec<_> = rows.iter().map(|row| unquoted(row[0])).collect();
    assert_eq!(controls[..CONTROL_TYPES.len()], *CONTROL_TYPES);
}

#[test]
fn examples_say_what_their_types_know() {
    for (number, envelope) in examples() {
        let known = !matches!(envelope.frame, Frame::Unknown(_));
        assert!(known, "docs/protocol.md:{number}: an unknown control frame");
        if let Some(ch) = envelope.head.ch {
            assert!(Address::parse(ch).is_ok(), "docs/protocol.md:{number}");
        }
    }
}

#[test]
fn the_spellings_of_addresses_are_judged_as_the_page_says() {
    for row in table(&["legal", ""]) {
        assert!(Address::parse(unquoted(row[0])).is_ok(), "{}", row[0]);
    }
    for row in table(&["illegal", "why"]) {
        assert!(Address::parse(unquoted(row[0])).is_err(), "{}", row[0]);
    }
}
