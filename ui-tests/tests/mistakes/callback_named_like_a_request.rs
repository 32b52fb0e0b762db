//! A request and a callback of one `type`.

use ws_proto::{Protocol, Requests};

#[derive(Protocol)]
#[protocol(name = "own", version = 1, requests = OwnRequest, callbacks = OwnCallback)]
//~^ ERROR: `callbacks` has `ask`, which is a request of the clients too
struct Own;

#[derive(Debug, Requests)]
enum OwnRequest {
    #[rpc(reply = ())]
    Ask,
}

#[derive(Debug, Requests)]
enum OwnCallback {
    #[rpc(reply = (), name = "ask")]
    Question,
}

fn main() {}
