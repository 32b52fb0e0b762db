//! Clients and servers of different ages, over real sockets: `cargo test -p chat --test older`

mod version_1;

use chat::protocol as present;
use std::{fs, future, net::SocketAddr, time::Duration};
use version_1 as past;
use ws_proto::{
    Access, Authenticate, Authorize, Caller, Credentials, Fault, Format, Items, Never, Position,
    Protocol, schema,
};
use ws_runtime::{CallError, Client, ConnState, Outcome, Server, ServerConfig};

const ROOM: &str = "lobby";

/// The server of version 1, as far as these tests go.
struct OldApp;

impl Authenticate for OldApp {
    type Principal = ();

    async fn authenticate(&self, _: &Credentials) -> Result<(), Fault> {
        Ok(())
    }
}

impl Authorize<past::ChatChannel> for OldApp {
    async fn authorize(
        &self,
        _: &Caller<'_, ()>,
        _: Access<'_, past::ChatChannel>,
    ) -> Result<(), Fault> {
        Ok(())
    }
}

impl past::ChatHandler for OldApp {
    async fn list_rooms(
        &self,
        _: &Caller<'_, ()>,
        _: past::ListRooms,
    ) -> Result<past::Rooms, Never> {
        Ok(past::Rooms { rooms: Vec::new() })
    }

    async fn join(
        &self,
        caller: &Caller<'_, ()>,
        req: past::Join,
    ) -> Result<past::Joined, past::JoinError> {
        let entered = past::RoomEvent::Entered { who: "ann".to_owned() };
        let room = past::Room { name: req.room };
        let Position { epoch, off } = caller.publish(room, &entered).await.unwrap().unwrap();
        Ok(past::Joined { members: vec!["ann".to_owned()], epoch, off })
    }

    async fn leave(&self, _: &Caller<'_, ()>, _: past::Leave) -> Result<(), Never> {
        Ok(())
    }

    async fn post(
        &self,
        caller: &Caller<'_, ()>,
        req: past::Post,
    ) -> Result<past::Posted, past::PostError> {
        let by = "ann".to_owned();
        let said = past::Message { number: 1, by, text: req.text, at: 0 };
        let room = past::Room { name: req.room };
        caller.publish(room, &past::RoomEvent::Said(said)).await.unwrap();
        Ok(past::Posted { number: 1 })
    }

    async fn history(
        &self,
        _: &Caller<'_, ()>,
        _: past::History,
        _: Items<past::Message>,
    ) -> Result<past::HistoryEnd, past::HistoryError> {
        Err(past::HistoryError::NotAMember)
    }
}

/// The address of a server of today.
async fn new_server() -> SocketAddr {
    let server = chat::server(ServerConfig::default(), Duration::from_secs(20)).unwrap();
    server.spawn("127.0.0.1:0").await.unwrap()
}

async fn client<P: Protocol>(server: SocketAddr, name: &'static str, format: Format) -> Client<P> {
    Client::builder(format!("ws://{server}/ws"))
        .token(move || future::ready(name.to_owned()))
        .format(format)
        .connect()
        .await
        .unwrap()
}

