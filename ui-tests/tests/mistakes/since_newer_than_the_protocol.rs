//! A request that is newer than the version that the build speaks.

use ws_proto::{Protocol, Requests};

#[derive(Protocol)]
#[protocol(name = "own", version = 2, requests = OwnRequest)]
//~^ ERROR: `join` says `since = 5`, which is newer than the protocol's `version = 2`
struct Own;

#[derive(Debug, Requests)]
enum OwnRequest {
    #[rpc(reply = (), since = 5)]
    Join { room: String },
}

fn main() {}
