//! A callback that streams items.

use ws_proto::{Protocol, Requests};

#[derive(Protocol)]
#[protocol(name = "own", version = 1, callbacks = OwnCallback)]
//~^ ERROR: `callbacks` has `list`, which streams: a client answers once, so leave out `stream`
struct Own;

#[derive(Debug, Requests)]
enum OwnCallback {
    #[rpc(reply = u32, stream = String)]
    List,
}

fn main() {}
