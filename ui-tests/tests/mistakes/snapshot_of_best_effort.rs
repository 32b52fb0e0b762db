//! A snapshot on a channel without positions.

use ws_proto::{Channels, Events};

#[derive(Clone, Debug, PartialEq, Eq, Hash, Channels)]
enum OwnChannel {
    #[channel(event = RoomEvent, delivery = best_effort, snapshot = u32)]
    //~^ ERROR: `snapshot` needs `delivery = at_least_once`
    Room { id: String },
}

#[derive(Clone, Debug, Events)]
enum RoomEvent {
    Said { text: String },
}

fn main() {}
