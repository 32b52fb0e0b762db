//! A request that takes an upload asked like one that is a single message.

use ws_proto::{Protocol, Requests};
use ws_runtime::Client;

#[derive(Protocol)]
#[protocol(name = "own", version = 1, requests = OwnRequest)]
struct Own;

#[derive(Debug, Requests)]
enum OwnRequest {
    #[rpc(reply = u32, upload = String)]
    Import { name: String },
}

async fn import(client: &Client<Own>) {
    let _ = client.call(Import { name: "a".to_owned() }).await;
    //~^ ERROR: this request takes an upload: send it with `client.upload(..)`
}

fn main() {}
