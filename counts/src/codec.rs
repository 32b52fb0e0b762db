//! One message from bytes to its type and back, beside what serde needs for the payload alone.

use crate::{Outcome, Workload};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::hint::black_box;
use ws_proto::{Envelope, Format, Frame, Head, IdSource, Raw, frame::Ack};

/// Decodes and encodes, in both formats; `serde` is the payload of the request alone, decoded
/// and encoded by the format's own crate.
pub(crate) const WORKLOADS: &[Workload] = &[
    ("json request decode", |rounds| decode(Format::Json, &request(Format::Json)?, rounds)),
    ("json request serde decode", |rounds| serde_decode(Format::Json, rounds)),
    ("json request encode", |rounds| encode_request(Format::Json, rounds)),
    ("json request serde encode", |rounds| serde_encode(Format::Json, rounds)),
    ("json event decode", |rounds| decode(Format::Json, &event(Format::Json)?, rounds)),
    ("json event encode", |rounds| encode(Format::Json, &event(Format::Json)?, rounds)),
    ("json ack decode", |rounds| decode_control(Format::Json, rounds)),
    ("json ack encode", |rounds| encode(Format::Json, &ack(), rounds)),
    ("msgpack request decode", |rounds| {
        decode(Format::MessagePack, &request(Format::MessagePack)?, rounds)
    }),
    ("msgpack request serde decode", |rounds| serde_decode(Format::MessagePack, rounds)),
    ("msgpack request encode", |rounds| encode_request(Format::MessagePack, rounds)),
    ("msgpack request serde encode", |rounds| serde_encode(Format::MessagePack, rounds)),
    ("msgpack event decode", |rounds| {
        decode(Format::MessagePack, &event(Format::MessagePack)?, rounds)
    }),
    ("msgpack event encode", |rounds| {
        encode(Format::MessagePack, &event(Format::MessagePack)?, rounds)
    }),
    ("msgpack ack decode", |rounds| decode_control(Format::MessagePack, rounds)),
    ("msgpack ack encode", |rounds| encode(Format::MessagePack, &ack(), rounds)),
];

/// A small payload: a number, a text of 64 bytes, a flag.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Said {
    by: u64,
    text: String,
    is_read: bool,
}

const NOW: u64 = 1_760_000_000_000;

fn said() -> Said {
    Said { by: 7, text: "0123456789abcdef".repeat(4), is_read: true }
}

fn head(kind: &'static str) -> Head {
    let mut head = Head::new(kind.into(), IdSource::new(7).next(NOW), NOW);
    (head.seq, head.ack) = (Some(12_345), Some(12_344));
    head
}

fn request(format: Format) -> Outcome<Envelope> {
    let frame = Frame::Message(Raw::encode(format, &said())?);
    Ok(Envelope { head: head("room.say"), frame })
}

fn event(format: Format) -> Outcome<Envelope> {
    let frame = Frame::Message(Raw::encode(format, &said())?);
    let mut head = head("room.said");
    head.ch = Some("room/12345".into());
    (head.off, head.prev) = (Some(1_001), Some(1_000));
    Ok(Envelope { head, frame })
}

fn ack() -> Envelope {
    let mut head = head("$ack");
    head.seq = None;
    Envelope { head, frame: Frame::Ack(Ack::default()) }
}

fn bytes(format: Format, envelope: &Envelope) -> Outcome<Bytes> {
    let mut out = Vec::new();
    envelope.encode(format, &mut out)?;
    Ok(out.into())
}

/// From bytes to the type of the payload.
fn decode(format: Format, envelope: &Envelope, rounds: u64) -> Outcome {
    let message = bytes(format, envelope)?;
    for _ in 0..rounds {
        let envelope = Envelope::decode(format, black_box(&message))?;
        let Frame::Message(raw) = &envelope.frame else { return Err("a control frame".into()) };
        black_box(raw.decode::<Said>()?);
        black_box(envelope);
    }
    Ok(())
}

fn decode_control(format: Format, rounds: u64) -> Outcome {
    let message = bytes(format, &ack())?;
    for _ in 0..rounds {
        black_box(Envelope::decode(format, black_box(&message))?);
    }
    Ok(())
}

/// A payload that is already encoded, as an event is before it goes to many.
fn encode(format: Format, envelope: &Envelope, rounds: u64) -> Outcome {
    let mut out = Vec::with_capacity(1024);
    for _ in 0..rounds {
        out.clear();
        black_box(envelope).encode(format, &mut out)?;
        black_box(&out);
    }
    Ok(())
}

/// From the type of the payload to bytes.
fn encode_request(format: Format, rounds: u64) -> Outcome {
    let (said, head) = (said(), head("room.say"));
    let mut out = Vec::with_capacity(1024);
    for _ in 0..rounds {
        out.clear();
        let frame = Frame::Message(Raw::encode(format, black_box(&said))?);
        Envelope { head: head.clone(), frame }.encode(format, &mut out)?;
        black_box(&out);
    }
    Ok(())
}

fn serde_decode(format: Format, rounds: u64) -> Outcome {
    let raw = Raw::encode(format, &said())?;
    for _ in 0..rounds {
        let bytes: &[u8] = black_box(raw.bytes());
        black_box::<Said>(match format {
            Format::Json => serde_json::from_slice(bytes)?,
            Format::MessagePack => rmp_serde::from_slice(bytes)?,
        });
    }
    Ok(())
}

fn serde_encode(format: Format, rounds: u64) -> Outcome {
    let said = said();
    let mut out = Vec::with_capacity(1024);
    for _ in 0..rounds {
        out.clear();
        match format {
            Format::Json => serde_json::to_writer(&mut out, black_box(&said))?,
            Format::MessagePack => rmp_serde::encode::write_named(&mut out, black_box(&said))?,
        }
        black_box(&out);
    }
    Ok(())
}
