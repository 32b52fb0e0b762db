//! The attribute of a channel on a request, that of a variant on the enum, and one on a field.

use ws_proto::Requests;

#[derive(Debug, Requests)]
#[rpc(reply = String)] //~ ERROR: `#[rpc(..)]` belongs on a variant of a request enum
enum OwnRequest {
    #[rpc(reply = ())]
    #[channel(delivery = best_effort)]
    //~^ ERROR: `#[channel(..)]` belongs on a variant of a channel enum
    Join { room: String },
    #[rpc(reply = ())]
    Leave {
        #[rpc(idempotent)] //~ ERROR: `#[rpc(..)]` belongs on a variant of a request enum
        room: String,
    },
}

fn main() {}
