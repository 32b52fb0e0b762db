//! A snapshot that cannot travel.

use ws_proto::{Channels, Events};

#[derive(Clone, Debug, PartialEq, Eq, Hash, Channels)]
enum OwnChannel {
    #[channel(event = RoomEvent, delivery = at_least_once, snapshot = RoomState)]
    //~^ ERROR: `RoomState` cannot travel as a payload
    //~| put `#[derive(Serialize, Deserialize, JsonSchema)]` on `RoomState`
    Room { id: String },
}

#[derive(Clone, Debug, Events)]
enum RoomEvent {
    Said { text: String },
}

struct RoomState;

fn main() {}
