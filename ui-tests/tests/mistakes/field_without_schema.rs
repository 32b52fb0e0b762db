//! A field of a struct variant whose type has serde's derives and no schema.

use serde::{Deserialize, Serialize};
use ws_proto::Requests;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Room {
    id: String,
}

#[derive(Debug, Requests)]
enum OwnRequest {
    #[rpc(reply = ())]
    Join { room: Room },
    //~^ ERROR: `Room: ws_proto::__private::schemars::JsonSchema` is not satisfied
}

fn main() {}
