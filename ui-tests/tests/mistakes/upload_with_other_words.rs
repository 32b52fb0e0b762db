//! What an upload cannot be besides; its use is no further mistake.

use ws_proto::{Protocol, Requests};
use ws_runtime::Client;

#[derive(Protocol)]
#[protocol(name = "own", version = 1, requests = OwnRequest)]
struct Own;

#[derive(Debug, Requests)]
enum OwnRequest {
    #[rpc(reply = (), upload = String, dedup)]
    //~^ ERROR: `upload` and `dedup` exclude each other: parts are not kept once they are sent
    Import,
    #[rpc(reply = (), idempotent, upload = String)]
    //~^ ERROR: `upload` and `idempotent` exclude each other
    Again,
    #[rpc(reply = (), stream = u32, upload = String)]
    //~^ ERROR: `upload` and `stream` exclude each other: make two requests of it
    Both,
    #[rpc(reply = (), upload = String, ack = handled)]
    //~^ ERROR: `upload` and `ack = handled` exclude each other
    Held,
    #[rpc(reply = (), uplod = String)] //~ ERROR: (did you mean `upload`?)
    Misspelt,
}

async fn import(client: &Client<Own>) {
    let mut upload = client.upload(Import {});
    let _ = upload.send(&String::new()).await;
}

fn main() {}
