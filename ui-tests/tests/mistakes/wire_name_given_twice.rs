//! Two requests with one name on the wire.

use ws_proto::Requests;

#[derive(Debug, Requests)]
enum OwnRequest {
    #[rpc(reply = ())]
    Join { room: String },
    #[rpc(reply = (), name = "join")] //~ ERROR: `join` is already the wire name of `Join`
    Enter { room: String },
}

fn main() {}
