//! What the session tells its application.

use super::{
    Time,
    command::{CallId, Ticket},
    work::WorkId,
};
use bytestring::ByteString;
use std::time::Duration;
use ws_proto::{
    Address, CloseCode, Fault, Format, MessageId, Position, Raw, Secret,
    frame::{Done, Gap, Hello, Reject, Unsubscribed, Welcome},
};

/// Session -> application.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Server: a client greets; its protocol, version and form are sound. Answer with
    /// [`super::Command::Accept`] or [`super::Command::Refuse`].
    Hello(Box<Hello>, u32),
    /// Client: the server took us in.
    Welcome(Box<Welcome>),
    /// Client: it did not; [`Event::Closed`] follows.
    Rejected(Box<Reject>),
    /// The connection is over.
    Closed(Closed),

    /// Server: the client brings other credentials; who are they of? Answer in bounded time, with
    /// [`super::Command::Renewed`]: meanwhile those before count, expired or not.
    Auth(Ticket, Secret),
    /// Client: the credentials are about to expire, or have; answer with
    /// [`super::Command::Auth`].
    AuthRequired,
    /// Client: those that we brought count from here on.
    Renewed,
    /// Client: they do not. The application is asked again.
    NotRenewed(Fault),

    /// A call or a publish has its one outcome.
    Answered(CallId, Reply),
    /// One item of a streaming call.
    Item(CallId, Raw),
    /// The peer takes this many more parts of an upload.
    Granted(CallId, u32),
    /// A request to work on; answer with [`super::Command::Answer`].
    Request(Box<Request>),
    /// Nobody waits for the answer any more. The handler may go on; its answer is then dropped.
    Stop(WorkId, Stop),
    /// The peer takes this many more items of a streaming request.
    Credit(WorkId, u32),
    /// One part of an upload. It counts as waiting until [`super::Command::Read`] says otherwise.
    Part(WorkId, Raw),
    /// No more parts of an upload follow.
    End(WorkId),

    /// Server: may the client listen to this channel, after this position?
    Subscribe(Ticket, Address, Option<Position>),
    /// Server: the client no longer listens; what was queued for it is gone.
    Unsubscribe(Address),
    /// Server: may the client publish this?
    Publish(Ticket, Box<Incoming>),
    /// Server: the client is done with the channel's events up to this position.
    Consumed(Address, u64),

    /// Client: the state of a channel. The [`Event::Subscribed`] or [`Event::Gap`] that follows says
    /// from where on.
    Snapshot(Address, Raw),
    /// Client: the subscription stands; events follow.
    Subscribed(Address, Done),
    /// Client: it was refused.
    NotSubscribed(Address, Fault),
    /// Client: an event of a subscription.
    Delivered(Box<Delivered>),
    /// Client: events of a subscription that will never come.
    Gap(Address, Gap),
    /// Client: the replay of a subscription is over at this position.
    Live(Address, u64),
    /// Client: the subscription ended on our wish; nothing of it follows.
    Unsubscribed(Address),
    /// Client: the server ended it.
    SubscriptionEnded(Address, Unsubscribed),
}

/// Why and how the connection ended. What a client does next is `code.advice()`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// Who ended it.
    pub by: Initiator,
    /// Why.
    pub code: CloseCode,
    /// Why, for people.
    pub reason: String,
    /// The window from which to draw the delay before the next attempt.
    pub retry_after: Option<(Duration, Duration)>,
    /// Where to connect instead.
    pub endpoint: Option<String>,
}

/// Who ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initiator {
    /// Our application.
    Application,
    /// Our session: the peer broke the protocol or was silent.
    Session,
    /// The peer.
    Peer,
    /// Nobody said anything: the transport was lost.
    Network,
}

/// The one outcome of a call or a publish.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// The successful answer.
    Ok(Raw),
    /// The typed error.
    Err(Raw),
    /// A publish stands in the log.
    Published(Done),
    /// A fault of the framework, here or at the peer.
    Fault(Fault, Outcome),
    /// The deadline passed here.
    Timeout(Outcome),
    /// The session was lost.
    Lost(Outcome),
    /// The negotiated version does not have this request; nothing was sent.
    Unsupported {
        /// The negotiated version.
        negotiated: u32,
    },
}

/// What is known about a call without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It never left this process.
    NotSent,
    /// The peer did not work on it.
    NotProcessed,
    /// It may have been worked on.
    Unknown,
    /// It was worked on.
    Processed,
}

/// A request to work on.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Names it towards our application.
    pub work: WorkId,
    /// The message's id.
    pub id: MessageId,
    /// The `type`.
    pub kind: ByteString,
    /// The place of its facts among [`super::Contract::requests`].
    pub place: usize,
    /// The encoded payload, not yet checked. Of a request that starts when it comes, the bytes are
    /// part of the message: whoever keeps them long takes them with [`Raw::detached`].
    pub payload: Raw,
    /// The idempotency key.
    pub key: Option<ByteString>,
    /// W3C traceparent.
    pub tp: Option<ByteString>,
    /// When nobody waits for the answer any more.
    pub deadline: Option<Time>,
    /// Items that may be sent at once, for a request that streams.
    pub credit: u32,
}

impl Request {
    /// None yet.
    pub(super) const fn blank(format: Format) -> Self {
        Self {
            work: WorkId(0),
            id: MessageId::NIL,
            kind: ByteString::new(),
            place: 0,
            payload: Raw::null(format),
            key: None,
            tp: None,
            deadline: None,
            credit: 0,
        }
    }
}

/// Why nobody waits for an answer any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The peer cancelled the request, or the session in which it asked is lost.
    Cancelled,
    /// Its deadline passed; the answer `deadline` was sent.
    Deadline,
    /// A part of its upload found no room; the answer `overloaded` was sent.
    NoRoom,
}

/// An event that a client wants to publish.
#[derive(Clone, Debug, PartialEq)]
pub struct Incoming {
    /// The message's id.
    pub id: MessageId,
    /// The channel.
    pub address: Address,
    /// The full `type`.
    pub kind: ByteString,
    /// The encoded payload, not yet checked.
    pub payload: Raw,
    /// The idempotency key.
    pub key: Option<ByteString>,
}

/// An event of a subscription.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivered {
    /// The channel.
    pub address: Address,
    /// The message's id.
    pub id: MessageId,
    /// The full `type`.
    pub kind: ByteString,
    /// The server's clock, in milliseconds since the Unix epoch.
    pub ts: u64,
    /// The position, on a channel that has positions.
    pub off: Option<u64>,
    /// The encoded payload, not yet checked.
    pub payload: Raw,
}
