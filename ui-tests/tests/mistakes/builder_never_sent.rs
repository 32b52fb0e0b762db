//! Builders that nobody sends.
#![deny(unused_must_use)]

use chat::{Chat, History, Join, Leave};
use std::time::Duration;
use ws_runtime::Client;

async fn enter(client: &Client<Chat>) {
    client.call(Join { room: "lobby".to_owned() });
    //~^ ERROR: a call is sent when it is awaited
    client.call(Leave { room: "lobby".to_owned() }).retry(3).timeout(Duration::from_secs(1));
    //~^ ERROR: a call is sent when it is awaited
    client.stream(History { room: "lobby".to_owned() });
    //~^ ERROR: a stream brings nothing until it is read
    Client::<Chat>::builder("ws://localhost/");
    //~^ ERROR: a client is made by `.connect()` or `.connect_lazy()`
}

fn main() {}
