//! A callback whose result a client would have to keep.

use ws_proto::{Protocol, Requests};

#[derive(Protocol)]
#[protocol(name = "own", version = 1, callbacks = OwnCallback)]
//~^ ERROR: `callbacks` has `pay`, which says `dedup`: a client keeps no results
struct Own;

#[derive(Debug, Requests)]
enum OwnCallback {
    #[rpc(reply = (), dedup)]
    Pay,
}

fn main() {}
