//! The chat's protocol as its version 1 was published: `schema/history/chat-1.json`, in Rust. It is
//! not changed any more.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ws_proto::{Channels, Events, Never, Protocol, Requests, UnknownEvent, int};

/// One line ties the enums together: `Server<Chat>` and `Client<Chat>` follow from it.
#[derive(Debug, Protocol)]
#[protocol(name = "chat", version = 1, requests = ChatRequest, channels = ChatChannel)]
pub(crate) struct Chat;

/// What a client asks. Each request has exactly one answer.
#[derive(Debug, Requests)]
#[requests(handler = ChatHandler, call = ChatCall)]
pub(crate) enum ChatRequest {
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
}

/// What a client can listen to. A value is an address: `Room { name: "lobby" }` is `room/lobby`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Channels)]
pub(crate) enum ChatChannel {
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
pub(crate) enum RoomEvent {
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
    /// What a newer server sends and this build does not know.
    #[event(unknown)]
    Other(UnknownEvent),
}

/// Who is typing.
#[derive(Clone, Debug, PartialEq, Events)]
pub(crate) enum TypingEvent {
    /// A key was pressed; clients send this at most once in two seconds.
    Keys {
        /// The name that the sender gives: nobody checks it, so show it and rely on nothing.
        who: String,
    },
}

/// What happens to the rooms.
#[derive(Clone, Debug, PartialEq, Events)]
pub(crate) enum LobbyEvent {
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
pub(crate) struct Rooms {
    /// By name.
    pub(crate) rooms: Vec<RoomInfo>,
}

/// One room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct RoomInfo {
    /// Its name.
    pub(crate) name: String,
    /// How many are in it.
    pub(crate) members: u32,
}

/// The state of a room, and the place in its channel from which it goes on. A subscription
/// `since` this place misses nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Joined {
    /// Who is in the room, by name.
    pub(crate) members: Vec<String>,
    /// Names the log of the room's channel.
    pub(crate) epoch: String,
    /// The last event that the members above include.
    #[serde(with = "int::bounded")]
    #[schemars(with = "int::Bounded")]
    pub(crate) off: u64,
}

/// Why somebody may not enter a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum JoinError {
    /// The name is empty, too long, or has characters that a name may not have.
    BadName,
    /// The room holds no more people.
    Full,
    /// There are as many rooms as there may be, and somebody is in each of them.
    TooManyRooms,
}

/// A message stands in the room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Posted {
    /// The number of the message.
    #[serde(with = "int::bounded")]
    #[schemars(with = "int::Bounded")]
    pub(crate) number: u64,
}

/// Why a message was not posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PostError {
    /// The sender has not joined the room.
    NotAMember,
    /// The text has more than 4,000 bytes.
    TooLong,
    /// The text has nothing but white space.
    Empty,
}

/// Something that was said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Message {
    /// Rises with each message, also when the server restarts: a client knows what it has seen.
    #[serde(with = "int::bounded")]
    #[schemars(with = "int::Bounded")]
    pub(crate) number: u64,
    /// Who said it.
    pub(crate) by: String,
    /// What was said.
    pub(crate) text: String,
    /// When: milliseconds since the Unix epoch, by the server's clock.
    #[serde(with = "int::bounded")]
    #[schemars(with = "int::Bounded")]
    pub(crate) at: u64,
}

/// All of the history that was asked for was sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct HistoryEnd {
    /// How many older messages the room keeps, past the limit.
    pub(crate) older: u32,
}

/// Why there is no history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HistoryError {
    /// The caller has not joined the room.
    NotAMember,
}
