//! The application's handlers, and the faults of a network: `cargo test -p chat --test faults`
//!
//! Time is virtual, so that waiting for reconnects takes none.

use chat::{
    protocol::{Chat, Join, Post, Room, RoomEvent},
    server,
};
use std::{future::ready, time::Duration};
use ws_proto::Position;
use ws_runtime::{
    Client, Server, ServerConfig,
    testing::{self, Faults},
};

const MESSAGES: usize = 40;
const LONG: Duration = Duration::from_secs(3600);

#[tokio::test(start_paused = true)]
async fn a_second_reader_gets_every_message_once_and_in_order() {
    let counts = Faults::each_seed(0..10, |faults| async move {
        let server = server(ServerConfig::default(), LONG).unwrap();
        let ann = guest(&server, &faults, "ann").await;
        let bob = guest(&server, &faults, "bob").await;
        let room = || "lobby".to_owned();
        ann.call(Join { room: room() }).await.unwrap();
        let joined = bob.call(Join { room: room() }).await.unwrap();
        let since = Position { epoch: joined.epoch, off: joined.off };
        let mut events = bob.subscribe_since(Room { name: room() }, Some(since)).await.unwrap();
        let texts: Vec<String> = (0..MESSAGES).map(|number| number.to_string()).collect();
        for text in &texts {
            ann.call(Post { room: room(), text: text.clone() }).await.unwrap();
        }
        faults.calm();
        ann.call(Post { room: room(), text: "the end".to_owned() }).await.unwrap();
        let mut heard = Vec::new();
        loop {
            match events.next().await {
                Some(Ok(RoomEvent::Said(said))) if said.text == "the end" => break,
                Some(Ok(RoomEvent::Said(said))) => heard.push(said.text),
                other => panic!("after {}: {other:?}", heard.len()),
            }
        }
        assert_eq!(heard, texts);
    })
    .await;
    assert!(counts.lost() > 20, "{counts}");
}

async fn guest(server: &Server<Chat>, faults: &Faults, name: &'static str) -> Client<Chat> {
    // A partition is noticed after 40 s, and a call outlives several.
    let builder = testing::builder(server)
        .token(move || ready(name.to_owned()))
        .call_timeout(Some(Duration::from_secs(600)));
    testing::connect_with(server, faults, builder).await.unwrap()
}
