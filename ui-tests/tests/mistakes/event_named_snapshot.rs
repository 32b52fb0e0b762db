//! An event whose name is that of its channel's snapshot.

use ws_proto::{Channels, Events, Protocol};

#[derive(Protocol)]
#[protocol(name = "own", version = 1, channels = OwnChannel)]
//~^ ERROR: `room.snapshot` is both the snapshot and an event of the channel `room`
struct Own;

#[derive(Clone, Debug, PartialEq, Eq, Hash, Channels)]
enum OwnChannel {
    #[channel(event = RoomEvent, delivery = at_least_once, snapshot = u32)]
    Room { id: String },
}

#[derive(Clone, Debug, Events)]
enum RoomEvent {
    Snapshot { text: String },
}

fn main() {}
