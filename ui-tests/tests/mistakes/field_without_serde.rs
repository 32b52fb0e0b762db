//! A field of a struct variant whose type cannot travel. The derives of serde and schemars speak
//! for themselves, once for each thing that they do with the field.

use ws_proto::Requests;

#[derive(Clone, Debug)]
struct Room {
    id: String,
}

#[derive(Debug, Requests)]
enum OwnRequest {
    #[rpc(reply = ())]
    Join { room: Room },
    //~^ ERROR: the trait bound `Room: serde::Deserialize<'de>` is not satisfied
    //~| for local types consider adding `#[derive(serde::Deserialize)]` to your `Room` type
    //~^^^ ERROR: `Room: ws_proto::__private::schemars::JsonSchema` is not satisfied
    //~ ALSO: the trait bound `Room: serde::Serialize` is not satisfied
    //~ ALSO: the trait bound `Room: serde::Deserialize<'de>` is not satisfied
}

fn main() {}
