//! A request that answers once asked like one that streams.

use chat::{Chat, Join};
use ws_runtime::Client;

async fn read(client: &Client<Chat>) {
    let _ = client.stream(Join { room: "lobby".to_owned() }).next().await;
    //~^ ERROR: this request answers once: send it with `client.call(..)`
}

fn main() {}
