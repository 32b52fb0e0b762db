//! What is said. The names are those of the transcripts in `docs/sessions`, so that these can be
//! played against it; the contract for other languages is `schema/conformance.json`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ws_proto::{Channels, Events, Protocol, Requests, UnknownEvent};

/// The protocol that a server or a client under test speaks.
#[derive(Debug, Protocol)]
#[protocol(
    name = "conformance",
    version = 3,
    min_version = 1,
    requests = ConformanceRequest,
    callbacks = TesteeRequest,
    channels = ConformanceChannel
)]
pub struct Conformance;

/// What a client asks.
#[derive(Debug, Requests)]
#[requests(handler = ConformanceHandler)]
pub enum ConformanceRequest {
    /// Answers at once. The room `full` is full.
    #[rpc(reply = Members, error = JoinError)]
    Join {
        /// Which room.
        room: Option<String>,
    },
    /// Answers at once; version 3 has it no more.
    #[rpc(reply = (), removed = 3)]
    Leave {
        /// Which room.
        room: Option<String>,
    },
    /// Answers at once; version 1 does not have it.
    #[rpc(reply = (), since = 2)]
    Whisper {
        /// To whom.
        to: Option<String>,
    },
    /// Publishes `said` to a room, after the one before was published, and then answers.
    #[rpc(reply = (), ordered)]
    Say {
        /// The name of the channel `room`; `lobby` where nothing is said.
        room: Option<String>,
        /// What is said.
        text: String,
    },
    /// Publishes `pinned` to a board, and then answers.
    #[rpc(reply = ())]
    Pin {
        /// The name of the channel `board`.
        board: String,
        /// What is pinned.
        text: String,
    },
    /// Sends the items 1, 2, 3 and so on. The room `gone` breaks off after the first.
    #[rpc(reply = HistoryEnd, error = HistoryError, stream = Number)]
    History {
        /// Which room.
        room: Option<String>,
        /// How many items; 3 where nothing is said.
        count: Option<u32>,
    },
    /// Counts the parts. The name `known` is answered with an error before the first is read, and
    /// of the name `unread` none is ever read.
    #[rpc(reply = Parts, error = ImportError, upload = Number)]
    Import {
        /// What is brought.
        name: Option<String>,
    },
    /// Answers after a while; it is acknowledged when it was handled.
    #[rpc(reply = (), ack = handled)]
    Save {
        /// Milliseconds; 0 where nothing is said.
        wait_ms: Option<u32>,
    },
    /// Says it back. It may be sent again.
    #[rpc(reply = Text, idempotent)]
    Echo {
        /// What to say.
        text: String,
    },
    /// Answers after a while. A `$cancel` stops it.
    #[rpc(reply = (), cancel)]
    Wait {
        /// Milliseconds.
        ms: u32,
    },
    /// Brings an answer of so many letters.
    #[rpc(reply = Text)]
    Large {
        /// How many.
        letters: u32,
    },
    /// Answers with how often a payment was made. The same key pays once.
    #[rpc(reply = Payments, dedup)]
    Pay {},
    /// Fails.
    #[rpc(reply = ())]
    Crash {},
    /// Asks the client `confirm`, and answers with what it answered.
    #[rpc(reply = Yes, error = Busy)]
    Ask {
        /// What to ask.
        text: String,
    },
    /// Ends the caller's subscription to a room, then answers.
    #[rpc(reply = ())]
    Revoke {
        /// The name of the channel `room`.
        room: String,
    },
    /// Ends the caller's session: 4701.
    #[rpc(reply = ())]
    Kick {},
}

/// What the server asks.
#[derive(Debug, Requests)]
#[requests(handler = TesteeHandler)]
pub enum TesteeRequest {
    /// The testee answers yes; to the text `busy` with the typed error, to `wait` never.
    #[rpc(reply = Yes, error = Busy)]
    Confirm {
        /// What is asked.
        text: Option<String>,
    },
    /// The testee answers `here`; version 1 does not have it.
    #[rpc(reply = Text, since = 2)]
    Locate {},
}

/// What a client listens to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Channels)]
pub enum ConformanceChannel {
    /// Everything arrives. Everybody may listen and publish, but not in the room `private`.
    #[channel(event = RoomEvent, delivery = at_least_once, history = 8, publish = client)]
    Room {
        /// Its name.
        name: String,
    },
    /// The same with a state to start from: the texts that were pinned.
    #[channel(
        event = RoomEvent,
        delivery = at_least_once,
        history = 4,
        snapshot = BoardState
    )]
    Board {
        /// Its name.
        name: String,
    },
    /// What may be missed.
    #[channel(event = TypingEvent, delivery = best_effort, publish = client)]
    Typing {
        /// The name of the room.
        room: String,
    },
}

/// What happens in a room.
#[derive(Clone, Debug, PartialEq, Events)]
pub enum RoomEvent {
    /// Somebody said something.
    Said {
        /// What.
        text: String,
    },
    /// Something was pinned.
    #[event(since = 3)]
    Pinned {
        /// What.
        text: String,
    },
    /// What a newer server sends and this build does not know.
    #[event(unknown)]
    Other(UnknownEvent),
}

/// What may be missed.
#[derive(Clone, Debug, PartialEq, Events)]
pub enum TypingEvent {
    /// A key was pressed.
    Keys {
        /// By whom.
        who: String,
    },
}

/// Who is in a room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Members {
    /// How many.
    pub members: u32,
}

/// Why somebody may not enter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JoinError {
    /// The room holds no more.
    Full {
        /// How many it holds.
        limit: u32,
    },
}

/// An item, or a part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Number {
    /// The number.
    pub n: u32,
}

/// The end of a history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryEnd {
    /// Whether there is more.
    pub more: bool,
}

/// Why a history breaks off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryError {
    /// The room is gone.
    pub gone: bool,
}

/// How many parts came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Parts {
    /// How many.
    pub parts: u32,
}

/// Why nothing is imported.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ImportError {
    /// It is there already.
    pub known: bool,
}

/// A text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Text {
    /// The text.
    pub text: String,
}

/// How often was paid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Payments {
    /// How often, on this server.
    pub count: u32,
}

/// An answer to a question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Yes {
    /// Whether.
    pub yes: bool,
}

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Busy {
    /// For people.
    pub why: String,
}

/// What was pinned to a board.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BoardState {
    /// Each text, in order.
    pub texts: Vec<String>,
}
