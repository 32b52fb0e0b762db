//! A channel and a request of one name, and an event whose name is that of a part.

use ws_proto::{Channels, Events, Protocol, Requests};

#[derive(Protocol)]
#[protocol(name = "own", version = 1, requests = OwnRequest, channels = OwnChannel)]
//~^ ERROR: `room.part` is both a part of the request `room` and an event of the channel `room`
struct Own;

#[derive(Debug, Requests)]
enum OwnRequest {
    #[rpc(reply = (), upload = String, name = "room")]
    Enter { id: String },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Channels)]
enum OwnChannel {
    #[channel(event = RoomEvent, delivery = best_effort)]
    Room { id: String },
}

#[derive(Clone, Debug, Events)]
enum RoomEvent {
    Part { text: String },
}

fn main() {}
