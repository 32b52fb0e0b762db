//! A listener that forgets an event.

use chat::RoomEvent;

fn show(event: &RoomEvent) {
    match event {
        //~^ ERROR: `&RoomEvent::Left { .. }` not covered
        RoomEvent::Said { text } => println!("{text}"),
    }
}

fn main() {}
