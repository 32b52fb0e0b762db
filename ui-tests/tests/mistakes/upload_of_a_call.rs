//! A request that is a single message sent like an upload.

use chat::{Chat, Join};
use ws_runtime::Client;

async fn send(client: &Client<Chat>) {
    let _ = client.upload(Join { room: "lobby".to_owned() });
    //~^ ERROR: this request takes no upload: send it with `client.call(..)`
}

fn main() {}
