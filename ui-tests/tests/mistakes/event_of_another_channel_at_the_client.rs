//! The client publishes an event that the channel does not carry.

use chat::{Chat, RoomEvent, Typing};
use ws_runtime::Client;

async fn tell(client: &Client<Chat>) {
    let event = RoomEvent::Said { text: "hello".to_owned() };
    let _ = client.publish(Typing { room: "lobby".to_owned() }, &event).await;
    //~^ ERROR: expected `&TypingEvent`, found `&RoomEvent`
}

fn main() {}
