//! Seven mistakes in one enum: seven errors, each at the token to change.

use ws_proto::{Protocol, Requests};

#[derive(Protocol)]
#[protocol(name = "own", version = 3, requests = OwnRequest)]
struct Own;

#[derive(Debug, Requests)]
enum OwnRequest {
    #[rpc(replly = String)] //~ ERROR: unknown word `replly`
    Join,
    Leave, //~ ERROR: `Leave` does not say what answers it
    #[rpc(reply = (), idempotent = true)] //~ ERROR: `idempotent` takes no value
    Mute,
    #[rpc(reply = ())]
    Say(String, String), //~ ERROR: `Say` needs named fields, one payload type, or nothing
    #[rpc(reply = (), since = 3, removed = 3)]
    //~^ ERROR: `removed = 3` must be later than `since = 3`
    Kick,
    #[rpc(reply = ())]
    Pay(u64), //~ ERROR: `u64` can pass 2^53 - 1
    #[rpc(reply = (), name = "pay")] //~ ERROR: `pay` is already the wire name of `Pay`
    Give,
}

fn main() {}
