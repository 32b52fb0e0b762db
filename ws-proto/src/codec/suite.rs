//! What every codec must do: `suite::run::<MyCodec>()` in a test is one line.

use super::{Codec, Json, MessagePack, whole};
use crate::{
    code::{CloseCode, FaultCode, Retry},
    envelope::{Envelope, Head},
    fault::{Fault, Secret},
    frame::{
        Ack, AuthGrant, AuthRequired, AuthToken, ClientInfo, ClientLimits, Close, Credit, Done,
        Frame, Gap, GapReason, Heartbeat, Hello, NotRecovered, NotResumed, Ping, Pong, Rate,
        Reject, Resume, ServerInfo, ServerLimits, SessionGrant, Subscribe, Unsubscribed, Welcome,
    },
    ids::{MessageId, Position},
    limits::Limits,
    raw::Raw,
    version::VersionRange,
};
use bytes::Bytes;
use bytestring::ByteString;
use std::collections::BTreeMap;
use uuid::Uuid;

/// Checks a codec against the contract of [`Codec`].
///
/// # Panics
///
/// When the codec breaks it; the message names the rule.
pub fn run<C: Codec>() {
    every_frame_comes_back::<C>();
    every_header_field_comes_back::<C>();
    bounds_of_the_header_hold::<C>();
    nothing_is_written_on_an_error::<C>();
    only_a_whole_message_is_read::<C>();
    any_byte_may_be_wrong::<C>();
    the_data_model_is_the_same::<C>();
    a_payload_survives_the_way_through_another_format::<C>();
}

/// One frame of every kind, for tests that must see them all.
#[must_use]
pub fn frames<C: Codec>() -> Vec<Frame> {
    let mut frames = handshake();
    let position = Position { epoch: "e1".into(), off: 7 };
    let done = Done {
        epoch: Some("e1".into()),
        off: Some(Limits::MAX_INTEGER),
        recovered: Some(false),
        reason: Some(NotRecovered::Trimmed),
    };
    let close = Close {
        code: CloseCode::DRAINING,
        reason: "the server restarts".into(),
        retry_after_ms: Some((100, 500)),
        endpoint: Some("wss://b.example/ws".into()),
    };
    let fault = Fault::new(FaultCode::RateLimited, "slow down").after_ms(50).detail("limit", 200);
    let unsubscribed =
        Unsubscribed { code: FaultCode::Forbidden, reason: "removed".into(), retry: Retry::Never };
    let gap = Gap { reason: GapReason::Slow, after: Some(1), until: Some(9), dropped: Some(8) };
    frames.extend([
        Frame::Ping(Ping { t: 1 }),
        Frame::Pong(Pong { t: 1, now: 1_700_000_000_000 }),
        Frame::Ack(Ack::default()),
        Frame::Ack(Ack { ch: BTreeMap::from([("room/a".to_owned(), 3)]) }),
        Frame::Close(close),
        Frame::Auth(AuthToken { token: Secret::new("t") }),
        Frame::AuthOk(AuthGrant { expires_in_ms: Some(1) }),
        Frame::AuthOk(AuthGrant { expires_in_ms: None }),
        Frame::AuthRequired(AuthRequired { within_ms: 25_000 }),
        Frame::Cancel,
        Frame::Credit(Credit { n: 32 }),
        Frame::End,
        Frame::Subscribe(Subscribe::default()),
        Frame::Subscribe(Subscribe { since: Some(position) }),
        Frame::Unsubscribe,
        Frame::Done(Done::default()),
        Frame::Done(done),
        Frame::Fault(fault),
        Frame::Unsubscribed(unsubscribed),
        Frame::Live,
        Frame::Gap(gap),
        Frame::Unknown(payload::<C, _>(&BTreeMap::from([("a", 1)]))),
        Frame::Message(payload::<C, _>(&BTreeMap::from([("text", "hi \" \\ \0 \u{1f600}")]))),
        Frame::Message(Raw::null(C::FORMAT)),
    ]);
    frames
}

