//! A callback of a version that there is not yet.

use ws_proto::{Protocol, Requests};

#[derive(Protocol)]
#[protocol(name = "own", version = 1, callbacks = OwnCallback)]
//~^ ERROR: `ask` says `since = 2`, which is newer than the protocol's `version = 1`
struct Own;

#[derive(Debug, Requests)]
enum OwnCallback {
    #[rpc(reply = (), since = 2)]
    Ask,
}

fn main() {}
