//! What the application tells its session.

use super::work::WorkId;
use bytestring::ByteString;
use std::{sync::Arc, time::Duration};
use ws_proto::{
    Address, Answer, Batch, CloseCode, Fault, Position, Publication, Raw, Secret,
    frame::{ClientLimits, Done, Gap, Hello, NotResumed, Unsubscribed},
};

/// Names a call or a publish of our application; chosen by it, unique within the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// A question that the session asked its application; answered with [`Command::Decide`] or
/// [`Command::Renewed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// Application -> session.
#[derive(Clone, Debug)]
pub enum Command {
    /// Client: a transport is there; greet with this hello. The session adds the limits.
    Connect(Box<Hello>),
    /// The transport is gone, with the close code that it brought, if any.
    Disconnected(Option<CloseCode>, String),
    /// Server: the answer to [`super::Event::Hello`].
    Accept(Box<Acceptance>),
    /// Server: the other answer to it.
    Refuse(CloseCode, Fault),
    /// Server: go on over a new connection, whose hello named this session. Ask
    /// [`super::Session::can_resume`] first.
    Resume(Box<Resumption>),
    /// Client: other credentials of the same principal, when [`super::Event::AuthRequired`] asks for
    /// them or at any other time.
    Auth(Secret),
    /// Server: the answer to [`super::Event::Auth`]: how long they last, if not for ever.
    Renewed(Ticket, Result<Option<Duration>, Fault>),
    /// End the connection; [`CloseCode::NORMAL`] ends the session too.
    Close(CloseCode, String),
    /// Server: take no new requests, tell the client when to come back, close when the running
    /// ones are answered or the time is up.
    Drain(Drain),

    /// Ask a request of the peer.
    Call(Box<Call>),
    /// The answer to a call is no longer wanted.
    Cancel(CallId),
    /// More items of a streaming call are wanted.
    Credit(CallId, u32),
    /// One part of an upload; needs credit, see [`super::Event::Granted`].
    Part(CallId, Raw),
    /// No more parts of an upload follow.
    End(CallId),
    /// The answer to [`super::Event::Request`]. A second one is ignored.
    Answer(WorkId, Answer),
    /// One item of a streaming request; needs credit, see [`super::Event::Credit`].
    Item(WorkId, Raw),
    /// So many parts of an upload were read, and no longer wait. The first one asks the peer for
    /// parts, and may say zero.
    Read(WorkId, u32),

    /// Client: listen to a channel, after the position if there is one.
    Subscribe(Address, Option<Position>),
    /// Client: stop listening.
    Unsubscribe(Address),
    /// Client: publish to a channel; answered like a call.
    Publish(Box<Publish>),
    /// Client: the application is done with the channel's events up to this position.
    Consumed(Address, u64),

    /// Server: the answer to [`super::Event::Subscribe`] or [`super::Event::Publish`].
    Decide(Ticket, Result<Done, Fault>),
    /// Server: the state of a channel, not older than this position. Before the `Decide` that lets
    /// a subscriber in, or for one that goes on from there.
    Snapshot(Address, u64, Raw),
    /// Server: send this to a subscriber. Ask [`super::Session::wants_deliveries`] first.
    Deliver(Address, Delivery),
    /// Server: after [`Command::Resume`], keep the snapshots of a channel back. What is behind them
    /// in the session stream waits, too.
    Withhold(Address),
    /// Server: the client may go on listening to it.
    Release(Address),
    /// Server: end a subscription, and what was kept back of it.
    EndSubscription(Address, Unsubscribed),
}

/// How the server takes a client in.
#[derive(Clone, Debug)]
pub struct Acceptance {
    /// The session's id.
    pub session: String,
    /// The right to resume it once.
    pub ticket: Secret,
    /// How long it is kept after the connection was lost.
    pub ttl: Duration,
    /// The name of this node, for logs.
    pub node: String,
    /// Why the session that the client asked for is not this one.
    pub not_resumed: Option<NotResumed>,
    /// How long the credentials last.
    pub expires_in: Option<Duration>,
}

/// How a session goes on over a new connection.
#[derive(Clone, Debug)]
pub struct Resumption {
    /// As for a new session; the ticket is a new one.
    pub acceptance: Acceptance,
    /// The highest `seq` of ours below which the client misses nothing.
    pub recv: u64,
    /// What the client takes now.
    pub limits: Option<ClientLimits>,
}

