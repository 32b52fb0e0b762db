//! Futures that nobody waits for.
#![deny(unused_must_use)]

use chat::{Chat, Room, RoomEvent, Typing, TypingEvent};
use ws_runtime::{Client, Server};

async fn tell(client: &Client<Chat>, server: &Server<Chat>) {
    let event = TypingEvent::Began { who: "ann".to_owned() };
    client.publish(Typing { room: "lobby".to_owned() }, &event);
    //~^ ERROR: an event is published when this is awaited
    let event = RoomEvent::Said { text: "hello".to_owned() };
    server.publish(Room { id: "lobby".to_owned() }, &event);
    //~^ ERROR: the event may not stand in the log until this is awaited
    client.subscribe(Room { id: "lobby".to_owned() });
    //~^ ERROR: a subscription is made when this is awaited
    client.clone().close(); //~ ERROR: futures do nothing unless you `.await` or poll them
}

fn main() {}
