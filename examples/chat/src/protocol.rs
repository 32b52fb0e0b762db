//! What the chat's clients and its server say to each other: three enums and their payloads.
//!
//! A variant is a message, its fields are the payload, its documentation is the schema's. The
//! contract for other languages is `schema/chat.json`.
//!
//! Version 2 brought the topics of rooms. Clients of version 1 are still welcome: what has
//! `since = 2` is not sent to them, and they notice nothing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ws_proto::{Channels, Events, Never, Protocol, Requests, UnknownEvent, int};

/// One line ties the enums together: `Server<Chat>` and `Client<Chat>` follow from it.
#[derive(Debug, Protocol)]
#[protocol(
    name = "chat",
    version = 2,
    min_version = 1,
    requests = ChatRequest,
    channels = ChatChannel
)]
pub struct Chat;

/// What a client asks. Each request has exactly one answer.
#[derive(Debug, Requests)]
#[requests(handler = ChatHandler, call = ChatCall)]
pub enum ChatRequest {
    /// Which rooms there are.
    #[rpc(reply = Rooms, error = Never, idempotent)]
    ListRooms {},

    /// Enter a room; the first to enter opens it. Needed before anything else is done there.
    /// Entering twice is entering once.
    #[rpc(reply = Joined, error = JoinError, idempotent)]
    Join {
        /// 1 to 32 characters, at most 64 bytes, without control characters or space at the ends.
        room: String,
    },

    /// Leave a room. Subscriptions to it are the client's to end.
    #[rpc(reply = (), error = Never, idempotent)]
    Leave {
        /// Which one.
        room: String,
    },

    /// Say something to everybody in a room.
    #[rpc(reply = Posted, error = PostError, ordered)]
    Post {
        /// The room; the client must have joined it.
        room: String,
        /// 1 to 4,000 bytes.
        text: String,
    },

    /// What was said before: one item per message, the oldest first.
    #[rpc(reply = HistoryEnd, error = HistoryError, stream = Message)]
    History {
        /// The room; the client must have joined it.
        room: String,
        /// How many messages at most; the room keeps 256.
        limit: u32,
    },

    /// Say what a room is about.
    #[rpc(reply = (), error = TopicError, idempotent, since = 2)]
    SetTopic {
        /// The room; the client must have joined it.
        room: String,
        /// At most 200 bytes; an empty one takes the topic away.
        topic: String,
    },
}

/// What a client can listen to. A value is an address: `Room { name: "lobby" }` is `room/lobby`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Channels)]
pub enum ChatChannel {
    /// What happens in one room: every event arrives, in order, also across a lost connection.
    #[channel(event = RoomEvent, delivery = at_least_once, history = 256)]
    Room {
        /// The room's name.
        name: String,
    },

    /// Who is typing in a room: an event that is missed does not matter.
    #[channel(event = TypingEvent, delivery = best_effort, publish = client)]
    Typing {
        /// The room's name.
        room: String,
    },

    /// Which rooms open and close, and how many people are in each.
    #[channel(event = LobbyEvent, delivery = at_least_once, history = 64)]
    Lobby,
}

/// What happens in a room.
#[derive(Clone, Debug, PartialEq, Events)]
pub enum RoomEvent {
    /// Somebody said something.
    Said(Message),
    /// Somebody came in.
    Entered {
        /// Their name.
        who: String,
    },
    /// Somebody left, or was away for too long.
    Left {
        /// Their name.
        who: String,
    },
    /// Somebody said what the room is about.
    #[event(since = 2)]
    TopicSet {
        /// Who did.
        by: String,
        /// The topic; empty when there is none any more.
        topic: String,
    },
    /// What a newer server sends and this build does not know.
    #[event(unknown)]
    Other(UnknownEvent),
}

/// Who is typing.
#[derive(Clone, Debug, PartialEq, Events)]
pub enum TypingEvent {
    /// A key was pressed; clients send this at most once in two seconds.
    Keys {
        /// The name that the sender gives: nobody checks it, so show it and rely on nothing.
        who: String,
    },
}

/// What happens to the rooms.
#[derive(Clone, Debug, PartialEq, Events)]
pub enum LobbyEvent {
    /// A room opened.
    RoomOpened {
        /// Its name.
        room: String,
    },
    /// An empty room was closed, to make place for another.
    RoomClosed {
        /// Its name.
        room: String,
    },
    /// Somebody came into a room or left it.
    Members {
        /// Its name.
        room: String,
        /// How many are in it now.
        count: u32,
    },
    /// What a newer server sends and this build does not know.
    #[event(unknown)]
    Other(UnknownEvent),
}

/// All rooms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Rooms {
    /// By name.
    pub rooms: Vec<RoomInfo>,
}

/// One room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RoomInfo {
    /// Its name.
    pub name: String,
    /// How many are in it.
    pub members: u32,
}

/// The state of a room, and the place in its channel from which it goes on. A subscription
/// `since` this place misses nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Joined {
    /// Who is in the room, by name.
    pub members: Vec<String>,
    /// What the room is about. Servers of version 1 do not say it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub topic: String,
    /// Names the log of the room's channel.
    pub epoch: String,
    /// The last event that the members above include.
    #[serde(with = "int::bounded")]
    #[schemars(with = "int::Bounded")]
    pub off: u64,
}

/// Why somebody may not enter a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JoinError {
    /// The name is empty, too long, or has characters that a name may not have.
    BadName,
    /// The room holds no more people.
    Full,
    /// There are as many rooms as there may be, and somebody is in each of them.
    TooManyRooms,
}

/// A message stands in the room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Posted {
    /// The number of the message.
    #[serde(with = "int::bounded")]
    #[schemars(with = "int::Bounded")]
    pub number: u64,
}

/// Why a message was not posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PostError {
    /// The sender has not joined the room.
    NotAMember,
    /// The text has more than 4,000 bytes.
    TooLong,
    /// The text has nothing but white space.
    Empty,
}

/// Something that was said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Message {
    /// Rises with each message, also when the server restarts: a client knows what it has seen.
    #[serde(with = "int::bounded")]
    #[schemars(with = "int::Bounded")]
    pub number: u64,
    /// Who said it.
    pub by: String,
    /// What was said.
    pub text: String,
    /// When: milliseconds since the Unix epoch, by the server's clock.
    #[serde(with = "int::bounded")]
    #[schemars(with = "int::Bounded")]
    pub at: u64,
}

/// All of the history that was asked for was sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryEnd {
    /// How many older messages the room keeps, past the limit.
    pub older: u32,
}

/// Why there is no history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HistoryError {
    /// The caller has not joined the room.
    NotAMember,
}

/// Why a room's topic stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TopicError {
    /// The sender has not joined the room.
    NotAMember,
    /// The topic has more than 200 bytes, or characters that move the cursor.
    BadTopic,
}
