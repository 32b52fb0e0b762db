//! A request that was gone before it came.

use ws_proto::Requests;

#[derive(Debug, Requests)]
enum OwnRequest {
    #[rpc(reply = (), since = 3, removed = 2)]
    //~^ ERROR: `removed = 2` must be later than `since = 3`
    Join { room: String },
}

fn main() {}
