//! A call of a client with something that only clients ask, and the other way round.

use chat::{Chat, Confirm, Leave};
use ws_runtime::{Client, server::ClientHandle};

async fn leave(handle: &ClientHandle<Chat>) {
    let _ = handle.call(Leave { room: "lobby".to_owned() }).await;
    //~^ ERROR: is not a request of `ChatCallback`
    //~| add a variant to `ChatCallback`
}

async fn confirm(client: &Client<Chat>) {
    let _ = client.call(Confirm { text: "leave?".to_owned() }).await;
    //~^ ERROR: is not a request of `ChatRequest`
}

fn main() {}
