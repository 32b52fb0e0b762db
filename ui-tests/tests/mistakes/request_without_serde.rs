//! A payload type of the user's own that cannot travel, sent and asked for.

use ws_proto::{Protocol, Requests};
use ws_runtime::Client;

#[derive(Protocol)]
#[protocol(name = "own", version = 1, requests = OwnRequest)]
struct Own;

#[derive(Debug)]
struct Query {
    words: String,
}

#[derive(Debug, Requests)]
enum OwnRequest {
    #[rpc(reply = ())]
    Search(Query), //~ ERROR: `Query` cannot travel as a payload
}

async fn search(client: &Client<Own>) {
    let _ = client.call(Query { words: "a".to_owned() }).await;
}

fn main() {}
