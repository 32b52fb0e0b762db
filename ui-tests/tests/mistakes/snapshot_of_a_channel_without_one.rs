//! A client that asks for the snapshot of a channel that has none.

use chat::{Chat, Room};
use ws_runtime::Client;

async fn listen(client: &Client<Chat>) {
    let Ok(mut room) = client.subscribe(Room { id: "lobby".to_owned() }).await else { return };
    let _ = room.snapshot();
    //~^ ERROR: this channel has no snapshot
    //~| declare it `#[channel(delivery = at_least_once, snapshot = SomeState)]` to get one
}

fn main() {}
