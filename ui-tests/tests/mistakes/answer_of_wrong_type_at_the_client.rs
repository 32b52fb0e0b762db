//! The answer is taken for something else.

use chat::{Chat, Join};
use ws_runtime::Client;

async fn enter(client: &Client<Chat>) {
    let answer = client.call(Join { room: "lobby".to_owned() }).await;
    if let Ok(joined) = answer {
        let name: String = joined; //~ ERROR: expected `String`, found `Joined`
    }
}

fn main() {}
