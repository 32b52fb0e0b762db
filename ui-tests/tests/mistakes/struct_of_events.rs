//! A struct where each variant of an enum would be an event.

use ws_proto::{Channels, Events};

#[derive(Clone, Debug, PartialEq, Eq, Hash, Channels)]
enum OwnChannel {
    #[channel(event = Said, delivery = best_effort)]
    Room { id: String },
}

#[derive(Clone, Debug, Events)]
struct Said {
    //~^ ERROR: `#[derive(Events)]` goes on an enum: each variant is one event
    text: String,
}

fn main() {}
