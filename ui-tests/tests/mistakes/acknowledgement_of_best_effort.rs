//! Acknowledgements on a channel that has none.

use chat::{Chat, Typing};
use ws_runtime::Client;

async fn listen(client: &Client<Chat>) {
    let Ok(typing) = client.subscribe(Typing { room: "lobby".to_owned() }).await else { return };
    let _ = typing.manual_ack();
    //~^ ERROR: this channel is best-effort: there is nothing to acknowledge
    //~| declare it `#[channel(delivery = at_least_once)]` to get acknowledgements
}

fn main() {}
