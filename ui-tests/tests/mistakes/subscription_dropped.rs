//! A subscription that ends in the line that made it, and an event held for ever.
#![deny(unused_must_use)]

use chat::{Chat, Room};
use ws_runtime::{Client, client::SubscribeError};

async fn listen(client: &Client<Chat>) -> Result<(), SubscribeError> {
    client.subscribe(Room { id: "lobby".to_owned() }).await?;
    //~^ ERROR: dropping a subscription ends it
    Ok(())
}

fn main() {}
