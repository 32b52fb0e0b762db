//! A channel that does not say what is promised about its events.

use ws_proto::{Channels, Events};

#[derive(Clone, Debug, PartialEq, Eq, Hash, Channels)]
enum NewsChannel {
    #[channel(event = NewsEvent)]
    News { topic: String },
    //~^ ERROR: `News` does not say what is promised about its events
    //~| write `delivery = at_least_once` or `delivery = best_effort` in its `#[channel(..)]`
}

#[derive(Clone, Debug, Events)]
enum NewsEvent {
    Told { text: String },
}

fn main() {}
