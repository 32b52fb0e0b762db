//! A word whose value is none of those it takes.

use ws_proto::{Channels, Events};

#[derive(Clone, Debug, PartialEq, Eq, Hash, Channels)]
enum NewsChannel {
    #[channel(event = NewsEvent, delivery = at_last_once)]
    //~^ ERROR: unknown value `at_last_once` of `delivery`
    //~| (did you mean `at_least_once`?)
    News { topic: String },
}

#[derive(Clone, Debug, Events)]
enum NewsEvent {
    Told { text: String },
}

fn main() {}
