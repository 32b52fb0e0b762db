//! A protocol whose enums are plain.

use ws_proto::Protocol;

#[derive(Protocol)]
#[protocol(name = "own", version = 1, requests = OwnRequest, channels = OwnChannel)]
//~^ ERROR: `OwnRequest` is not a request enum
//~| put `#[derive(Requests)]` on `OwnRequest`
//~^^^ ERROR: `OwnChannel` is not a channel enum
//~| put `#[derive(Channels)]` on `OwnChannel`
struct Own;

#[derive(Debug)]
enum OwnRequest {
    Join { room: String },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum OwnChannel {
    Room { id: String },
}

fn main() {}