fn handshake() -> Vec<Frame> {
    let hello = Hello {
        protocol: "chat".into(),
        version: VersionRange::new(1, 3),
        fingerprint: "f".into(),
        client: Some(ClientInfo { name: "terminal".into(), version: "1.0".into() }),
        auth: Some(AuthToken { token: Secret::new("t") }),
        resume: Some(Resume { session: "s".into(), ticket: Secret::new("k"), recv: 9 }),
        caps: vec!["a".into()],
        limits: Some(ClientLimits { max_frame: 65_536, window: 256 }),
    };
    let welcome = Welcome {
        version: 3,
        fingerprint: String::new(),
        session: SessionGrant {
            id: "s".into(),
            ticket: Secret::new("k"),
            ttl_ms: 120_000,
            resumed: false,
            reason: Some(NotResumed::Expired),
        },
        recv: 0,
        heartbeat: Heartbeat { interval_ms: 25_000, timeout_ms: 10_000 },
        limits: ServerLimits {
            max_frame: 65_536,
            max_in_flight: 64,
            max_subs: 128,
            window: 256,
            rate: Rate { per_s: 200, burst: 400 },
        },
        auth: Some(AuthGrant { expires_in_ms: Some(1) }),
        caps: vec![],
        server: ServerInfo { node: "n1".into(), now: 1_700_000_000_000 },
    };
    let reject = Reject {
        close: CloseCode::VERSION,
        error: Fault::new(FaultCode::Unimplemented, "too old"),
        protocol: "chat".into(),
        supported: VersionRange::new(2, 4),
    };
    vec![Frame::Hello(hello.into()), Frame::Welcome(welcome.into()), Frame::Reject(reject.into())]
}

fn every_frame_comes_back<C: Codec>() {
    for frame in frames::<C>() {
        let kind = frame.control_type().unwrap_or(match frame {
            Frame::Unknown(_) => "$newer",
            _ => "room.said",
        });
        let sent = Envelope { head: Head::new(kind.into(), some_id(), 5), frame };
        assert_eq!(read::<C>(&written::<C>(&sent)), sent, "{kind} comes back");
    }
}

fn every_header_field_comes_back<C: Codec>() {
    let sent = Envelope { head: full_head(), frame: Frame::Message(Raw::null(C::FORMAT)) };
    assert_eq!(read::<C>(&written::<C>(&sent)), sent, "a full header comes back");
    for field in 0..9 {
        let full = full_head();
        let mut head = Head::new(full.kind.clone(), full.id, 0);
        match field {
            0 => head.re = full.re,
            1 => head.seq = full.seq,
            2 => head.ack = full.ack,
            3 => head.ch = full.ch,
            4 => head.off = full.off,
            5 => head.prev = full.prev,
            6 => head.key = full.key,
            7 => head.ttl = full.ttl,
            _ => head.tp = full.tp,
        }
        let sent = Envelope { head, frame: Frame::Message(Raw::null(C::FORMAT)) };
        assert_eq!(read::<C>(&written::<C>(&sent)), sent, "header field {field} comes back");
    }
}

fn bounds_of_the_header_hold<C: Codec>() {
    let frame = || Frame::Message(Raw::null(C::FORMAT));
    let long = |len| ByteString::from("x".repeat(len));
    let mut head = full_head();
    (head.kind, head.key, head.tp) = (long(Limits::KIND), Some(long(128)), Some(long(128)));
    let at_the_bound = Envelope { head: head.clone(), frame: frame() };
    assert_eq!(read::<C>(&written::<C>(&at_the_bound)), at_the_bound);
    let past = [
        Head { kind: long(Limits::KIND + 1), ..head.clone() },
        Head { kind: long(0), ..head.clone() },
        Head { key: Some(long(Limits::KEY + 1)), ..head.clone() },
        Head { tp: Some(long(Limits::KEY + 1)), ..head.clone() },
        Head { seq: Some(Limits::MAX_INTEGER + 1), ..head.clone() },
        Head { ts: u64::MAX, ..head },
    ];
    for head in past {
        let mut out = b"before".to_vec();
        assert!(C::encode_envelope(&head, &frame(), &mut out).is_err(), "{head:?}");
        assert_eq!(out, b"before");
    }
}

fn nothing_is_written_on_an_error<C: Codec>() {
    fn refused<C: Codec, T: serde::Serialize>(what: &str, value: T) {
        let mut out = b"before".to_vec();
        // The good element comes first, so that there is something to take back.
        assert!(C::encode_payload(&("good", value), &mut out).is_err(), "{what} is refused");
        assert_eq!(out, b"before", "{what} leaves nothing behind");
    }
    refused::<C, _>("NaN", f64::NAN);
    refused::<C, _>("a 32-bit infinity", f32::INFINITY);
    refused::<C, _>("2^53", 1_u64 << 53);
    refused::<C, _>("-2^53", -(1_i64 << 53));
    refused::<C, _>("a 128-bit integer", 1_u128);
    refused::<C, _>("a map with numbers as keys", BTreeMap::from([(1, 2)]));
    refused::<C, _>("a map with lists as keys", BTreeMap::from([(vec!["a"], 2)]));
}

