//! A callback that takes an upload.

use ws_proto::{Protocol, Requests};

#[derive(Protocol)]
#[protocol(name = "own", version = 1, callbacks = OwnCallback)]
//~^ ERROR: `callbacks` has `import`, which takes an upload: a client takes none
struct Own;

#[derive(Debug, Requests)]
enum OwnCallback {
    #[rpc(reply = u32, upload = String)]
    Import,
}

fn main() {}
