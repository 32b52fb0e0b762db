//! Two callbacks, and no method for either at the client: one error that names both.

use chat::ChatCallbackHandler;
use ws_proto::Serve;

struct Own;

impl Serve for Own {
    type Principal = ();
}

impl ChatCallbackHandler for Own {}
//~^ ERROR: missing: `confirm`, `locate`

fn main() {}
