//! Every control frame, as this crate writes it, against the document of the control frames.

use crate::frames::side;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use ws_proto::{
    CloseCode, Envelope, Fault, FaultCode, Format, Frame, Head, MessageId, Position, Raw, Retry,
    Secret, VersionRange,
    frame::{
        Ack, AuthGrant, AuthRequired, AuthToken, CONTROL_TYPES, ClientInfo, ClientLimits, Close,
        Credit, Done, Gap, GapReason, Heartbeat, Hello, NotRecovered, NotResumed, Ping, Pong, Rate,
        Reject, Resume, ServerInfo, ServerLimits, SessionGrant, Subscribe, Unsubscribed, Welcome,
    },
    schema,
};

const ID: &str = "0190b6f0-0000-7000-8000-000000000001";

/// The frame as it travels, with every header field that a frame may have.
fn message(frame: &Frame) -> Value {
    let id = MessageId(ID.parse().unwrap());
    let mut head = Head::new(frame.control_type().unwrap().into(), id, 1_700_000_000_000);
    head.re = Some(id);
    (head.seq, head.ack) = (Some(1), Some(0));
    head.ch = Some("room/lobby".into());
    let mut text = vec![];
    Envelope { head, frame: frame.clone() }.encode(Format::Json, &mut text).unwrap();
    serde_json::from_slice(&text).unwrap()
}

fn hello() -> Hello {
    Hello {
        protocol: "chat".into(),
        version: VersionRange::new(1, 3),
        fingerprint: "00ff00ff00ff00ff".into(),
        client: Some(ClientInfo { name: "web".into(), version: "1.0".into() }),
        auth: Some(AuthToken { token: Secret::new("t") }),
        resume: Some(Resume { session: "s".into(), ticket: Secret::new("t"), recv: 4 }),
        caps: vec!["x".into()],
        limits: Some(ClientLimits { max_frame: 65_536, window: 256 }),
    }
}

fn welcome() -> Welcome {
    Welcome {
        version: 3,
        fingerprint: "00ff00ff00ff00ff".into(),
        session: SessionGrant {
            id: "s".into(),
            ticket: Secret::new("t"),
            ttl_ms: 120_000,
            resumed: false,
            reason: Some(NotResumed::Expired),
        },
        recv: 0,
        heartbeat: Heartbeat { interval_ms: 30_000, timeout_ms: 10_000 },
        limits: ServerLimits {
            max_frame: 65_536,
            max_in_flight: 64,
            max_subs: 128,
            window: 256,
            rate: Rate { per_s: 200, burst: 400 },
        },
        auth: Some(AuthGrant { expires_in_ms: Some(1) }),
        caps: vec![],
        server: ServerInfo { node: "n".into(), now: 1 },
    }
}

fn from_client() -> Vec<Frame> {
    let bare = Hello::new("chat", VersionRange::new(1, 3));
    vec![
        Frame::Hello(Box::new(hello())),
        Frame::Hello(Box::new(bare)),
        Frame::Auth(AuthToken { token: Secret::new("t") }),
        Frame::Cancel,
        Frame::Credit(Credit { n: 32 }),
        Frame::End,
        Frame::Subscribe(Subscribe::default()),
        Frame::Subscribe(Subscribe { since: Some(Position { epoch: "e".into(), off: 18 }) }),
        Frame::Unsubscribe,
    ]
}

fn from_both() -> Vec<Frame> {
    let close = Close {
        code: CloseCode::DRAINING,
        reason: "restart".into(),
        retry_after_ms: Some((0, 5000)),
        endpoint: Some("wss://other.example".into()),
    };
    vec![
        Frame::Ping(Ping { t: 1 }),
        Frame::Pong(Pong { t: 1, now: 1_700_000_000_000 }),
        Frame::Ack(Ack::default()),
        Frame::Ack(Ack { ch: BTreeMap::from([("room/lobby".to_owned(), 18)]) }),
        Frame::Close(Close { retry_after_ms: None, endpoint: None, ..close.clone() }),
        Frame::Close(close),
        Frame::Fault(Fault::new(FaultCode::RateLimited, "slower").after_ms(5).detail("limit", 1)),
        Frame::Fault(Fault::not_found("no such room")),
    ]
}

fn from_server() -> Vec<Frame> {
    let reject = Reject {
        close: CloseCode::VERSION,
        error: Fault::invalid("no version in common"),
        protocol: "chat".into(),
        supported: VersionRange::new(4, 5),
    };
    let done = Done {
        epoch: Some("e".into()),
        off: Some(18),
        recovered: Some(false),
        reason: Some(NotRecovered::Trimmed),
    };
    vec![
        Frame::Welcome(Box::new(welcome())),
        Frame::Reject(Box::new(reject)),
        Frame::AuthOk(AuthGrant { expires_in_ms: Some(1) }),
        Frame::AuthOk(AuthGrant { expires_in_ms: None }),
        Frame::AuthRequired(AuthRequired { within_ms: 25_000 }),
        Frame::Done(Done::default()),
        Frame::Done(done),
        Frame::Unsubscribed(Unsubscribed {
            code: FaultCode::Forbidden,
            reason: "left".into(),
            retry: Retry::Never,
        }),
        Frame::Live,
        Frame::Gap(Gap {
            reason: GapReason::Trimmed,
            after: Some(1),
            until: Some(9),
            dropped: None,
        }),
        Frame::Gap(Gap { reason: GapReason::Slow, after: None, until: None, dropped: Some(4) }),
    ]
}

