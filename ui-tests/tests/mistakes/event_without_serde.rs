//! The payload of an event that cannot travel.

use ws_proto::Events;

#[derive(Clone, Debug)]
struct Line;

#[derive(Clone, Debug, Events)]
enum RoomEvent {
    Said(Line), //~ ERROR: `Line` cannot travel as a payload
}

fn main() {}
