//! `latest` where every event is delivered, and a history where none is kept.

use ws_proto::{Channels, Events};

#[derive(Clone, Debug, PartialEq, Eq, Hash, Channels)]
enum BoardChannel {
    #[channel(event = Moved, delivery = at_least_once, latest)]
    //~^ ERROR: `latest` needs `delivery = best_effort`
    Pointers,
    #[channel(event = Moved, delivery = best_effort, history_bytes = 9)]
    //~^ ERROR: `history_bytes` needs `delivery = at_least_once`
    Strokes,
    #[channel(event = Moved, delivery = at_least_once, history_secs = 0)]
    //~^ ERROR: `history_secs` expects a whole number from 1 to 4294967295
    Pages,
    #[channel(event = Moved, delivery = at_least_once, history_byte = 9)]
    //~^ ERROR: (did you mean `history_bytes`?)
    Books,
}

#[derive(Clone, Debug, Events)]
enum Moved {
    Moved {
        #[ws(latest)]
        x: f64, //~ ERROR: `f64` cannot be `#[ws(latest)]`
    },
}

fn main() {}
