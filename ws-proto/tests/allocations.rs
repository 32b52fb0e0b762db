//! How often a message asks for memory, counted: reading and writing what the types themselves do
//! not need is a regression that a clock would not show.

use allocation_counter::measure;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::hint::black_box;
use ws_proto::{Envelope, Format, Frame, Head, IdSource, Raw, frame::Ack};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Said {
    by: u64,
    text: String,
    is_read: bool,
}

fn said() -> Said {
    Said { by: 7, text: "0123456789abcdef".repeat(4), is_read: true }
}

fn head(kind: &'static str) -> Head {
    let mut head = Head::new(kind.into(), IdSource::new(7).next(5), 5);
    (head.seq, head.ack) = (Some(12_345), Some(12_344));
    head
}

fn request(format: Format) -> Envelope {
    let frame = Frame::Message(Raw::encode(format, &said()).expect("inside the data model"));
    Envelope { head: head("room.say"), frame }
}

fn event(format: Format) -> Envelope {
    let mut event = request(format);
    (event.head.off, event.head.prev) = (Some(1_001), Some(1_000));
    event.head.ch = Some("room/12345".into());
    event
}

fn ack() -> Envelope {
    Envelope { head: Head { seq: None, ..head("$ack") }, frame: Frame::Ack(Ack::default()) }
}

/// A message whose memory is already shared, as that of a transport is.
fn bytes(format: Format, envelope: &Envelope) -> Bytes {
    let mut out = Vec::new();
    envelope.encode(format, &mut out).expect("inside every bound");
    let message = Bytes::from(out);
    drop(message.clone());
    message
}

/// Allocations of one run, after one that fills what a thread keeps.
fn allocations<T>(mut run: impl FnMut() -> T) -> u64 {
    black_box(run());
    measure(|| drop(black_box(run()))).count_total
}

#[test]
fn reading_a_message_allocates_what_its_type_needs_and_nothing_else() {
    for format in Format::ALL {
        for envelope in [request(format), event(format)] {
            let message = bytes(format, &envelope);
            let decode = || Envelope::decode(format, &message).expect("reads what it wrote");
            assert_eq!(allocations(decode), 0, "{format}: header and place of the payload");
            let Frame::Message(raw) = decode().frame else { panic!("an application's message") };
            let read = || raw.decode::<Said>().expect("reads what it wrote");
            assert_eq!(allocations(read), 1, "{format}: the text of the payload");
        }
    }
}

#[test]
fn an_acknowledgement_is_read_and_written_without_memory() {
    for format in Format::ALL {
        let message = bytes(format, &ack());
        let decode = || Envelope::decode(format, &message).expect("reads what it wrote");
        assert_eq!(allocations(decode), 0, "{format}: read");
        let (ack, mut out) = (ack(), Vec::with_capacity(256));
        let encode = || {
            out.clear();
            ack.encode(format, &mut out).expect("inside every bound");
        };
        assert_eq!(allocations(encode), 0, "{format}: written");
    }
}

#[test]
fn writing_a_message_allocates_nothing_beside_its_output() {
    for format in Format::ALL {
        for envelope in [request(format), event(format)] {
            let mut out = Vec::with_capacity(1024);
            let encode = || {
                out.clear();
                envelope.encode(format, &mut out).expect("inside every bound");
            };
            assert_eq!(allocations(encode), 0, "{format}: header and payload in bytes");
        }
        let value = said();
        let encode = || Raw::encode(format, &value).expect("inside the data model");
        // `Bytes::copy_from_slice`, nothing while the payload grows.
        assert_eq!(allocations(encode), 1, "{format}: the payload's own memory");
    }
}

#[test]
fn what_stays_escaped_needs_memory_for_what_it_stands_for() {
    let text = String::from_utf8(bytes(Format::Json, &request(Format::Json)).to_vec());
    let text = text.expect("text").replace("room.say", r"room.s\u0061y");
    let message = Bytes::from(text);
    drop(message.clone());
    let decode = || Envelope::decode(Format::Json, &message).expect("good");
    assert!(allocations(decode) > 0, "the counter counts");
}
