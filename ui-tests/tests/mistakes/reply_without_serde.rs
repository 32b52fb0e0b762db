//! An answer that cannot travel.

use ws_proto::{Protocol, Requests};
use ws_runtime::Client;

#[derive(Protocol)]
#[protocol(name = "own", version = 1, requests = OwnRequest)]
struct Own;

#[derive(Debug)]
struct Joined;

#[derive(Debug, Requests)]
enum OwnRequest {
    #[rpc(reply = Joined)] //~ ERROR: `Joined` cannot travel as a payload
    Join { room: String },
}

async fn enter(client: &Client<Own>) {
    let _ = client.call(Join { room: "lobby".to_owned() }).await;
}

fn main() {}
