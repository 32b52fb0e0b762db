//! The server publishes an event that the channel does not carry.

use chat::{Chat, Room, TypingEvent};
use ws_runtime::Server;

async fn tell(server: &Server<Chat>) {
    let event = TypingEvent::Began { who: "ann".to_owned() };
    let _ = server.publish(Room { id: "lobby".to_owned() }, &event).await;
    //~^ ERROR: expected `&RoomEvent`, found `&TypingEvent`
}

fn main() {}
