//! A call with something that is no request of the protocol.

use chat::Chat;
use ws_runtime::Client;

struct Kick {
    who: String,
}

async fn kick(client: &Client<Chat>) {
    let _ = client.call(Kick { who: "bob".to_owned() }).await;
    //~^ ERROR: `Kick` is not a request of `ChatRequest`
    //~| add a variant to `ChatRequest`
}

fn main() {}
