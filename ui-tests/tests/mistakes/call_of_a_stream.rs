//! A streaming request asked like one that answers once.

use chat::{Chat, History};
use ws_runtime::Client;

async fn read(client: &Client<Chat>) {
    let _ = client.call(History { room: "lobby".to_owned() }).await;
    //~^ ERROR: this request streams items: send it with `client.stream(..)`
}

fn main() {}
