//! A handler publishes an event that the channel does not carry.

use chat::{Room, TypingEvent};
use ws_proto::Caller;

async fn tell(caller: &Caller<'_, ()>) {
    let event = TypingEvent::Began { who: "ann".to_owned() };
    let _ = caller.publish(Room { id: "lobby".to_owned() }, &event).await;
    //~^ ERROR: expected `&RoomEvent`, found `&TypingEvent`
}

fn main() {}
