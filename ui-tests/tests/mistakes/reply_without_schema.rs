//! An answer with serde's derives and without `JsonSchema`.

use serde::{Deserialize, Serialize};
use ws_proto::Requests;

#[derive(Debug, Serialize, Deserialize)]
struct Joined {
    members: u32,
}

#[derive(Debug, Requests)]
enum OwnRequest {
    #[rpc(reply = Joined)] //~ ERROR: `Joined` cannot travel as a payload
    //~| put `#[derive(Serialize, Deserialize, JsonSchema)]` on `Joined`
    Join { room: String },
}

fn main() {}
