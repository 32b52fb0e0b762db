//! A client that says that it answers its server, and does not.

use chat::Chat;
use ws_proto::Serve;
use ws_runtime::Client;

struct Own;

impl Serve for Own {
    type Principal = ();
}

fn main() {
    let _ = Client::<Chat>::builder("ws://localhost").serve(Own);
    //~^ ERROR: `Own` does not serve `ChatCallback`
    //~| add `impl ChatCallbackHandler for Own`
}
