//! A small chat: the protocol that the cases in `tests/mistakes` use wrongly.
//!
//! The cases see this crate as `chat`. `tests/mistakes.rs` compiles them and compares the errors
//! with the annotations in them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ws_proto::{Access, Authenticate, Authorize, Caller, Credentials, Fault, Items, Never};
use ws_proto::{Channels, Events, Protocol, Requests};

/// The protocol.
#[derive(Debug, Protocol)]
#[protocol(name = "chat", version = 2, requests = ChatRequest, channels = ChatChannel,
    callbacks = ChatCallback)]
pub struct Chat;

/// What can be asked.
#[derive(Debug, Requests)]
pub enum ChatRequest {
    /// Enters a room.
    #[rpc(reply = Joined, error = JoinError)]
    Join {
        /// The name of the room.
        room: String,
    },
    /// Leaves a room.
    #[rpc(reply = (), idempotent)]
    Leave {
        /// The name of the room.
        room: String,
    },
    /// Sends everything said so far, then says how much it was.
    #[rpc(reply = u32, stream = String)]
    History {
        /// The name of the room.
        room: String,
    },
}

/// What the server can ask.
#[derive(Debug, Requests)]
pub enum ChatCallback {
    /// Asks the person.
    #[rpc(reply = bool)]
    Confirm {
        /// The question.
        text: String,
    },
    /// Asks where the person is.
    #[rpc(reply = String, error = JoinError, idempotent)]
    Locate,
}

/// What can be listened to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Channels)]
pub enum ChatChannel {
    /// One room.
    #[channel(event = RoomEvent, delivery = at_least_once)]
    Room {
        /// The name of the room.
        id: String,
    },
    /// Who types in a room.
    #[channel(event = TypingEvent, delivery = best_effort, publish = client)]
    Typing {
        /// The name of the room.
        room: String,
    },
}

/// What happens in a room.
#[derive(Clone, Debug, Events)]
pub enum RoomEvent {
    /// Somebody said something.
    Said {
        /// The words.
        text: String,
    },
    /// Somebody left.
    Left {
        /// Who it was.
        who: String,
    },
}

/// Who types.
#[derive(Clone, Debug, Events)]
pub enum TypingEvent {
    /// Somebody began to type.
    Began {
        /// Who it is.
        who: String,
    },
}

/// The answer to [`Join`].
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Joined {
    /// How many are in the room.
    pub members: u32,
}

/// Why somebody may not enter.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub enum JoinError {
    /// There is no such room.
    NoSuchRoom,
}

/// An application without a mistake.
#[derive(Debug)]
pub struct App;

impl Authenticate for App {
    type Principal = String;

    async fn authenticate(&self, _: &Credentials) -> Result<String, Fault> {
        Ok("ann".to_owned())
    }
}

impl Authorize<ChatChannel> for App {
    async fn authorize(
        &self,
        _: &Caller<'_, String>,
        access: Access<'_, ChatChannel>,
    ) -> Result<(), Fault> {
        match access {
            Access::Subscribe(_) | Access::Publish(ChatChannel::Typing { .. }) => Ok(()),
            Access::Publish(ChatChannel::Room { .. }) => Err(Fault::forbidden("only we speak")),
        }
    }
}

impl ChatRequestHandler for App {
    async fn join(&self, _: &Caller<'_, String>, _: Join) -> Result<Joined, JoinError> {
        Ok(Joined { members: 1 })
    }

    async fn leave(&self, _: &Caller<'_, String>, _: Leave) -> Result<(), Never> {
        Ok(())
    }

    async fn history(
        &self,
        _: &Caller<'_, String>,
        _: History,
        mut items: Items<String>,
    ) -> Result<u32, Never> {
        match items.send(&"hello".to_owned()).await {
            Ok(()) => Ok(1),
            Err(_) => Ok(0),
        }
    }
}