fn version<P: Protocol>(client: &Client<P>) -> u32 {
    match *client.state().borrow() {
        ConnState::Ready { version } => version,
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn the_frozen_types_are_those_of_the_published_contract() {
    let published = fs::read_to_string("../../schema/history/chat-1.json").unwrap();
    let published = serde_json::from_str(&published).unwrap();
    let frozen = schema::document::<past::Chat>().unwrap();
    // Not by their text: a contract is written a little differently than it was then.
    for (old, new) in [(&published, &frozen), (&frozen, &published)] {
        let report = ws_schema::check(old, new);
        assert!(report.findings().is_empty(), "{}", report);
        assert!(report.not_compared().is_empty(), "{}", report);
    }
}

#[tokio::test]
async fn a_client_of_version_1_misses_nothing_and_sees_nothing_of_version_2() {
    for format in [Format::Json, Format::MessagePack] {
        let server = new_server().await;
        let old: Client<past::Chat> = client(server, "ann", format).await;
        let new: Client<present::Chat> = client(server, "bob", format).await;
        assert_eq!((version(&old), version(&new)), (1, 2));

        let joined = old.call(past::Join { room: ROOM.to_owned() }).await.unwrap();
        let since = Position { epoch: joined.epoch, off: joined.off };
        let room = past::Room { name: ROOM.to_owned() };
        let mut heard = old.subscribe_since(room, Some(since)).await.unwrap();
        new.call(present::Join { room: ROOM.to_owned() }).await.unwrap();
        let (room, topic) = (ROOM.to_owned(), "tea".to_owned());
        new.call(present::SetTopic { room, topic }).await.unwrap();
        let post = present::Post { room: ROOM.to_owned(), text: "hello".to_owned() };
        new.call(post).await.unwrap();

        let entered = past::RoomEvent::Entered { who: "bob".to_owned() };
        assert_eq!(heard.next().await, Some(Ok(entered)));
        // The topic stands between the two in the log: it is passed over, and no loss is told.
        let Some(Ok(past::RoomEvent::Said(said))) = heard.next().await else {
            panic!("no message")
        };
        assert_eq!((&*said.by, &*said.text), ("bob", "hello"));

        let post = past::Post { room: ROOM.to_owned(), text: "hi".to_owned() };
        assert_eq!(old.call(post).await.unwrap().number, said.number + 1);
        let mut history = old.stream(past::History { room: ROOM.to_owned(), limit: 9 });
        let mut texts = Vec::new();
        while let Some(message) = history.next().await {
            texts.push(message.unwrap().text);
        }
        assert_eq!(texts, ["hello", "hi"]);
        assert_eq!(history.finish().await.unwrap().older, 0);
    }
}

#[tokio::test]
async fn a_client_of_version_2_uses_version_1_of_an_older_server() {
    for format in [Format::Json, Format::MessagePack] {
        let server = Server::<past::Chat>::new(OldApp).spawn("127.0.0.1:0").await.unwrap();
        let new: Client<present::Chat> = client(server, "ann", format).await;
        assert_eq!(version(&new), 1);

        let joined = new.call(present::Join { room: ROOM.to_owned() }).await.unwrap();
        assert_eq!((&*joined.members, &*joined.topic), (&["ann".to_owned()][..], ""));
        let since = Position { epoch: joined.epoch, off: joined.off };
        let room = present::Room { name: ROOM.to_owned() };
        let mut heard = new.subscribe_since(room, Some(since)).await.unwrap();

        let (room, topic) = (ROOM.to_owned(), "tea".to_owned());
        let refused = new.call(present::SetTopic { room, topic }).await.unwrap_err();
        assert_eq!(refused.outcome(), Outcome::NotSent);
        let kind = "set_topic";
        assert_eq!(refused, CallError::Unsupported { kind, since: 2, negotiated: 1 });

        let post = present::Post { room: ROOM.to_owned(), text: "hello".to_owned() };
        new.call(post).await.unwrap();
        let said = heard.next().await;
        assert!(
            matches!(&said, Some(Ok(present::RoomEvent::Said(said))) if said.text == "hello"),
            "{said:?}"
        );
    }
}

#[tokio::test]
async fn an_older_client_that_comes_back_passes_over_what_it_does_not_know() {
    let server = new_server().await;
    let new: Client<present::Chat> = client(server, "bob", Format::Json).await;
    let joined = new.call(present::Join { room: ROOM.to_owned() }).await.unwrap();
    for topic in ["tea", "cakes", "tea with cakes"] {
        let (room, topic) = (ROOM.to_owned(), topic.to_owned());
        new.call(present::SetTopic { room, topic }).await.unwrap();
    }
    let post = present::Post { room: ROOM.to_owned(), text: "hello".to_owned() };
    new.call(post).await.unwrap();

    let old: Client<past::Chat> = client(server, "ann", Format::MessagePack).await;
    old.call(past::Join { room: ROOM.to_owned() }).await.unwrap();
    let since = Position { epoch: joined.epoch, off: joined.off };
    let room = past::Room { name: ROOM.to_owned() };
    let mut heard = old.subscribe_since(room, Some(since)).await.unwrap();
    let first = heard.next().await;
    assert!(matches!(&first, Some(Ok(past::RoomEvent::Said(_)))), "{first:?}");
    let second = heard.next().await;
    let entered = past::RoomEvent::Entered { who: "ann".to_owned() };
    assert!(matches!(&second, Some(Ok(event)) if *event == entered), "{second:?}");
}
