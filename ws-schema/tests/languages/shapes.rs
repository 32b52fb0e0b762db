//! A protocol with something of everything that a contract has.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use ws_proto::{Channels, Events, Protocol, Requests, UnknownEvent};

/// A protocol with something of everything.
#[derive(Debug, Protocol)]
#[protocol(name = "all-shapes", version = 3, min_version = 1)]
#[protocol(requests = Asked, channels = Heard, callbacks = Back)]
pub struct AllShapes;

/// What clients ask.
#[derive(Debug, Requests)]
pub enum Asked {
    /// Every shape */ at once.
    #[rpc(reply = Shapes, error = Failed, idempotent)]
    Shape(Shapes),
    /// Items.
    #[rpc(reply = (), stream = Shapes)]
    Watch {},
    /// Parts.
    #[rpc(reply = Vec<Choice>, upload = String)]
    Import {
        /// A word that is reserved in other languages.
        class: String,
    },
    /// Only the newest version has it.
    #[rpc(reply = (), dedup, since = 3)]
    Late {},
}

/// What the server asks.
#[derive(Debug, Requests)]
pub enum Back {
    /// Yes or no.
    #[rpc(reply = bool)]
    Confirm {
        /// The question.
        text: String,
    },
}

/// What clients listen to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Channels)]
pub enum Heard {
    /// A room.
    #[channel(event = RoomEvent, delivery = at_least_once, history = 4, snapshot = Words)]
    Room {
        /// Its name.
        name: String,
        /// Its number.
        number: u32,
    },
    /// What clients write.
    #[channel(event = PenEvent, delivery = best_effort, publish = client)]
    Pen,
}

/// What happens in a room.
#[derive(Clone, Debug, PartialEq, Events)]
pub enum RoomEvent {
    /// Somebody came.
    Entered {
        /// Who.
        who: String,
    },
    /// What is newer than this.
    #[event(unknown)]
    Other(UnknownEvent),
}

/// What a pen does.
#[derive(Clone, Debug, PartialEq, Events)]
pub enum PenEvent {
    /// It drew.
    Drawn {
        /// Where.
        at: (f64, f64),
    },
}

/// Many shapes.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Shapes {
    /// May be absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maybe: Option<u32>,
    /// May be `null`.
    pub nullable: Option<String>,
    /// May be absent from clients.
    #[serde(default)]
    pub flag: bool,
    pub list: Vec<Option<Words>>,
    pub pair: (u32, u32),
    pub mixed: (u32, String),
    pub map: BTreeMap<String, Vec<u32>>,
    pub any: serde_json::Value,
    pub tagged: Choice,
    pub keyed: Failed,
    pub free: Untagged,
    #[serde(rename = "with-hyphen")]
    pub hyphen: bool,
    pub next: Option<Box<Self>>,
}

/// Words.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Words {
    /// The first.
    One,
    TwoThree,
}

/// Told apart by a tag.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Choice {
    Circle { radius: f64 },
    Square { side: f64 },
    Nothing,
}

/// Told apart by a key.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Failed {
    Full,
    Banned { until: u32 },
}

/// Not told apart.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Untagged {
    Text(String),
    Number(f64),
}
