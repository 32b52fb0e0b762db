//! A client publishes to a channel that did not say `publish = client`.

use chat::{Chat, Room, RoomEvent};
use ws_runtime::Client;

async fn say(client: &Client<Chat>) {
    let event = RoomEvent::Said { text: "hello".to_owned() };
    let _ = client.publish(Room { id: "lobby".to_owned() }, &event).await;
    //~^ ERROR: clients may not publish to `ui_tests::Room`
    //~| put `#[channel(publish = client)]` on its variant in `ChatChannel`
}

fn main() {}
