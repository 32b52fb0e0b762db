//! The control frames: the same in every protocol.

use super::{
    assemble::{self, Message, Sender, definitions},
    codes,
    head::{self, Field, HeadShape},
    integers::Wide,
};
use crate::{
    fault::Fault,
    frame::{
        Ack, AuthGrant, AuthRequired, AuthToken, Close, Credit, Done, Gap, Hello, Ping, Pong,
        Reject, Subscribe, Unsubscribed, Welcome,
    },
    message::{SchemaFn, support::schema_of},
    version::WIRE_VERSION,
};
use serde_json::{Value, json};

/// The schema of every control frame, in the form of [`super::document`]
/// (`docs/protocol.md`, sections 4 to 11).
///
/// Words that only grow (`code`, `retry`, `reason`) are listed as this version knows them; readers
/// take one they do not know as the last one listed.
#[must_use]
pub fn control() -> Value {
    let messages: Vec<_> = FRAMES.iter().flat_map(Frame::messages).collect();
    let defs = definitions(&messages, Wide::Bound);
    let facts = json!({ "wire_version": WIRE_VERSION, "close_codes": codes::ranges() });
    let id = format!("urn:ws-proto:control:{WIRE_VERSION}");
    assemble::document(&id, "ws-proto control frames", defs.defs, ("x-ws-control", facts))
}

/// One control frame.
struct Frame {
    kind: &'static str,
    senders: &'static [Sender],
    head: HeadShape,
    payload: SchemaFn,
    doc: &'static str,
}

const CLIENT: &[Sender] = &[Sender::Client];
const SERVER: &[Sender] = &[Sender::Server];
const BOTH: &[Sender] = &[Sender::Client, Sender::Server];

/// `ack` and nothing else.
const ACKED: HeadShape = HeadShape { required: &[], optional: &[Field::Ack] };
/// The answer to a message outside the session stream.
const ANSWER_TO: HeadShape = HeadShape { required: &[Field::Re], optional: &[Field::Ack] };
/// About a request, named by `re`.
const ABOUT: HeadShape =
    HeadShape { required: &[Field::Re, Field::Seq], optional: &[Field::Ack, Field::Tp] };
/// A command about a channel.
const COMMAND: HeadShape = HeadShape {
    required: &[Field::Seq, Field::Ch],
    optional: &[Field::Ack, Field::Ttl, Field::Tp],
};
/// An answer to any message.
const ANSWER: HeadShape =
    HeadShape { required: &[Field::Re, Field::Seq], optional: &[Field::Ack, Field::Ch, Field::Tp] };
/// The end of a subscription.
const ENDED: HeadShape = HeadShape { required: &[Field::Seq, Field::Ch], optional: &[Field::Ack] };
/// Between the events of a channel, and like them outside the session stream.
const AMONG_EVENTS: HeadShape =
    HeadShape { required: &[Field::Ch], optional: &[Field::Ack, Field::Off] };

/// Every control frame, in the order of [`crate::frame::CONTROL_TYPES`].
const FRAMES: &[Frame] = &[
    frame("$hello", CLIENT, head::BARE, schema_of::<Hello>, "The client's first frame."),
    frame("$welcome", SERVER, head::BARE, schema_of::<Welcome>, "The server takes the client in."),
    frame("$reject", SERVER, head::BARE, schema_of::<Reject>, "The server does not."),
    frame("$ping", BOTH, ACKED, schema_of::<Ping>, "Are you there?"),
    frame("$pong", BOTH, ACKED, schema_of::<Pong>, "The answer to a ping."),
    frame("$ack", BOTH, ACKED, schema_of::<Ack>, "What was received or consumed."),
    frame("$close", BOTH, ACKED, schema_of::<Close>, "Why the connection is about to close."),
    frame("$auth", CLIENT, ACKED, schema_of::<AuthToken>, "Other credentials of the principal."),
    frame("$auth_ok", SERVER, ANSWER_TO, schema_of::<AuthGrant>, "They count from here on."),
    frame("$auth_required", SERVER, ACKED, schema_of::<AuthRequired>, "Others are awaited."),
    frame("$cancel", BOTH, ABOUT, schema_of::<()>, "The request `re` is no longer wanted."),
    frame("$credit", BOTH, ABOUT, schema_of::<Credit>, "More of the request `re` may come."),
    frame("$end", BOTH, ABOUT, schema_of::<()>, "No more parts of the request `re` follow."),
    frame("$sub", CLIENT, COMMAND, schema_of::<Subscribe>, "Listen to the channel `ch`."),
    frame("$unsub", CLIENT, COMMAND, schema_of::<()>, "Stop listening to the channel `ch`."),
    frame(
        "$ok",
        SERVER,
        ANSWER,
        schema_of::<Done>,
        "A subscribe, unsubscribe or publish succeeded.",
    ),
    frame("$err", BOTH, ANSWER, schema_of::<Fault>, "A fault of the message `re`."),
    frame("$unsubbed", SERVER, ENDED, schema_of::<Unsubscribed>, "The subscription to `ch` ended."),
    frame("$live", SERVER, AMONG_EVENTS, schema_of::<()>, "The replay of `ch` is over."),
    frame("$gap", SERVER, AMONG_EVENTS, schema_of::<Gap>, "Events of `ch` that will never come."),
];

const fn frame(
    kind: &'static str,
    senders: &'static [Sender],
    head: HeadShape,
    payload: SchemaFn,
    doc: &'static str,
) -> Frame {
    Frame { kind, senders, head, payload, doc }
}

impl Frame {
    fn messages(&self) -> impl Iterator<Item = Message> {
        self.senders.iter().map(|&sender| Message {
            kind: self.kind.to_owned(),
            sender,
            head: self.head,
            payload: self.payload,
            doc: self.doc,
            deprecated: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::CONTROL_TYPES;

    #[test]
    fn every_control_frame_is_in_the_table() {
        let kinds: Vec<_> = FRAMES.iter().map(|frame| frame.kind).collect();
        assert_eq!(kinds, CONTROL_TYPES);
    }

    #[test]
    fn the_control_frames_have_no_problems() {
        let messages: Vec<_> = FRAMES.iter().flat_map(Frame::messages).collect();
        let problems = definitions(&messages, Wide::Bound).problems;
        assert!(problems.is_empty(), "{problems:?}");
    }
}
