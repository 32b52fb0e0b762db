//! The protocol that the tests look at: every shape of payload, every role of message.

use crate::tables::{channel, event, protocol, request};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ws_proto::{
    __private::schema_of,
    ChannelSpec, Delivery, EventSpec, Never, RequestSpec, Resend,
    int::{Bounded, Text},
};

macro_rules! payloads {
    ($($item:item)+) => { $(
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
        $item
    )+ };
}

payloads! {
    /// Enter a room.
    pub(crate) struct Join {
        /// Its name.
        pub(crate) room: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub(crate) mood: Option<Mood>,
    }
    pub(crate) struct Joined {
        pub(crate) members: u32,
        pub(crate) me: User,
    }
    #[serde(rename_all = "snake_case")]
    pub(crate) enum JoinError {
        Full,
        Closed,
        Banned {
            #[serde(with = "ws_proto::int::bounded")]
            #[schemars(with = "Bounded")]
            until: u64,
        },
    }
    pub(crate) struct User {
        #[serde(with = "ws_proto::int::text")]
        #[schemars(with = "Text")]
        pub(crate) id: u64,
        /// Sent as null where there is none.
        pub(crate) avatar: Option<String>,
    }
    /// How one feels.
    #[serde(rename_all = "snake_case")]
    pub(crate) enum Mood {
        /// Fine.
        Good,
        /// Not so fine.
        #[deprecated]
        Bad,
    }
    pub(crate) struct Search {
        pub(crate) text: String,
        pub(crate) between: (u32, u32),
        pub(crate) author: Option<User>,
    }
    #[serde(tag = "kind", rename_all = "snake_case")]
    pub(crate) enum Hit {
        Message { text: String },
        Person(User),
        Nothing,
    }
    pub(crate) struct Said {
        pub(crate) by: User,
        pub(crate) text: String,
        /// Anything.
        pub(crate) extra: Box<Extra>,
    }
    pub(crate) struct Extra {
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub(crate) replies: Vec<Self>,
    }
    pub(crate) struct Keys {
        pub(crate) who: u32,
    }
}

pub(crate) const JOIN: RequestSpec = RequestSpec {
    doc: "Enter a room.",
    ordered: true,
    ..request::<Join, Joined, JoinError>(["join", "join.ok", "join.err"])
};
pub(crate) const SEARCH: RequestSpec = RequestSpec {
    item: Some("search.item"),
    item_schema: Some(schema_of::<Hit>),
    resend: Resend::Idempotent,
    since: 2,
    ..request::<Search, Vec<String>, Never>(["search", "search.ok", "search.err"])
};
pub(crate) const FIND: RequestSpec = RequestSpec {
    removed: Some(4),
    deprecated: Some("use search"),
    ..request::<String, (), Never>(["find", "find.ok", "find.err"])
};
pub(crate) const ROOM_EVENTS: &[EventSpec] = &[
    EventSpec { doc: "Somebody spoke.", ..event::<Said>("said") },
    EventSpec { since: 3, ..event::<User>("entered") },
];
pub(crate) const CHANNELS: &[ChannelSpec] = &[
    channel("room", Delivery::AtLeastOnce, ROOM_EVENTS),
    ChannelSpec {
        client_publish: true,
        fields: &["room", "team"],
        ..channel("typing", Delivery::BestEffort, &[event::<Keys>("keys"), event::<User>("who")])
    },
];

protocol!(chat, &[JOIN, SEARCH, FIND], CHANNELS);
protocol!(empty, &[], &[]);

/// The same protocol with other words for people.
pub(crate) mod reworded {
    use super::{CHANNELS, FIND, JOIN, RequestSpec, SEARCH, protocol};

    protocol!(
        chat,
        &[
            RequestSpec { doc: "Go into a room.", ..JOIN },
            SEARCH,
            RequestSpec { deprecated: Some("`search` is better"), ..FIND },
        ],
        CHANNELS
    );
}

/// The same protocol with one request less.
pub(crate) mod without_find {
    use super::{CHANNELS, JOIN, SEARCH, protocol};

    protocol!(chat, &[JOIN, SEARCH], CHANNELS);
}
