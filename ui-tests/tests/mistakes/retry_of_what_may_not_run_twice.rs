//! An automatic retry of a request that nobody declared safe to repeat.

use chat::{Chat, Join};
use ws_runtime::Client;

async fn enter(client: &Client<Chat>) {
    let _ = client.call(Join { room: "lobby".to_owned() }).retry(3).await;
    //~^ ERROR: this request may not run twice, so it cannot be retried automatically
    //~| put `#[rpc(idempotent)]` or `#[rpc(dedup)]` on its variant
}

fn main() {}
