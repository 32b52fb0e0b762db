//! A list in a channel's address.

use ws_proto::{Channels, Events};

#[derive(Clone, Debug, PartialEq, Eq, Hash, Channels)]
enum NewsChannel {
    #[channel(event = NewsEvent, delivery = best_effort)]
    News { topics: Vec<String> }, //~ ERROR: `Vec<String>` cannot stand in a channel address
}

#[derive(Clone, Debug, Events)]
enum NewsEvent {
    Told { text: String },
}

fn main() {}
