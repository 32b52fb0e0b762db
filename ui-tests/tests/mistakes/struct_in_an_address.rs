//! A type of the user's own in a channel's address.

use ws_proto::{Channels, Events};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Topic(String);

#[derive(Clone, Debug, PartialEq, Eq, Hash, Channels)]
enum NewsChannel {
    #[channel(event = NewsEvent, delivery = best_effort)]
    News { topic: Topic }, //~ ERROR: `Topic` cannot stand in a channel address
}

#[derive(Clone, Debug, Events)]
enum NewsEvent {
    Told { text: String },
}

fn main() {}