/// The frames of each side under the name of the side's union.
fn sides() -> [(&'static str, Vec<Frame>); 2] {
    [
        ("ClientMessage", from_client().into_iter().chain(from_both()).collect()),
        ("ServerMessage", from_server().into_iter().chain(from_both()).collect()),
    ]
}

#[test]
fn the_document_satisfies_the_metaschema() {
    assert!(jsonschema::meta::is_valid(&schema::control()));
}

#[test]
fn every_control_frame_is_valid() {
    let mut seen = BTreeSet::new();
    for (union, frames) in sides() {
        let validator = side(schema::control(), union);
        for frame in frames {
            let message = message(&frame);
            let errors: Vec<_> = validator.iter_errors(&message).map(|e| e.to_string()).collect();
            assert!(errors.is_empty(), "{message}: {errors:?}");
            seen.extend(frame.control_type());
        }
    }
    assert_eq!(seen, CONTROL_TYPES.iter().copied().collect());
}

#[test]
fn a_frame_of_the_other_side_is_not_valid() {
    let (client, server) = ("ClientMessage", "ServerMessage");
    let client = side(schema::control(), client);
    let server = side(schema::control(), server);
    assert!(from_server().iter().all(|frame| !client.is_valid(&message(frame))));
    assert!(
        from_client()
            .iter()
            .filter(|frame| !matches!(frame, Frame::Cancel | Frame::Credit(_) | Frame::End))
            .all(|frame| !server.is_valid(&message(frame)))
    );
}

#[test]
fn every_mutation_of_the_header_is_refused() {
    for (union, frames) in sides() {
        let validator = side(schema::control(), union);
        for frame in frames {
            let always = ["type", "id", "ts", "payload"];
            for field in always.iter().chain(required(frame.control_type().unwrap())) {
                let mut without = message(&frame);
                without.as_object_mut().unwrap().remove(*field);
                assert!(!validator.is_valid(&without), "{without}");
                let mut wrong = message(&frame);
                wrong[field] = true.into();
                assert!(!validator.is_valid(&wrong), "{wrong}");
            }
            let mut unknown = message(&frame);
            unknown["type"] = "$nope".into();
            assert!(!validator.is_valid(&unknown), "{unknown}");
        }
    }
}

/// The header fields without which the frame means nothing.
fn required(kind: &str) -> &'static [&'static str] {
    match kind {
        "$cancel" | "$credit" | "$end" | "$ok" | "$err" => &["re", "seq"],
        "$sub" | "$unsub" | "$unsubbed" => &["seq", "ch"],
        "$live" | "$gap" => &["ch"],
        _ => &[],
    }
}

#[test]
fn the_schema_of_each_payload_agrees_with_the_decoder() {
    let mut refused = 0;
    for (union, frames) in sides() {
        let validator = side(schema::control(), union);
        for frame in frames {
            let message = message(&frame);
            for mutation in mutations(&message) {
                let kind = frame.control_type().unwrap();
                let raw = Raw::encode(Format::Json, &mutation["payload"]).unwrap();
                let decodes = Frame::decode_payload(kind, raw).is_ok();
                assert_eq!(validator.is_valid(&mutation), decodes, "{mutation}");
                refused += usize::from(!decodes);
            }
        }
    }
    assert!(refused > 100, "{refused}");
}

/// The message with each part of its payload taken away and replaced by another type.
fn mutations(message: &Value) -> Vec<Value> {
    let mut mutations = vec![];
    for pointer in pointers("/payload", &message["payload"]) {
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        let field = field.replace("~1", "/");
        let mut without = message.clone();
        if let Some(parent) = without.pointer_mut(parent).and_then(Value::as_object_mut) {
            parent.remove(&field);
            mutations.push(without);
        }
        let mut wrong = message.clone();
        *wrong.pointer_mut(&pointer).unwrap() = json!({ "wrong": [true] });
        mutations.push(wrong);
    }
    mutations
}

fn pointers(path: &str, value: &Value) -> Vec<String> {
    let Some(object) = value.as_object() else { return vec![] };
    object
        .iter()
        .flat_map(|(name, value)| {
            let path = format!("{path}/{}", name.replace('/', "~1"));
            let inner = pointers(&path, value);
            std::iter::once(path).chain(inner)
        })
        .collect()
}
