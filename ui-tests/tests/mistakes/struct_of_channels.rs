//! A struct where each variant of an enum would be a channel.

use ws_proto::{Channels, Protocol};

#[derive(Protocol)]
#[protocol(name = "own", version = 1, channels = Room)]
struct Own;

#[derive(Clone, Debug, PartialEq, Eq, Hash, Channels)]
struct Room {
    //~^ ERROR: `#[derive(Channels)]` goes on an enum: each variant is one channel
    id: String,
}

fn main() {}
