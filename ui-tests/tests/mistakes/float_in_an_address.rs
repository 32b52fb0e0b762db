//! A float has no one spelling, so it names no channel.

use ws_proto::{Channels, Events};

#[derive(Clone, Debug, PartialEq, Channels)]
enum NewsChannel {
    #[channel(event = NewsEvent, delivery = best_effort)]
    News { latitude: f64 }, //~ ERROR: `f64` cannot stand in a channel address
}

#[derive(Clone, Debug, Events)]
enum NewsEvent {
    Told { text: String },
}

fn main() {}
