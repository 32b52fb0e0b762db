//! A subscription to something that is no channel of the protocol.

use chat::Chat;
use ws_runtime::Client;

struct Lobby;

async fn listen(client: &Client<Chat>) {
    let _ = client.subscribe(Lobby).await;
    //~^ ERROR: `Lobby` is not a channel of `ChatChannel`
}

fn main() {}
