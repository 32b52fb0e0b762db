//! What can happen to a pair of sessions.

use super::{hello, null};
use proptest::prelude::*;
use std::collections::BTreeMap;
use ws_proto::{
    CloseCode, Fault, FaultCode, Frame,
    frame::{Ack, Close, Credit, Done, Ping, Subscribe},
};

/// What happens next.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    Connect,
    /// The server takes the client in, with the session that it kept if this says so.
    Accept(bool),
    Call {
        kind: usize,
        ttl_ms: Option<u64>,
        credit: u32,
    },
    Publish,
    /// The server asks its client.
    Ask(Option<u64>),
    CancelAsked(u64),
    /// The client answers the first, second, .. of what it is asked.
    AnswerAsked(usize),
    Cancel(u64),
    Grant(u64),
    Subscribe(u64),
    Unsubscribe,
    Consumed(u64),
    Answer(u64),
    Item(u64),
    /// The client sends a part of an upload, the server reads some, the client ends it.
    Part(u64),
    Read(u64, u32),
    End(u64),
    Decide(u64, bool),
    EndSubscription,
    Drain,
    Close(bool),
    /// The network brings this many messages from the client, and from the server.
    Carry(usize, usize),
    /// A frame that the other side did not send.
    Inject {
        to_server: bool,
        frame: usize,
        seq: u64,
        ack: Option<u64>,
    },
    Wait(u64),
    Lose,
    /// Only the client notices; this many of its messages are still on their way.
    LoseLate(usize),
    /// The next events of the room's log go to its subscriber.
    Deliver(usize),
}

pub(crate) fn acts() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => Just(Act::Connect),
        4 => (0..4_u32).prop_map(|dice| Act::Accept(dice > 0)),
        8 => (0..5_usize, prop::option::of(0..2000_u64), 0..3_u32)
            .prop_map(|(kind, ttl_ms, credit)| Act::Call { kind, ttl_ms, credit }),
        3 => Just(Act::Publish),
        4 => prop::option::of(0..2000_u64).prop_map(Act::Ask),
        1 => (0..20_u64).prop_map(Act::CancelAsked),
        4 => (0..3_usize).prop_map(Act::AnswerAsked),
        2 => (0..20_u64).prop_map(Act::Cancel),
        1 => (0..20_u64).prop_map(Act::Grant),
        3 => (0..4_u64).prop_map(Act::Subscribe),
        2 => Just(Act::Unsubscribe),
        1 => (0..4_u64).prop_map(Act::Consumed),
        8 => (0..20_u64).prop_map(Act::Answer),
        2 => (0..20_u64).prop_map(Act::Item),
        2 => (0..20_u64).prop_map(Act::Part),
        2 => (0..20_u64, 0..3_u32).prop_map(|(work, n)| Act::Read(work, n)),
        1 => (0..20_u64).prop_map(Act::End),
        4 => (0..8_u64, any::<bool>()).prop_map(|(ticket, yes)| Act::Decide(ticket, yes)),
        1 => Just(Act::EndSubscription),
        1 => Just(Act::Drain),
        1 => any::<bool>().prop_map(Act::Close),
        20 => (0..6_usize, 0..6_usize).prop_map(|(up, down)| Act::Carry(up, down)),
        2 => (any::<bool>(), 0..15_usize, 0..6_u64, prop::option::of(0..3_u64)).prop_map(
            |(to_server, frame, seq, ack)| Act::Inject { to_server, frame, seq, ack }
        ),
        8 => (0..3000_u64).prop_map(Act::Wait),
        2 => Just(Act::Lose),
        1 => (0..5_usize).prop_map(Act::LoseLate),
        6 => (1..4_usize).prop_map(Act::Deliver),
    ]
}

/// What an honest peer and a bad network can do.
pub(crate) fn honest_acts() -> impl Strategy<Value = Act> {
    acts().prop_filter("no frame is made up", |act| !matches!(act, Act::Inject { .. }))
}

/// Uploads and losses, after a connection that stands.
pub(crate) fn upload_acts() -> impl Strategy<Value = Act> {
    prop_oneof![
        2 => Just(Act::Call { kind: 4, ttl_ms: None, credit: 0 }),
        12 => (0..20_u64).prop_map(Act::Part),
        8 => (0..20_u64, 0..4_u32).prop_map(|(work, n)| Act::Read(work, n)),
        1 => (0..20_u64).prop_map(Act::End),
        1 => (0..20_u64).prop_map(Act::Cancel),
        1 => (0..20_u64).prop_map(Act::Answer),
        12 => (0..6_usize, 0..6_usize).prop_map(|(up, down)| Act::Carry(up, down)),
        3 => (0..300_u64).prop_map(Act::Wait),
        1 => Just(Act::Lose),
        1 => (0..5_usize).prop_map(Act::LoseLate),
        4 => Just(Act::Connect),
        4 => (0..8_u32).prop_map(|dice| Act::Accept(dice > 0)),
    ]
}

pub(crate) fn foreign_frame(number: usize) -> Frame {
    match number {
        0 => Frame::Hello(Box::new(hello())),
        1 => Frame::Ping(Ping { t: 1 }),
        2 => Frame::Ack(Ack { ch: BTreeMap::from([("room/lobby".to_owned(), 2)]) }),
        3 => Frame::Close(Close {
            code: CloseCode::KICKED,
            reason: String::new(),
            retry_after_ms: Some((9, 1)),
            endpoint: None,
        }),
        4 => Frame::Cancel,
        5 => Frame::Credit(Credit { n: u32::MAX }),
        6 => Frame::Subscribe(Subscribe::default()),
        7 => Frame::Unsubscribe,
        8 => Frame::Done(Done::default()),
        9 => Frame::Fault(Fault::new(FaultCode::Internal, "no")),
        10 => Frame::Live,
        11 => Frame::Unknown(null()),
        13 => Frame::End,
        12 => Frame::Ack(Ack { ch: BTreeMap::from([("no address".to_owned(), 2)]) }),
        _ => Frame::Message(null()),
    }
}