fn only_a_whole_message_is_read<C: Codec>() {
    let frame = Frame::Message(payload::<C, _>(&BTreeMap::from([("text", vec!["a", "b"])])));
    let message = written::<C>(&Envelope { head: full_head(), frame });
    for end in 0..message.len() {
        assert!(C::decode_head(&message.slice(..end)).is_err(), "cut at {end}");
    }
    for extra in [b'0', b'}', 0xc0, 0] {
        let mut longer = message.to_vec();
        longer.push(extra);
        assert!(C::decode_head(&longer.into()).is_err(), "{extra:#x} after the message");
    }
}

fn any_byte_may_be_wrong<C: Codec>() {
    let frame = Frame::Message(payload::<C, _>(&BTreeMap::from([("text", "hi")])));
    let message = written::<C>(&Envelope { head: full_head(), frame });
    for place in 0..message.len() {
        for wrong in 0..=u8::MAX {
            let mut changed = message.to_vec();
            changed[place] = wrong;
            // Whether it is still an envelope depends on the byte; that it returns does not.
            if let Ok((_, raw)) = C::decode_head(&changed.into()) {
                drop(raw.decode::<BTreeMap<String, String>>());
            }
        }
    }
}

fn the_data_model_is_the_same<C: Codec>() {
    fn back<C: Codec, T>(value: &T)
    where
        T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug,
    {
        assert_eq!(&payload::<C, _>(value).decode::<T>().expect("reads what it wrote"), value);
    }
    back::<C, _>(&(Limits::MAX_INTEGER, -(1_i64 << 53) + 1));
    back::<C, _>(&(0.1_f64, 0.1_f32, f64::MAX, f32::MIN_POSITIVE, 1.0_f64));
    back::<C, _>(&('\u{1f600}', "a\0b".to_owned(), true, Some(1), None::<u8>, ()));
    back::<C, _>(&Ok::<u8, String>(1));
    back::<C, _>(&BTreeMap::from([(some_id().0, some_id())]));
    assert!(payload::<C, _>(&[1, 2]).decode::<Position>().is_err(), "no struct from a list");
    assert!(payload::<C, _>(&1.0).decode::<u8>().is_err(), "no integer from a float");
    assert!(payload::<C, _>(&1).decode::<String>().is_err(), "no text from an integer");
    assert!(payload::<C, _>(&"1").decode::<u8>().is_err(), "no integer from text");
}

fn a_payload_survives_the_way_through_another_format<C: Codec>() {
    fn there_and_back<C: Codec, Other: Codec>() {
        let value = BTreeMap::from([("a", vec![Some("b"), None]), ("c", vec![])]);
        let raw = payload::<C, _>(&value);
        let other = raw.transcode(Other::FORMAT).expect("the other format has the data model");
        assert_eq!(other, payload::<Other, _>(&value));
        assert_eq!(other.transcode(C::FORMAT).expect("the way back"), raw);
    }
    there_and_back::<C, Json>();
    there_and_back::<C, MessagePack>();
}

fn full_head() -> Head {
    Head {
        re: Some(MessageId(Uuid::nil())),
        seq: Some(1),
        ack: Some(0),
        ch: Some("room/\"a\"\u{e9}\\\n".into()),
        off: Some(Limits::MAX_INTEGER),
        prev: Some(255),
        key: Some("".into()),
        ttl: Some(65_536),
        tp: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into()),
        ..Head::new("room.said".into(), some_id(), 1_700_000_000_000)
    }
}

const fn some_id() -> MessageId {
    MessageId(Uuid::from_u128(0x0190_5a6f_7c00_7abc_8def_0123_4567_89ab))
}

fn payload<C: Codec, T: serde::Serialize>(value: &T) -> Raw {
    Raw::encode(C::FORMAT, value).expect("the value is inside the data model")
}

fn written<C: Codec>(envelope: &Envelope) -> Bytes {
    let mut out = b"before".to_vec();
    whole(&mut out, |out| C::encode_envelope(&envelope.head, &envelope.frame, out))
        .expect("the envelope is inside every bound");
    Bytes::from(out).slice(b"before".len()..)
}

fn read<C: Codec>(message: &Bytes) -> Envelope {
    let (head, payload) = C::decode_head(message).expect("reads what it wrote");
    let frame = Frame::decode_payload(&head.kind, payload).expect("reads what it wrote");
    Envelope { head, frame }
}