/// How a server takes leave.
#[derive(Clone, Debug)]
pub struct Drain {
    /// The window from which the client draws its first delay.
    pub retry_after: (Duration, Duration),
    /// Where to connect instead.
    pub endpoint: Option<String>,
    /// How long running requests may take.
    pub patience: Duration,
}

/// One request to the peer.
#[derive(Clone, Debug)]
pub struct Call {
    /// Names it towards our application.
    pub call: CallId,
    /// The `type`.
    pub kind: ByteString,
    /// The encoded payload.
    pub payload: Raw,
    /// How long the answer is worth waiting for.
    pub ttl: Option<Duration>,
    /// The idempotency key.
    pub key: Option<ByteString>,
    /// The first version that has this request, and the first that no longer has it.
    pub versions: (u32, Option<u32>),
    /// Items wanted at once; zero when the request does not stream.
    pub credit: u32,
}

/// One event from a client to a channel.
#[derive(Clone, Debug)]
pub struct Publish {
    /// Names it towards our application.
    pub call: CallId,
    /// The channel.
    pub address: Address,
    /// The full `type`: `typing.keys`.
    pub kind: ByteString,
    /// The encoded payload.
    pub payload: Raw,
    /// How long it is worth sending.
    pub ttl: Option<Duration>,
    /// The idempotency key.
    pub key: Option<ByteString>,
}

/// What a subscriber is sent.
#[derive(Clone, Debug)]
pub enum Delivery {
    /// An event that stands in the channel's log: sent in its turn, never dropped.
    Kept(Arc<Publication>),
    /// An event of a best-effort channel: dropped, and counted, when the connection is behind.
    Passing(Arc<Publication>),
    /// As [`Delivery::Kept`], several that follow each other in the log.
    KeptBatch(Arc<Batch>),
    /// As [`Delivery::Passing`], several: the oldest are dropped first.
    PassingBatch(Arc<Batch>),
    /// Events that will never come.
    Gap(Gap),
    /// The replay is over at this position.
    Live(u64),
}

impl Delivery {
    /// How many messages it is.
    pub(super) fn messages(&self) -> usize {
        match self {
            Self::KeptBatch(batch) | Self::PassingBatch(batch) => batch.events().len(),
            Self::Kept(_) | Self::Passing(_) | Self::Gap(_) | Self::Live(_) => 1,
        }
    }

    /// Of best-effort events, how many they are and their bytes.
    pub(super) fn passing(&self) -> Option<(usize, usize)> {
        match self {
            Self::Passing(event) => Some((1, event.size())),
            Self::PassingBatch(batch) => Some((batch.events().len(), batch.size())),
            Self::Kept(_) | Self::KeptBatch(_) | Self::Gap(_) | Self::Live(_) => None,
        }
    }
}

/// The application broke the rules of its own session. Nothing was sent; the text says what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Misuse {
    /// A command of the other side.
    #[error("only a {0} session takes this command")]
    WrongSide(super::Side),
    /// A connect on a session that has a connection.
    #[error("the session already has a connection: wait for `Event::Closed`")]
    AlreadyConnected,
    /// A resume of a session that has a connection, or whose peer misses too much.
    #[error("this session cannot go on from there: ask `can_resume` first")]
    CannotResume,
    /// Credentials while there is no connection, or while others are on their way.
    #[error("the credentials cannot be renewed now: wait for `Event::AuthRequired`")]
    CannotRenew,
    /// An answer to no question.
    #[error("no such question is open: answer each `Event` once")]
    UnknownTicket,
    /// A call id that is in use.
    #[error("this call id is in use: number the calls of a session")]
    CallInUse,
    /// A second subscription to one channel.
    #[error("already subscribed to this channel on this session: share the subscription")]
    AlreadySubscribed,
    /// An unsubscribe or an acknowledgement without a subscription.
    #[error("not subscribed to this channel")]
    NotSubscribed,
    /// More than the outbox holds.
    #[error("the outbox is full: ask `has_room` before each command that sends")]
    OutboxFull,
    /// A snapshot that does not fit into one message.
    #[error("the snapshot is larger than the peer takes: give less of the state")]
    SnapshotTooLarge,
    /// A stream item or a part without credit, or a part after the end.
    #[error("there is no credit: wait for `Event::Credit` or `Event::Granted`")]
    NoCredit,
}
